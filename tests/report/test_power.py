from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.report.power import PowerPoint, power_figure

POINTS = [
    PowerPoint(documents, seeds, planted, found, max(0.0, found - 0.03), min(1.0, found + 0.03))
    for documents in (30, 216)
    for seeds in (2, 5)
    for planted, found in ((0.0, 0.04), (0.03, 0.1 * seeds), (0.05, 0.19 * seeds))
]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_it_is_drawn_and_the_same_points_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in ("one", "other")]
    for file in files:
        power_figure(POINTS, file, "made up")
    one, other = (file.read_bytes() for file in files)
    assert one == other
    assert one.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")


def test_the_figure_names_documents_and_seeds(tmp_path: Path) -> None:
    power_figure(POINTS, tmp_path / "power.svg", "made up")
    text = (tmp_path / "power.svg").read_text()
    for word in ("30 documents", "216 documents", "2 seeds", "5 seeds", "made up"):
        assert word in text


def test_nothing_to_draw_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no points"):
        power_figure([], tmp_path / "power.png", "")
