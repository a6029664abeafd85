"""The page's colours, light and dark, and what the figures' colours become on it.

Here and not in the style sheet, because three parties use them: the style sheet, the figures, and the test that
computes their contrast.
"""

from __future__ import annotations

from collections.abc import Mapping

from nerkd_local.report.canvas import FAINT, HUMAN, KINDS, LLM, QUIET, TEXT

_STUDENT = KINDS[1][0]
_KINDS = tuple(dict.fromkeys(color for color, _ in KINDS))

LIGHT: Mapping[str, str] = {
    "ground": "#f6f7f9",
    "paper": "#ffffff",
    "raised": "#eef1f4",  # code, table headers, chips
    "ink": TEXT.lower(),
    "quiet": QUIET.lower(),
    "faint": FAINT.lower(),  # lines that only part things
    "edge": "#858c96",  # lines that say where a control is
    "link": "#005f94",
    "focus": "#b3006b",
    "hit": "#ffe15c",
    "human": HUMAN.lower(),
    "human-tint": "#dbebf6",
    "llm": LLM.lower(),
    "llm-line": "#8f6400",  # amber on white is too faint for a line
    "llm-tint": "#fdf1d3",
    "student": _STUDENT.lower(),
    "student-line": "#00795a",
    "student-tint": "#d9f0e8",
    "wrong": "#a84a00",
    "caution": "#fff5e0",
    **{f"kind-{number}": color.lower() for number, color in enumerate(_KINDS)},
}

DARK: Mapping[str, str] = {
    "ground": "#0f1318",
    "paper": "#171c23",
    "raised": "#222932",
    "ink": "#e7eaee",
    "quiet": "#a5aeba",
    "faint": "#2c333c",
    "edge": "#6f7a87",
    "link": "#7cc0f0",
    "focus": "#ff8ac6",
    "hit": "#6b5a00",
    "human": "#3d9bdb",
    "human-tint": "#14344c",
    "llm": LLM.lower(),
    "llm-line": "#f0b429",
    "llm-tint": "#41340f",
    "student": "#2bb58c",
    "student-line": "#2bb58c",
    "student-tint": "#0f3b2e",
    "wrong": "#f5a25f",
    "caution": "#33290f",
    **dict(
        zip(
            (f"kind-{number}" for number in range(len(_KINDS))),
            ("#f0803a", "#2bb58c", "#d183c2", "#c9ced6", "#7cc8f4", "#c9ab3c"),
            strict=True,
        )
    ),
}

INKS: Mapping[str, str] = {
    "#ffffff": "paper",
    TEXT.lower(): "ink",
    "#000000": "ink",
    QUIET.lower(): "quiet",
    FAINT.lower(): "faint",
    HUMAN.lower(): "human",
    LLM.lower(): "llm",
    **{color.lower(): f"kind-{number}" for number, color in enumerate(_KINDS)},
}
"""Each colour that a figure is drawn in, and the variable that takes its place: the same figure reads in the dark."""


def theme_style() -> str:
    """The colours as variables (`--ink`): by what the reader's system prefers, unless `data-theme` on the root element
    says otherwise; on paper always the light ones."""
    light, dark = (_variables(theme) for theme in (LIGHT, DARK))
    return f"""\
:root {{ color-scheme: light; {light} }}
@media screen and (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ color-scheme: dark; {dark} }} }}
@media screen {{ :root[data-theme="dark"] {{ color-scheme: dark; {dark} }} }}
"""


def _variables(theme: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in theme.items())
