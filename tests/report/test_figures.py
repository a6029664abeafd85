"""The figure is a PNG that depends on its arguments only, and shows each of them."""

import os
import struct
import subprocess
import sys
from dataclasses import replace

import pytest

from nerkd_local.report.canvas import shorten
from nerkd_local.report.figures import regimen_figure
from nerkd_local.report.rows import ResultRow

pytest.importorskip("matplotlib")

FIRST = ResultRow(
    regimen="simple_mix",
    mix="conll",
    original_size=500,
    seeds=3,
    f1_mean=0.84,
    f1_low=0.83,
    f1_high=0.85,
    f1_seeds=(0.835, 0.84, 0.845),
    difference_mean=0.1,
    difference_low=0.08,
    difference_high=0.12,
    lenient_mean=0.85,
    precision=0.86,
    recall=0.82,
)
SECOND = replace(
    FIRST,
    regimen="original_only",
    mix=None,
    f1_mean=0.74,
    f1_low=0.72,
    f1_high=0.76,
    f1_seeds=(0.74,) * 3,
    difference_mean=None,
    difference_low=None,
    difference_high=None,
)
SCHEDULES = {"simple_mix": [1.0, 1.0, 0.0, 0.0], "original_only": [0.0] * 4}


def draw(tmp_path, rows=(FIRST, SECOND), schedules=SCHEDULES, caption="Two regimens.", **keywords) -> bytes:
    path = tmp_path / "new folder" / "figure.png"
    regimen_figure(rows, schedules, path, caption, **keywords)
    assert [file.name for file in path.parent.iterdir()] == ["figure.png"]
    return path.read_bytes()


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_the_same_results_give_the_same_bytes_and_no_dates(tmp_path):
    png = draw(tmp_path)
    assert png == draw(tmp_path)
    assert b"tIME" not in png
    assert b"Software" not in png


def test_the_picture_grows_by_a_line_a_regimen_a_mix_and_a_caption_line(tmp_path):
    width, height = size_of(draw(tmp_path))
    assert width == 1600
    more = [
        draw(tmp_path, [FIRST, SECOND, replace(FIRST, regimen="linear")]),
        draw(tmp_path, [FIRST, SECOND, replace(FIRST, mix="bbc")]),
        draw(tmp_path, caption="word " * 60),
        draw(tmp_path, annotator_f1=0.8),
    ]
    for png in more:
        assert size_of(png)[0] == width
        assert size_of(png)[1] > height


@pytest.mark.parametrize(
    "change",
    [
        {"rows": (replace(FIRST, f1_mean=0.841), SECOND)},
        {"rows": (replace(FIRST, f1_low=0.82), SECOND)},
        {"rows": (replace(FIRST, difference_low=-0.01), SECOND)},
        {"rows": (replace(FIRST, mix="bbc"), SECOND)},
        {"rows": (replace(FIRST, f1_seeds=(0.831, 0.84, 0.845)), SECOND)},
        {"rows": (replace(FIRST, original_size=501), SECOND)},
        {"rows": (replace(FIRST, seeds=1, f1_seeds=(0.84,)), replace(SECOND, seeds=1, f1_seeds=(0.74,)))},
        {"schedules": {**SCHEDULES, "simple_mix": [1.0, 0.0, 0.0, 0.0]}},
        {"schedules": {"simple_mix": SCHEDULES["simple_mix"]}},
        {"caption": "Others."},
        {"annotator_f1": 0.80},
        {"level": 0.9},
    ],
    ids=str,
)
def test_every_argument_shows(tmp_path, change):
    assert draw(tmp_path, **change) != draw(tmp_path)


def grid(regimens: int, mixes: int, sizes: list[int | None]) -> list[ResultRow]:
    rows = []
    for size in sizes:
        for number in range(regimens):
            for mix in range(mixes):
                shift = 0.003 * number - 0.002 * mix + (size or 0) / 10_000
                moved = {name: getattr(FIRST, name) + shift for name in ("f1_mean", "f1_low", "f1_high")}
                seeds = tuple(f1 + shift for f1 in FIRST.f1_seeds)
                name = f"regimen_{number}"
                rows.append(replace(FIRST, regimen=name, mix=f"mix{mix}", original_size=size, f1_seeds=seeds, **moved))
        rows.append(replace(SECOND, original_size=size))
    return rows


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    assert draw(tmp_path, [SECOND, FIRST]) == draw(tmp_path, [FIRST, SECOND])
    rows = grid(3, 2, [100, 250])
    assert draw(tmp_path, rows[::-1]) == draw(tmp_path, rows)


