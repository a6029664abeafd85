"""`nerkd compare`: which regimens differ, in words that the numbers allow."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="compare")
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option("--to", default="original_only", show_default=True, help="The regimen that all others are compared with.")
@click.option("--size", type=click.IntRange(1), help="Only lines of so many original sentences.")
@click.option("--mix", help="Only lines of this mix of distilled sources, and those of none.")
@click.option(
    "--level",
    type=click.FloatRange(0.5, 0.999, min_open=True),
    default=0.95,
    show_default=True,
    help="Of intervals and tests.",
)
@click.option("--csv", "table", type=PATH, help="Also write the comparisons there, at full precision.")
def command(
    runs: tuple[Path, ...], to: str, size: int | None, mix: str | None, level: float, table: Path | None
) -> None:
    """Compare every regimen of finished RUNs with one of them, and say who leads.

    A RUN is the output folder of `nerkd run`, or one of docs/results. The test takes in documents and training seeds,
    and is corrected for all comparisons made (Holm); "better" takes that and an interval without 0.
    """
    from nerkd_local.evidence.compare import compare_runs
    from nerkd_local.evidence.findings import (
        comparison_records,
        comparison_table,
        describe_against,
        describe_family,
        describe_notes,
        describe_standing,
    )
    from nerkd_local.evidence.run import open_run
    from nerkd_local.report.tables import markdown_table, write_csv

    found = compare_runs([open_run(run) for run in runs], to=to, size=size, mix=mix, level=level)
    shown = comparison_table(found)
    click.echo(markdown_table(shown.headers, shown.rows, left=shown.left))
    for standing in found.standings:
        size_ = standing.leader.size
        said = (describe_against(found, size_), describe_standing(standing, found))
        click.echo(f"{size_:,} original sentences: {' '.join(filter(None, said))}\n")
    click.echo("\n".join(filter(None, (describe_family(found), *describe_notes(found)))))
    if table:
        write_csv(table, comparison_records(found))
        click.echo(f"comparisons -> {table}", err=True)
