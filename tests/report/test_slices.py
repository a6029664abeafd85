"""The two figures of where a difference is: they draw what they are given, and the same again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.report.slices import ErrorBar, SliceMark, errors_figure, slices_figure


def mark(line: str = "simple_mix", size: int = 100, marked: bool = True, name: str = "PER") -> SliceMark:
    return SliceMark(size, "type", name, line, 0.05, 0.03, 0.07, marked)


def draw(marks: list[SliceMark], path: Path) -> Path:
    slices_figure(marks, path, "a caption", reference="original_only", reading="filled: told apart")
    return path


def test_the_figure_names_what_it_shows(tmp_path: Path) -> None:
    marks = [mark(), mark("linear", marked=False), mark(size=2500), mark(name="<b>&$x")]
    text = draw(marks, tmp_path / "a.svg").read_text()
    for words in ("100 original sentences", "2,500 original sentences", "PER", "simple_mix", "linear", "original_only"):
        assert words in text
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;$x" in text


def test_the_same_marks_give_the_same_bytes(tmp_path: Path) -> None:
    marks = [mark(), mark("linear")]
    assert draw(marks, tmp_path / "a.png").read_bytes() == draw(marks, tmp_path / "b.png").read_bytes()


def test_marked_and_unmarked_differ(tmp_path: Path) -> None:
    a, b = (draw([mark(marked=each)], tmp_path / f"{each}.png").read_bytes() for each in (True, False))
    assert a != b


def test_many_lines_and_long_names(tmp_path: Path) -> None:
    marks = [mark(f"a regimen with a very long name number {n}", name=f"type {n % 3}" * 9) for n in range(14)]
    assert draw(marks, tmp_path / "a.png").stat().st_size > 1000


def test_errors_by_line(tmp_path: Path) -> None:
    bars = [
        ErrorBar(100, "original_only", {"type": 150.4, "missed": 60.0}),
        ErrorBar(100, "simple_mix", {"type": 90.0, "missed": 1.0}),
        ErrorBar(2500, "simple_mix", {"type": 0.0, "missed": 0.0}),
    ]
    errors_figure(bars, tmp_path / "a.svg", "")
    text = (tmp_path / "a.svg").read_text()
    # the sum stands beside a bar, and in it what is wide enough
    for words in ("2,500 original sentences", "210", "150", "91", "missed"):
        assert f">{words}<" in text
    assert ">1<" not in text


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no slices"):
        draw([], tmp_path / "a.png")
    with pytest.raises(ValueError, match="no errors"):
        errors_figure([], tmp_path / "a.png", "")
    errors_figure([ErrorBar(1, "perfect", {"type": 0.0})], tmp_path / "a.png", "")
