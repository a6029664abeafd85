from __future__ import annotations

import re

import pytest

from nerkd_local.report.canvas import FAINT, HUMAN, KINDS, LLM, QUIET, TEXT
from nerkd_local.report.page.theme import DARK, INKS, LIGHT, theme_style

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def luminance(color: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


TEXT_ON = [
    *((ink, ground) for ink in ("ink", "quiet", "link") for ground in ("ground", "paper", "raised")),
    *((ink, f"{role}-tint") for role in ("human", "llm", "student") for ink in ("ink", "quiet", "wrong")),
    *(("wrong", ground) for ground in ("paper", "ground", "raised")),
    ("ink", "caution"),
    ("ink", "hit"),
    ("paper", "ink"),  # the tip and the chosen theme
    ("paper", "human"),  # the letter that says whose labels they are
    ("paper", "student-line"),
]


@THEMES
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON)
def test_text_has_the_contrast_of_wcag_aa(theme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(theme[ink], theme[ground]) >= 4.5


@THEMES
@pytest.mark.parametrize("line", ["edge", "focus", "human", "llm-line", "student-line", "wrong"])
@pytest.mark.parametrize("ground", ["ground", "paper"])
def test_lines_that_mean_something_have_it_too(theme: dict[str, str], line: str, ground: str) -> None:
    assert contrast(theme[line], theme[ground]) >= 3


@THEMES
@pytest.mark.parametrize("role", ["human", "llm", "student"])
def test_the_line_under_a_mention_is_seen_on_its_tint(theme: dict[str, str], role: str) -> None:
    assert contrast(theme["human" if role == "human" else f"{role}-line"], theme[f"{role}-tint"]) >= 3


def test_a_letter_on_amber_can_be_read_in_both_themes() -> None:
    assert contrast("#1b1f24", LIGHT["llm"]) >= 4.5
    assert LIGHT["llm"] == DARK["llm"] == LLM.lower()


@pytest.mark.parametrize("number", range(6))
def test_marks_of_a_figure_are_seen_in_the_dark(number: int) -> None:
    assert contrast(DARK[f"kind-{number}"], DARK["paper"]) >= 3


def test_every_colour_of_the_canvas_has_a_variable_with_its_own_value_in_the_light() -> None:
    for color in (TEXT, QUIET, FAINT, HUMAN, LLM, *(color for color, _ in KINDS)):
        assert LIGHT[INKS[color.lower()]] == color.lower()
    assert INKS["#ffffff"] == "paper"
    assert LIGHT["paper"] == "#ffffff"


def test_both_themes_define_the_same_variables_and_the_style_sheet_uses_no_others() -> None:
    from importlib.resources import files

    assert LIGHT.keys() == DARK.keys()
    sheet = files("nerkd_local.report.page").joinpath("page.css").read_text()
    local = {"line", "tint", "sign", "shape", "thick"}
    assert set(re.findall(r"var\(--([\w-]+)", sheet)) - local <= LIGHT.keys()


def test_dark_is_for_screens_only() -> None:
    light, system, chosen = theme_style().splitlines()
    assert "color-scheme: light" in light
    assert system.startswith('@media screen and (prefers-color-scheme: dark) { :root:not([data-theme="light"])')
    assert chosen.startswith('@media screen { :root[data-theme="dark"]')
