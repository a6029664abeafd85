"""`nerkd report`: one HTML file that shows what a run found."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="report")
@click.argument("run", type=PATH)
@click.option("--output", type=PATH, help="Folder to write to; RUN/report unless told.")
@click.option(
    "--sentences/--no-sentences",
    default=True,
    help="Without: no sentence of a corpus is in the report, so that it can be shown where the corpora may not.",
)
@click.option(
    "--priced-by",
    "priced_by",
    metavar="FOLDER",
    type=PATH,
    multiple=True,
    help="An annotation folder that says what labels cost, where the run's own are recorded answers. May be repeated.",
)
@click.option(
    "--minutes-per-original",
    "minutes",
    metavar="MINUTES",
    type=click.FloatRange(0, min_open=True),
    help="What a person takes to label one sentence.",
)
def command(
    run: Path, output: Path | None, sentences: bool, priced_by: tuple[Path, ...], minutes: float | None
) -> None:
    """Write the report of RUN, the output folder of `nerkd run`: index.html, which opens in any browser and asks for
    nothing from anywhere, with its figures as SVG and PNG and its tables as CSV and LaTeX beside it.

    RUN may still be training, or have been kept without its texts: the report says what is missing. Prints the page's
    path.
    """
    from nerkd_local.evidence.report import ReportOptions, write_report

    options = ReportOptions(sentences, priced_by, minutes)
    click.echo(write_report(run, output, options, say=lambda line: click.echo(line, err=True)))
