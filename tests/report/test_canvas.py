"""A figure is written as PNG or as SVG, the same bytes from the same drawing, and no text in it is more than text."""

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from nerkd_local.report.canvas import Heading, Mark, add_axes, page, write_text

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script> & \"quoted\" 'text' $x$ ]]>"


def draw(path, text="A title", height=2.0):
    with page(path, 4.0, height) as figure:
        Heading(text, "how to read it", [Mark("a series", "#0072B2", "o", "-")], 3.0).draw(figure, 0.3)
        axes = add_axes(figure, 0.5, 1.0, 3.0, 0.6)
        axes.plot([0, 1], [0, 1], "o-")
        axes.fill_between([0, 1], [0, 1], [1, 2])
        write_text(figure, text, 0.3, 1.9)
    return path.read_bytes()


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_suffix_says_which(tmp_path):
    assert draw(tmp_path / "a.png").startswith(b"\x89PNG")
    assert ElementTree.fromstring(draw(tmp_path / "a.svg")).tag == f"{SVG}svg"
    with pytest.raises(ValueError, match=r"a\.pdf: figures are written as \.png and \.svg"):
        draw(tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_drawing_gives_the_same_bytes_and_another_one_others(tmp_path, suffix):
    first = draw(tmp_path / f"a.{suffix}")
    assert draw(tmp_path / f"b.{suffix}") == first
    assert draw(tmp_path / f"c.{suffix}", "Another title") != first


def test_another_process_with_other_settings_and_another_date_draws_the_same_svg(tmp_path):
    expected = draw(tmp_path / "a.svg")
    (tmp_path / "matplotlibrc").write_text("svg.fonttype: path\nsvg.hashsalt: other\nfont.size: 30\n")
    program = (
        "from pathlib import Path; from tests.report.test_canvas import draw\n"
        f"draw(Path({str(tmp_path / 'other.svg')!r}))"
    )
    settings = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", program], env={**os.environ, **settings}, check=True)
    assert (tmp_path / "other.svg").read_bytes() == expected


def test_in_an_svg_text_is_text_in_a_font_that_may_be_replaced(tmp_path):
    svg = draw(tmp_path / "a.svg", "Grüße, π")
    assert texts(svg).count("Grüße, π") == 2
    assert b"font-family: 'DejaVu Sans'," in svg
    assert b"sans-serif" in svg


def test_an_svg_names_no_address_but_its_formats_own_and_no_date(tmp_path):
    svg = draw(tmp_path / "a.svg").decode()
    assert set(re.findall(r"https?://[^\"' >]*", svg)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<!DOCTYPE" not in svg
    assert "metadata" not in svg
    assert not re.search(r"20\d\d-\d\d", svg)


def test_no_text_is_markup(tmp_path):
    svg = draw(tmp_path / "a.svg", HOSTILE)
    assert texts(svg).count(HOSTILE) == 2
    assert not any(element.tag.endswith("script") for element in ElementTree.fromstring(svg).iter())


@pytest.mark.filterwarnings("ignore:Glyph")
def test_a_character_that_no_xml_may_hold_is_replaced(tmp_path):
    assert texts(draw(tmp_path / "a.svg", "a\x01b\ufffec")).count("a\ufffdb\ufffdc") == 2


def test_an_error_while_drawing_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), page(tmp_path / "a.svg", 1.0, 1.0):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
