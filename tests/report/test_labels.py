"""The tables and figures of the first phase hold what the rows hold."""

import struct
from dataclasses import replace

import pytest

from nerkd_local.report.labels import annotators_figure, annotators_table, labels_figure, labels_table
from nerkd_local.report.rows import AnnotatorRow, LabelsRow
from tests.report.test_tables import cells

HUMAN = LabelsRow("human", 1000, 2, 0.81, 0.8, 0.8249, (0.805, 0.815))
LLM = replace(HUMAN, labels="LLM", f1_mean=0.77, f1_low=0.76, f1_high=0.78, f1_seeds=(0.765, 0.775))
CURVES = [*(replace(row, sentences=size) for row in (HUMAN, LLM) for size in (100, 250)), HUMAN, LLM]
ANNOTATOR = AnnotatorRow(
    annotator="qwen",
    prompt="cot",
    format="lines",
    sentences=2000,
    f1=0.7,
    low=0.68,
    high=0.7251,
    precision=0.75,
    recall=0.6,
    output_tokens=25_000,
    seconds=50.0,
)


def draw(figure, rows, path, **keywords):
    figure(rows, path / "new folder" / "figure.png", "A caption of $5.", **keywords)
    return (path / "new folder" / "figure.png").read_bytes()


def test_the_table_of_labels_has_a_line_a_row_in_their_order():
    lines = labels_table([HUMAN, LLM], level=0.9).splitlines()
    assert cells(lines[0]) == ["labels", "sentences", "seeds", "F1", "90% interval"]
    assert cells(lines[2]) == ["human", "1,000", "2", "0.810", "0.800 to 0.825"]
    assert cells(lines[3])[0] == "LLM"
    assert len(lines) == 4


def test_the_table_of_annotators_divides_what_it_cost_by_the_sentences():
    lines = annotators_table([ANNOTATOR, replace(ANNOTATOR, annotator="a|b", seconds=None)]).splitlines()
    assert cells(lines[0]) == [
        "annotator",
        "prompt",
        "format",
        "sentences",
        "F1",
        "95% interval",
        "precision",
        "recall",
        "tokens a sentence",
        "seconds a sentence",
    ]
    expected = ["cot", "lines", "2,000", "0.700", "0.680 to 0.725", "0.750", "0.600", "12.5"]
    assert cells(lines[2]) == ["qwen", *expected, "0.025"]
    assert lines[3].startswith(r"| a\|b ")
    assert cells(lines[3])[-2:] == ["12.5", "-"]


def test_without_any_times_there_is_no_column_of_times_and_no_sentences_cost_nothing():
    lines = annotators_table([replace(ANNOTATOR, seconds=None, sentences=0)]).splitlines()
    assert cells(lines[0])[-1] == "tokens a sentence"
    assert cells(lines[2])[-1] == "-"


@pytest.mark.parametrize("table", [labels_table, annotators_table])
def test_tables_of_no_rows_are_their_headers(table):
    assert len(table([]).splitlines()) == 2


@pytest.mark.parametrize(
    "rows",
    [
        CURVES[1:],
        [replace(CURVES[0], f1_mean=0.811), *CURVES[1:]],
        [replace(CURVES[0], f1_high=0.83), *CURVES[1:]],
        [replace(CURVES[0], f1_seeds=(0.79, 0.815)), *CURVES[1:]],
        [replace(CURVES[0], sentences=120), *CURVES[1:]],
        [replace(row, seeds=1, f1_seeds=row.f1_seeds[:1]) for row in CURVES],
    ],
)
def test_every_field_shows_in_the_curves(tmp_path, rows):
    pytest.importorskip("matplotlib")
    assert draw(labels_figure, rows, tmp_path) != draw(labels_figure, CURVES, tmp_path)


def test_the_same_rows_in_any_order_give_the_same_curves(tmp_path):
    pytest.importorskip("matplotlib")
    png = draw(labels_figure, CURVES, tmp_path)
    assert png == draw(labels_figure, CURVES[::-1], tmp_path)
    assert struct.unpack(">II", png[16:24])[0] == 1600
    assert png != draw(labels_figure, CURVES, tmp_path, level=0.9)


@pytest.mark.parametrize("rows", [[HUMAN], [LLM], [HUMAN, LLM]])
def test_one_size_or_one_kind_of_labels_is_drawn(tmp_path, rows):
    pytest.importorskip("matplotlib")
    assert draw(labels_figure, rows, tmp_path)


def test_annotators_are_drawn_a_line_each_and_named_where_there_are_several(tmp_path):
    pytest.importorskip("matplotlib")
    rows = [ANNOTATOR, replace(ANNOTATOR, format="json", f1=0.69)]
    png = draw(annotators_figure, rows, tmp_path)
    assert png == draw(annotators_figure, rows, tmp_path)
    other = draw(annotators_figure, [rows[0], replace(rows[1], annotator="a name of great length " * 4)], tmp_path)
    assert other != png
    height = [struct.unpack(">II", draw(annotators_figure, rows[:count], tmp_path)[16:24])[1] for count in (1, 2)]
    assert height[0] < height[1]
    for change in ({"f1": 0.71}, {"low": 0.6}, {"prompt": "standard"}):
        assert draw(annotators_figure, [rows[0], replace(rows[1], **change)], tmp_path) != png


def test_nothing_to_draw_is_refused(tmp_path):
    for figure in (labels_figure, annotators_figure):
        with pytest.raises(ValueError, match="no results"):
            draw(figure, [], tmp_path)
    with pytest.raises(ValueError, match="no sentences"):
        draw(labels_figure, [replace(HUMAN, sentences=0)], tmp_path)
