"""`nerkd audit`: likely errors in human labels."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, corpus_format, overrides


@click.command(name="audit")
@click.argument("human", type=PATH)
@click.option("--student", type=PATH, required=True, help="Folder of a pretrained encoder to train the students from.")
@click.option("--output", type=PATH, required=True, help="Folder for the suspects and the students' opinions.")
@click.option(
    "--labels", "annotations", type=PATH, help="An annotator's labels of HUMAN (annotations.jsonl), heard beside them."
)
@click.option("--folds", type=click.IntRange(2), default=5, show_default=True, help="As many students are trained.")
@corpus_format
@overrides
def command(
    human: Path,
    student: Path,
    output: Path,
    annotations: Path | None,
    folds: int,
    format: str,
    encoding: str,
    overrides: tuple[str, ...],
) -> None:
    """Rank the likely errors among the labels of HUMAN, by students that did not train on the sentences they judge.

    Writes suspects.jsonl and suspects.csv, prints the first 20. Nothing in HUMAN is changed. --set takes
    training.steps, entity_disjoint, seed, accelerate and workers. Started again, it goes on where it was stopped.

    HUMAN may be an annotator's labels (annotations.jsonl) too: crossfit/opinions.jsonl in the output folder is then
    what nerkd select takes as --opinions. --set entity_disjoint=false where few names would be left to learn from.
    """
    from nerkd_local.audit.run import AuditSettings, audit, describe, opinions_of
    from nerkd_local.settings import override_settings

    settings = override_settings(
        AuditSettings,
        overrides,
        corpus={"path": human, "format": format, "encoding": encoding},
        student=student,
        annotations=annotations,
        folds=folds,
    )
    suspects = audit(settings, output, say=lambda line: click.echo(line, err=True))
    click.echo(describe(suspects))
    click.echo(f"suspects -> {output / 'suspects.csv'}, {output / 'suspects.jsonl'}", err=True)
    click.echo(f"the students' opinions -> {opinions_of(output)}", err=True)
