"""`nerkd doctor`: what this machine has, and what it lacks."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

import click

from nerkd_local.cli.options import PATH

_COLUMN = 20
_MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL", "unknown": "?"}


@click.command(name="doctor")
@click.argument("models", type=PATH, nargs=-1)
@click.option("--store", type=PATH, help="The folder that annotations are to go to: is it on a disk that keeps them?")
@click.option("--vllm/--no-vllm", default=True, help="Import vLLM, where it is installed (up to a minute).")
@click.option("--egress", is_flag=True, help="Prove that nothing here tries to leave this machine (minutes).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(models: tuple[Path, ...], store: Path | None, vllm: bool, egress: bool, as_json: bool) -> None:
    """Say what this machine has, what is missing, and how to mend it; load each of the MODELS folders dry.

    \b
    ok    will do
    WARN  works, with a loss or a risk that is named
    FAIL  must be mended; exit code 4
    ?     could not be found out here
    """
    import json

    from nerkd_local.doctor import examine
    from nerkd_local.errors import CheckFailed

    found = examine(
        models, store=store, import_vllm=vllm, egress=egress, say=lambda line: click.echo(f"... {line}", err=True)
    )
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if found["problems"]:
        raise CheckFailed(f"{len(found['problems'])} problem(s) found")


def _print(found: dict[str, object]) -> None:
    """Facts, then a line a finding with its fix below."""
    for name, value in found.items():
        if name not in ("findings", "problems", "models"):
            for line in value if isinstance(value, list) else [value]:
                click.echo(f"     {name:<{_COLUMN}} {line}")
    findings = found["findings"]
    assert isinstance(findings, list)
    for each in findings:
        click.echo(_wrapped(f"{_MARKS[each['status']]:<4} {each['check']:<{_COLUMN}} ", each["seen"]))
        if each["fix"]:
            click.echo(_wrapped(f"{'':<{_COLUMN + 5}} -> ", each["fix"]))


def _wrapped(before: str, text: str) -> str:
    """The text after `before`, on a terminal broken into lines that begin below its first."""
    if not sys.stdout.isatty():
        return before + text
    room = max(shutil.get_terminal_size().columns - len(before), 40)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return before + f"\n{' ' * len(before)}".join(lines)
