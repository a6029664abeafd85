"""`nerkd reproduce`: a finished run once more, and which of its numbers come out the same."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="reproduce")
@click.argument("run", type=PATH)
@click.option("--output", type=PATH, help="The new run folder; RUN-reproduced by default.")
@click.option(
    "--students", multiple=True, metavar="PATTERN", help="Only students of that name (`simple_mix-*`). May be repeated."
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N of the finished ones, always the same.")
@click.option("--reuse-annotations", is_flag=True, help="Take the run's annotations as they are, and ask no LLM again.")
@overrides
def command(
    run: Path,
    output: Path | None,
    students: tuple[str, ...],
    sample: int | None,
    reuse_annotations: bool,
    overrides: tuple[str, ...],
) -> None:
    """Run RUN again from its recorded settings, and say what is bit-equal, what within noise, and what is not.

    --set says where things are on this machine: data_root, student, annotator.engine.model, workers. What came out is
    in reproduce.md and reproduce.json in the new folder. Started again, it goes on. Exit code 4: something differs.
    """
    from nerkd_local.errors import CheckFailed
    from nerkd_local.evidence.reproduce import reproduce
    from nerkd_local.evidence.reproduction import describe_reproduction

    found = reproduce(
        run,
        lambda line: click.echo(line, err=True),
        output=output,
        students=students,
        sample=sample,
        reuse_annotations=reuse_annotations,
        overrides=overrides,
    )
    click.echo(describe_reproduction(found))
    if found.differs:
        raise CheckFailed(f"{len(found.differs):,} of {len(found.findings):,} findings differ by more than noise")
