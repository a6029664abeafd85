"""The figure is a PNG that depends on its arguments only, and shows each of them."""

import os
import struct
import subprocess
import sys
from dataclasses import replace

import pytest

from nerkd_local.report.figures import regimen_figure
from nerkd_local.report.rows import ResultRow

pytest.importorskip("matplotlib")

FIRST = ResultRow("simple_mix", 500, 3, 0.84, 0.83, 0.85, (0.835, 0.84, 0.845), 0.85, 0.86, 0.82)
SECOND = replace(FIRST, regimen="original_only", f1_mean=0.74, f1_low=0.72, f1_high=0.76, f1_seeds=(0.74,) * 3)
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


def test_the_picture_grows_by_a_line_a_regimen_a_size_and_a_caption_line(tmp_path):
    width, height = size_of(draw(tmp_path))
    assert width == 1600
    more = [
        draw(tmp_path, [FIRST, SECOND, replace(FIRST, regimen="linear")]),
        draw(tmp_path, [FIRST, SECOND, replace(FIRST, original_size=100)]),
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


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    assert draw(tmp_path, [SECOND, FIRST]) == draw(tmp_path, [FIRST, SECOND])


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
