"""`nerkd evaluate`: predicted labels against human ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="evaluate")
@click.argument("gold", type=PATH)
@click.argument("predicted", type=PATH)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many sentences of GOLD.")
@click.option("--output", type=PATH, help="Also write the scores there (JSON lines).")
def command(gold: Path, predicted: Path, limit: int | None, output: Path | None) -> None:
    """Score PREDICTED against GOLD, matched by sentence id: an annotator's labels or a student's alike.

    Prints strict and lenient micro scores, the strict macro average, and strict scores by type.
    """
    from tabulate import tabulate

    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.evaluate.matching import match_tags
    from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
    from nerkd_local.files import write_json_lines

    gold_documents = islice(read_corpus(CorpusSettings(path=gold)), limit)
    pairs = match_tags(gold_documents, read_corpus(CorpusSettings(path=predicted)), predicted)
    rows = scores_to_rows(score_tags(*pairs))
    shown = [[f"{value:.3f}" if isinstance(value, float) else value for value in row.values()] for row in rows]
    click.echo(tabulate(shown, list(rows[0]), disable_numparse=True))
    if output:
        write_json_lines(output, rows)
