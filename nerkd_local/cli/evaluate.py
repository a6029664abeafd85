"""`nerkd evaluate`: predicted labels against human ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import click

from nerkd_local.cli.options import PATH
from nerkd_local.records import Document

_PRIOR = 2.0
"""Pseudo-counts of a tag in the channel: what one pair of sentences says does not overrule them."""


@click.command(name="evaluate")
@click.argument("gold", type=PATH)
@click.argument("predicted", type=PATH)
@click.option("--limit", type=click.IntRange(1), help="Only the first so many sentences of GOLD.")
@click.option("--output", type=PATH, help="Also write the scores there (JSON lines).")
@click.option("--calibration", type=PATH, help="Also judge the confidences that this makes (see nerkd calibrate).")
@click.option("--figures", type=PATH, help="Draw reliability and risk over coverage into this folder.")
@click.option("--channel", type=PATH, help="Also write which tags stand for which, for the distilled loss `channel`.")
def command(
    gold: Path,
    predicted: Path,
    limit: int | None,
    output: Path | None,
    calibration: Path | None,
    figures: Path | None,
    channel: Path | None,
) -> None:
    """Score PREDICTED against GOLD, matched by sentence id: an annotator's labels or a student's alike.

    Prints strict and lenient micro scores, the strict macro average, and strict scores by type; of labels with
    confidences also how well these are calibrated (ECE, Brier) and how well they tell right from wrong (AURC, the area
    under the risk-coverage curve, lower is better), over the entities found, with 95% intervals over documents.
    """
    from tabulate import tabulate

    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.evaluate.matching import match_tags
    from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
    from nerkd_local.files import write_json_lines

    human = list(islice(read_corpus(CorpusSettings(path=gold)), limit))
    found = list(read_corpus(CorpusSettings(path=predicted)))
    pairs = match_tags(human, found, predicted)
    rows = scores_to_rows(score_tags(*pairs))
    shown = [[f"{value:.3f}" if isinstance(value, float) else value for value in row.values()] for row in rows]
    click.echo(tabulate(shown, list(rows[0]), disable_numparse=True))
    if output:
        write_json_lines(output, rows)
    _judge_confidences(human, found, calibration, figures, predicted)
    if channel:
        _write_channel(human, found, channel)


def _judge_confidences(
    human: Sequence[Document], found: Sequence[Document], calibration: Path | None, figures: Path | None, path: Path
) -> None:
    """Print what confidences are worth, where there are any. Raises InputError where they are asked for and lack."""
    from nerkd_local.errors import InputError
    from nerkd_local.evaluate.calibration import collect_spans, load_calibration
    from nerkd_local.evidence.confidences import ConfidenceReport

    answers = {document.id: document for document in found}
    fitted = load_calibration(calibration) if calibration else None
    try:
        spans = collect_spans([(document, answers[document.id]) for document in human], fitted)
    except InputError as error:
        raise InputError(error.problem, path=path) from None
    if spans is None or not spans.right:
        if calibration or figures:
            raise InputError("has no entities with confidences; annotate with logprobs, votes or verify", path=path)
        return
    report = ConfidenceReport(spans)
    click.echo(f"\n{report.lines()}")
    if figures:
        click.echo(f"figures -> {', '.join(map(str, report.draw(figures)))}", err=True)


def _write_channel(human: Sequence[Document], annotated: Sequence[Document], path: Path) -> None:
    from nerkd_local.annotate.ledger import is_usable
    from nerkd_local.train.channel import estimate_channel, save_channel

    answers = {document.id: document for document in annotated if is_usable(document)}
    pairs = [(document, answers[document.id]) for document in human if document.id in answers]
    labels = sorted({span.label for pair in pairs for document in pair for span in document.spans})
    save_channel(estimate_channel(pairs, labels, prior=_PRIOR), labels, path)
    click.echo(f"channel of {len(pairs):,} sentences, labels {', '.join(labels)} -> {path}", err=True)
