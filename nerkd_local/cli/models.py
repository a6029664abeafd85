"""`nerkd models`: which models are here, where they are from, and whether they are what they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nerkd_local.cli.options import PATH

_models = click.option(
    "--models", type=PATH, default="models", show_default=True, help="The folder with the models and their manifest."
)


@click.group(name="models")
def command() -> None:
    """Take model folders in, verify them, list them."""


@command.command()
@click.argument("folder", type=PATH)
@click.option("--name", help="What it is to be called in MODELS; its folder's name where it is not given.")
@click.option("--role", type=click.Choice(["annotator", "student"]), help="What for, where config.json misleads.")
@click.option("--licence", help="Its licence, where its README.md and LICENSE do not say.")
@click.option("--origin", help="Where it is from: an address, a person, a disk.")
@click.option("--revision", help="Which version of it: its origin's commit.")
@click.option(
    "--leave-out", metavar="PATTERN", multiple=True, help="Files not to take in (*.bin, onnx/*). May be repeated."
)
@click.option("--in-place", is_flag=True, help="It is in MODELS already: enter it, copy nothing.")
@_models
def add(
    folder: Path,
    name: str | None,
    role: str | None,
    licence: str | None,
    origin: str | None,
    revision: str | None,
    leave_out: tuple[str, ...],
    in_place: bool,
    models: Path,
) -> None:
    """Check the model in FOLDER, copy it into MODELS, and enter it in the manifest.

    Refused, with every reason at once: code, pickled weights, keys in a config that load either, weights that are not
    what they declare, and whatever the libraries here cannot read. Tried out in processes with bounds on time and
    memory (half a minute).
    """
    from typing import cast

    from nerkd_local.models.intake import Facts, add_model
    from nerkd_local.models.listing import describe_model
    from nerkd_local.models.problems import Role

    facts = Facts(licence=licence, origin=origin, revision=revision, role=cast("Role | None", role))
    name, model, notes = add_model(
        folder, models, name=name, facts=facts, leave_out=leave_out, in_place=in_place, say=_say
    )
    for note in notes:
        _say(f"note: {note}")
    click.echo("\n".join(describe_model(name, model)))


@command.command()
@click.argument("names", nargs=-1)
@_models
def verify(names: tuple[str, ...], models: Path) -> None:
    """Read every file of the models NAMES (of all of them) and compare it with the manifest; exits with 4 if one is not
    what was taken in.
    """
    from nerkd_local.errors import CheckFailed
    from nerkd_local.models.verify import strangers, verify_models

    problems: list[str] = []
    for found in verify_models(models, names):
        problems += found.problems
        told = _count(found.problems) if found.problems else "as taken in"
        click.echo(f"{found.name}: {found.files} files, {found.size / 2**20:,.1f} MiB, {told}")
    for name in [] if names else strangers(models):
        _say(f"note: {name}: was never taken in (nerkd models add {models / name} --in-place)")
    if problems:
        raise CheckFailed("\n".join([_count(problems), *problems]))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest's entries as JSON.")
@_models
def list_models(as_json: bool, models: Path) -> None:
    """Say which models were taken in, with licence, origin and hash. Reads the manifest, not the models."""
    import json

    from nerkd_local.models.listing import describe_model
    from nerkd_local.models.manifest import read_models

    found = read_models(models)
    if as_json:
        click.echo(json.dumps({name: model.model_dump(mode="json") for name, model in found.items()}, indent=2))
        return
    for name, model in found.items():
        click.echo("\n".join(describe_model(name, model)))
    if not found:
        _say(f"{models}: no model was taken in")


def _count(problems: Sequence[str]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"


def _say(line: str) -> None:
    click.echo(line, err=True)
