"""A report as one HTML file: it asks nothing of anybody, and whatever text is in it stays text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import takewhile
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from nerkd_local.report.highlight import visible
from nerkd_local.report.page.choices import STATE_NAMES, STATE_SIGNS, choices_of
from nerkd_local.report.page.inline import inline_svg
from nerkd_local.report.page.theme import theme_style
from nerkd_local.report.parts import Figure, Report, Section, Table
from nerkd_local.report.sentences import encode_sentences

SCRIPTS = ("page", "tables", "sentences", "filters", "rows", "browser")
"""The page's scripts, in the order in which they stand in it."""
PROVENANCE = "provenance"
"""The key of the first section that comes after the sentences."""
PAGE_SIZE = 50
"""How many sentences stand in the page at a time: few enough to print, to search in and to lay out at once."""
# fmt: off
RESERVED = (
    "top", "main", "answer-text", "cautions-title", "contents", "contents-title", "sentences", "browser",
    "browse", "copy-link", "clear", "count", "view", "rows", "empty", "tip", "said", "packed",
)
# fmt: on
"""The page's own anchors: no section is called so. (Figures and tables have a number in theirs.)"""


def render_page(report: Report, figures: Mapping[str, str]) -> str:
    """The whole page; `figures` holds the text of each figure's SVG file, by its name.

    The page is sealed by its own content security policy: nothing is loaded but what is in it, and only the style and
    the script that are named by their hash count; a script or style that got in through some text would not. Figures
    and tables are also linked to as files beside the page (`figures/NAME.svg`, `tables/NAME.csv`).

    Characters that act (controls, those that reverse the reading direction) are written out as `\\u202e`. The same
    arguments give the same page. Raises ValueError for a figure without a drawing, for names and keys that are not one
    of a kind, and for a drawing that is not one (`inline_svg`).
    """
    _check_names(report, figures)
    drawn = [part for section in report.sections for part in section.parts if isinstance(part, Figure)]
    listed = [part for section in report.sections for part in section.parts if isinstance(part, Table)]
    before, after = _around_sentences(report.sections)
    style = _source(theme_style() + _resource("page.css"))
    script = _source(
        '"use strict";\n(() => {\n' + "".join(_resource(f"scripts/{name}.js") for name in SCRIPTS) + "})();\n"
    )
    return _template().render(
        report=report,
        before=before,
        after=after,
        drawings={
            figure.name: Markup(
                inline_svg(
                    figures[figure.name],
                    prefix=f"f{number}-",
                    title=visible(figure.title),
                    description=visible(figure.alt),
                )
            )
            for number, figure in enumerate(drawn, 1)
        },
        figure_numbers={figure.name: number for number, figure in enumerate(drawn, 1)},
        table_numbers={table.name: number for number, table in enumerate(listed, 1)},
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        choices=None if report.sentences is None else choices_of(report.sentences),
        encoded=None if report.sentences is None else Markup(encode_sentences(report.sentences)),
        state_names=STATE_NAMES,
        state_signs=STATE_SIGNS,
        page_size=PAGE_SIZE,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.tests |= {
        "figure": lambda part: isinstance(part, Figure),
        "table": lambda part: isinstance(part, Table),
    }
    environment.filters["path"] = lambda name: quote(name.encode("utf-8", "replace"), safe="")
    return environment.from_string(_resource("page.html.jinja"))


def _shown(value: object) -> object:
    """What the template writes of a value: text without characters that act. Line breaks and tabs are layout."""
    return visible(value, keep="\n\t") if isinstance(value, str) and not isinstance(value, Markup) else value


def _around_sentences(sections: Sequence[Section]) -> tuple[Sequence[Section], Sequence[Section]]:
    before = list(takewhile(lambda section: section.key != PROVENANCE, sections))
    return before, sections[len(before) :]


def _check_names(report: Report, figures: Mapping[str, str]) -> None:
    parts = [part for section in report.sections for part in section.parts]
    _check_unique("section", [*RESERVED, *(section.key for section in report.sections)])
    _check_unique("figure", [part.name for part in parts if isinstance(part, Figure)])
    _check_unique("table", [part.name for part in parts if isinstance(part, Table)])
    for part in parts:
        if isinstance(part, Figure) and part.name not in figures:
            raise ValueError(f"there is no drawing of the figure {part.name}")
        if isinstance(part, Table) and any(len(row) != len(part.headers) for row in part.rows):
            raise ValueError(f"the table {part.name} has rows that do not fit its {len(part.headers)} headers")


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two {what}s of the report are called {name!r}, or one by a name that the page needs")
        seen.add(name)


def _policy(style: str, script: str) -> str:
    """Everything is forbidden but this one style, this one script, and pictures written into the page."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Our own style or script, as it stands between its tags: what would end the element early, or what a browser
    reads otherwise than it is hashed, must not be in it."""
    if "\r" in text or "\0" in text or "</" in text or "<!--" in text:
        raise ValueError("a style or script of the page holds what HTML would read as its end")
    return text
