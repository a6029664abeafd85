"""Arguments and options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PATH: click.Path = click.Path(path_type=Path)
"""A path; whether it is there is checked where it is read, in the project's own words."""


def overrides(function: F) -> F:
    """`--set key=value`, any number of times."""
    return click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override one setting (key.sub=value, value in YAML). May be repeated; applied in order.",
    )(function)


def corpus_format(function: F) -> F:
    """`--format` and `--encoding` of a corpus that is read."""
    function = click.option(
        "--encoding", default="utf-8", show_default=True, help="Encoding of column and text files."
    )(function)
    return click.option(
        "--format",
        "format",
        type=click.Choice(["auto", "conll", "jsonl", "text"]),
        default="auto",
        show_default=True,
        help="What the corpus is; auto goes by its extension.",
    )(function)


def export_formats(flag: str) -> Callable[[F], F]:
    """An option, any number of times, for what labels are written as beside the JSON lines."""
    return click.option(
        flag,
        "exports",
        type=click.Choice(["conll", "parquet"]),
        multiple=True,
        help="Write the labels in this format too, beside the JSON lines. May be repeated.",
    )
