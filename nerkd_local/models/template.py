"""A chat template read as what it is: a program by strangers, which turns every question into what the model sees.

It runs in jinja's sandbox, which has been left before, so what only an escape needs is refused unrun. Whether it does
what a template must is found by `dry`, which runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from nerkd_local.errors import InputError
from nerkd_local.files import parse_json, read_text
from nerkd_local.models.names import ModelFolder
from nerkd_local.models.problems import Kind, Problem

MAX_TEMPLATE = 256 << 10
"""Bytes. The longest that a large model brought along so far has a tenth of that."""
_HIDDEN = re.compile(r"__\w+__")
_ASK = "ask where the model is from; a copy with its maker's template is taken in"


def templates(folder: ModelFolder) -> dict[str, str]:
    """Every chat template in a folder, by the file (and name) that holds it. What cannot be read is left out."""
    found: dict[str, str] = {}
    for name in folder.readable:
        path = folder.path / name
        try:
            if name.endswith(".jinja"):
                found[name] = read_text(path)
            elif name in ("chat_template.json", "tokenizer_config.json", "processor_config.json"):
                value = parse_json(read_text(path))
                found |= _inside(name, value.get("chat_template") if isinstance(value, dict) else None)
        except (InputError, ValueError):
            continue
    return found


def _inside(file: str, value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {file: value}
    named = (
        {each.get("name"): each.get("template") for each in value if isinstance(each, dict)}
        if isinstance(value, list)
        else value
    )
    if not isinstance(named, dict):
        return {}
    return {f"{file} ({name})": text for name, text in named.items() if isinstance(text, str)}


def check_template(folder: ModelFolder) -> list[Problem]:
    """What in a folder's templates is refused unrun, or worth knowing."""
    problems = []
    for place, text in templates(folder).items():
        problems += [Problem("template", kind, place, what, fix) for kind, what, fix in _findings(text)]
    return problems


def _findings(text: str) -> Iterator[tuple[Kind, str, str]]:
    if len(text.encode("utf-8", "surrogatepass")) > MAX_TEMPLATE:
        yield "unsafe", f"is longer than {MAX_TEMPLATE >> 10} KiB", _ASK
        return
    try:
        tree = _environment().parse(text)
        found = sorted({line for node in _nodes(tree) if (line := _unsafe(node)) is not None})
        dated = any(isinstance(node, nodes.Name) and node.name == "strftime_now" for node in _nodes(tree))
    except TemplateSyntaxError as error:
        yield "broken", f"is no valid template (line {error.lineno}: {error.message})", _ASK
        return
    except RecursionError:
        yield "unsafe", "is nested too deeply to be read", _ASK
        return
    for what in found:
        yield "unsafe", what, _ASK
    if dated:
        what = "writes the day's date into every prompt where no other is given, so answers change from day to day"
        yield "note", what, "set the date that it reads in chat_template_kwargs (often date_string)"


def _unsafe(node: nodes.Node) -> str | None:
    """What only a way out of the sandbox needs; None for all that templates do."""
    if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
        return f"reads other files ({type(node).__name__.lower()})"
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        return f"reaches for the hidden attribute {node.attr[:40]}"
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and (hidden := _HIDDEN.search(node.value)):
        return f"holds the name of a hidden attribute, {hidden[0][:40]!r}"
    if isinstance(node, nodes.Filter) and node.name in ("attr", "map") and _by_attribute(node):
        return f"picks attributes by name (the filter {node.name})"
    if isinstance(node, nodes.Name) and node.name in ("lipsum", "cycler", "joiner", "self"):
        return f"uses {node.name}, which leads to Python's own names"
    return None


def _by_attribute(node: nodes.Filter) -> bool:
    """`attr` always; `map('attr', …)` is the same by a detour, `map(attribute='role')` is what templates use it for."""
    first = node.args[0] if node.args else None
    return node.name == "attr" or (isinstance(first, nodes.Const) and first.value == "attr")


def _nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node below, without recursion: how deep a template is nested is its maker's choice."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.iter_child_nodes()


class _Generation(Extension):
    """`{% generation %}`, with which some templates mark the answer."""

    tags = {"generation"}  # noqa: RUF012 (jinja's own way)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers sets jinja up for chat templates."""
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