def test_two_sizes_share_the_usual_page_and_each_more_widens_it(tmp_path):
    widths = [size_of(draw(tmp_path, grid(2, 2, sizes)))[0] for sizes in ([100], [100, 250], [100, 250, 500])]
    assert widths[0] == widths[1] == 1600
    assert widths[2] > 1600


def test_a_large_grid_with_more_mixes_than_looks_and_long_names_is_drawn(tmp_path):
    rows = grid(12, 8, [50, 100, 250])
    rows += [replace(row, regimen="a regimen with " + "a long name " * 9, mix="m" * 90) for row in grid(1, 1, [50])]
    width, height = size_of(draw(tmp_path, rows, annotator_f1=0.8))
    assert width < height


@pytest.mark.parametrize("rows", [[FIRST], [SECOND], [replace(FIRST, original_size=None)], grid(2, 1, [None])])
def test_one_regimen_or_no_size_or_no_baseline_is_enough(tmp_path, rows):
    assert size_of(draw(tmp_path, rows))[0] == 1600


def test_a_row_without_a_size_stands_in_every_panel(tmp_path):
    sized = [FIRST, SECOND, replace(FIRST, original_size=100), replace(SECOND, original_size=100)]
    other = replace(FIRST, regimen="distilled_only")
    everywhere = [*sized, other, replace(other, original_size=100)]
    assert draw(tmp_path, [*sized, replace(other, original_size=None)]) == draw(tmp_path, everywhere)


def test_a_row_far_below_does_not_press_the_others_together(tmp_path):
    """It is an arrow at the edge: how far below it is shows in its number only."""
    rows = grid(6, 1, [100])
    bad = replace(FIRST, original_size=100, regimen="bad", f1_mean=0.3, f1_low=0.28, f1_high=0.32, f1_seeds=(0.3,))
    there = draw(tmp_path, [*rows, bad])
    assert there == draw(tmp_path, [*rows, replace(bad, f1_low=0.1, f1_seeds=(0.1,))])
    assert there != draw(tmp_path, [*rows, replace(bad, f1_mean=0.29)])
    worse = replace(bad, regimen="original_only", mix=None)  # the baseline is what all are compared with
    assert draw(tmp_path, [*rows[:-1], worse]) != draw(tmp_path, [*rows[:-1], replace(worse, f1_low=0.2)])


@pytest.mark.parametrize(
    ("name", "short"),
    [("", ""), ("abcde", "abcde"), ("abcdef", "ab…ef"), ("0123456789" * 3, "01…89")],
)
def test_a_long_name_keeps_its_ends(name, short):
    assert shorten(name, 5) == short
    assert len(shorten(name, 6)) <= 6


def test_dollars_in_a_name_or_caption_are_dollars(tmp_path):
    draw(tmp_path, [replace(FIRST, regimen="$x$_{")], caption=r"costs $5 or $\frac")


def test_a_users_matplotlibrc_does_not_change_a_report(tmp_path):
    expected = draw(tmp_path)
    (tmp_path / "matplotlibrc").write_text("figure.facecolor: black\nfont.size: 30\naxes.grid: True\n")
    program = (
        "from tests.report.test_figures import *; from pathlib import Path\n"
        f"regimen_figure([FIRST, SECOND], SCHEDULES, Path({str(tmp_path / 'other.png')!r}), 'Two regimens.')"
    )
    environment = {**os.environ, "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert (tmp_path / "other.png").read_bytes() == expected


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no results"):
        draw(tmp_path, rows=[])


def test_amounts_stand_in_their_order(tmp_path):
    rows = [replace(FIRST, mix=mix) for mix in ("conll=1000", "conll", "conll=250")]
    regimen_figure([*rows, SECOND], SCHEDULES, tmp_path / "amounts.svg", "Three amounts.")
    svg = (tmp_path / "amounts.svg").read_text(encoding="utf-8")
    places = [svg.index(f">distilled: {mix}<") for mix in ("conll", "conll=250", "conll=1000")]
    assert places == sorted(places)
