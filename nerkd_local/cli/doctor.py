"""`nerkd doctor`: what this machine has."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="doctor")
@click.argument("models", type=PATH, nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(models: tuple[Path, ...], as_json: bool) -> None:
    """Say which Python, libraries and devices are here, and whether each of the MODELS folders can be used.

    Exit code 4 if a model folder cannot be used or the network switches are not set.
    """
    import json

    from nerkd_local.doctor import examine
    from nerkd_local.errors import CheckFailed

    findings = examine(models)
    if as_json:
        click.echo(json.dumps(findings, indent=2, ensure_ascii=False))
    else:
        for name, value in findings.items():
            for line in value if isinstance(value, list) else [value]:
                click.echo(f"{name:<13} {line}")
    if findings["problems"]:
        raise CheckFailed(f"{len(findings['problems'])} problem(s) found")
