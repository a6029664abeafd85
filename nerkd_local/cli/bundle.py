"""`nerkd bundle`: what the closed side's tool does, by the same names and words, and what only the toolkit can."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import click

from nerkd_local.bundle import tool
from nerkd_local.cli.options import PATH, overrides


def _passed_through(name: str, verb: tool.Verb) -> click.Command:
    """A subcommand that hands everything on to the tool as it was typed, its --help too."""

    @click.command(
        name,
        help=verb.help,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def passed(ctx: click.Context, arguments: tuple[str, ...]) -> int:
        return tool.call([name, *arguments], program=ctx.parent.command_path if ctx.parent else tool.PROGRAM)

    return passed


@click.group("bundle")
def command() -> None:
    """Carry the toolkit into a closed network, and results out of it: a signed folder of plain files.

    \b
    Exit codes besides the usual: 10 incomplete, 11 corrupt, 12 bad signature, 13 wrong platform,
    14 no space, 15 lower sequence, 16 self-test failed, 17 environment not made.
    """


@command.command()
@click.argument("spec", type=PATH)
@click.option("--key", type=PATH, required=True, metavar="PRIVATE.pem", help="The ed25519 key that signs it.")
@click.option("--output", type=PATH, required=True, help="New folder for the bundle.")
@click.option("--after", type=PATH, metavar="BUNDLE", help="The bundle that was sent before: what it has is left out.")
@click.option("--full", is_flag=True, help="With --after: the next in sequence, with everything in it all the same.")
@click.option("--cache", type=PATH, help="Where packages are kept [$XDG_CACHE_HOME/nerkd, else ~/.cache/nerkd].")
@overrides
def create(
    spec: Path,
    key: Path,
    output: Path,
    after: Path | None,
    full: bool,
    cache: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Make the bundle that SPEC (YAML, see configs/bundles) asks for, signed with the key.

    The one command that reaches the network: pip fetches packages from where it is configured to. The same inputs give
    the same bytes, and so the same root hash.
    """
    from importlib.util import find_spec

    from nerkd_local.errors import InputError

    if find_spec("cyclonedx") is None or find_spec("packaging") is None:
        raise InputError("creating a bundle needs cyclonedx-python-lib; install nerkd-local[bundle]")
    from nerkd_local.bundle.create.run import create_bundle, describe_created
    from nerkd_local.bundle.create.spec import BundleSettings
    from nerkd_local.settings import load_settings

    if full and after is None:
        raise click.UsageError("--full goes with --after; without, every bundle is full")
    settings = load_settings(BundleSettings, spec, overrides)
    place = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nerkd"
    created = create_bundle(settings, key, output, cache=place, after=after, full=full, say=_say)
    click.echo(describe_created(created, key))


@command.command()
@click.argument("run", type=PATH)
@click.option("--key", type=PATH, required=True, metavar="PRIVATE.pem", help="The ed25519 key that signs it.")
@click.option("--output", type=PATH, required=True, help="New folder for the bundle.")
@click.option(
    "--text",
    type=click.Choice(["none", "hashes", "full"]),
    required=True,
    help="What of the corpora's text goes out: none; labels at the SHA-256 of each sentence; or all as it is.",
)
@click.option(
    "--annotations",
    is_flag=True,
    help="Also what students and annotators were given, and the annotators' labels. Not with --text none.",
)
@click.option(
    "--students",
    multiple=True,
    metavar="NAME",
    default=["leader"],
    show_default=True,
    help="Whose weights go out: leader, all, none, a name or a pattern (`simple_mix-*`). May be repeated.",
)
@click.option("--name", help="What the bundle is called [the run's name].")
def export(
    run: Path,
    key: Path,
    output: Path,
    text: Literal["none", "hashes", "full"],
    annotations: bool,
    students: tuple[str, ...],
    name: str | None,
) -> None:
    """Make a signed bundle of the results of RUN, the output folder of `nerkd run`: scores, report, figures, digests,
    and students.

    What happens to the text of the corpora has no default: it must be said. Unless all of it goes out, every file is
    searched for sentences before the bundle is signed. README.md in it says what it holds and what it still tells.
    """
    from nerkd_local.bundle.export.run import ExportOptions, describe_exported, export_results

    options = ExportOptions(text, annotations, students, name)
    exported = export_results(run, output, key, options, _say)
    click.echo(describe_exported(exported, key))


def _say(line: str) -> None:
    click.echo(line, err=True)


for _name, _verb in tool.VERBS.items():
    command.add_command(_passed_through(_name, _verb))
