"""Tables hold every row as given, and no cell can break out of them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.report.parts import Table
from nerkd_local.report.rows import ResultRow
from nerkd_local.report.tables import latex_table, results_table, write_csv, write_table

ROW = ResultRow(
    regimen="linear",
    mix="conll+bbc",
    original_size=1000,
    seeds=2,
    f1_mean=0.81,
    f1_low=0.8,
    f1_high=0.8249,
    f1_seeds=(0.805, 0.815),
    difference_mean=0.0312,
    difference_low=0.0108,
    difference_high=0.05,
    lenient_mean=0.82,
    precision=0.9,
    recall=0.7363,
)
BASELINE = replace(
    ROW, regimen="original_only", mix=None, difference_mean=None, difference_low=None, difference_high=None
)


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_has_a_line_a_row_in_their_order_with_three_decimals():
    lines = results_table([ROW, replace(ROW, regimen="cosine", f1_mean=0.9)], level=0.9).splitlines()
    assert cells(lines[0]) == [
        "regimen",
        "distilled source",
        "original",
        "seeds",
        "F1",
        "90% interval",
        "difference to original_only (90% interval)",
        "lenient F1",
        "precision",
        "recall",
    ]
    assert cells(lines[2]) == [
        "linear",
        "conll+bbc",
        "1,000",
        "2",
        "0.810",
        "0.800 to 0.825",
        "**+0.031** (+0.011 to +0.050)",
        "0.820",
        "0.900",
        "0.736",
    ]
    assert cells(lines[3])[:5] == ["cosine", "conll+bbc", "1,000", "2", "0.900"]
    assert len(lines) == 4


@pytest.mark.parametrize("rows", [[], [BASELINE], [ROW, BASELINE, replace(ROW, mix="bbc")]])
def test_the_columns_are_those_of_every_experiment(rows):
    lines = results_table(rows).splitlines()
    assert cells(lines[0]) == cells(results_table([ROW]).splitlines()[0])
    assert len(lines) == 2 + len(rows)


def test_what_a_row_does_not_have_is_a_dash():
    line = results_table([replace(BASELINE, original_size=None, lenient_mean=None)]).splitlines()[2]
    assert cells(line)[:4] == ["original_only", "-", "-", "2"]
    assert cells(line)[6:8] == ["-", "-"]


@pytest.mark.parametrize(
    ("difference", "cell"),
    [
        ((0.02, 0.001, 0.04), "**+0.020** (+0.001 to +0.040)"),
        ((-0.02, -0.04, -0.0001), "**-0.020** (-0.040 to 0.000)"),
        ((0.02, -0.001, 0.04), "+0.020 (-0.001 to +0.040)"),
        ((-0.0004, -0.01, 0.01), "0.000 (-0.010 to +0.010)"),
        ((0.0, 0.0, 0.0), "0.000 (0.000 to 0.000)"),
        ((0.02, 0.0, 0.04), "+0.020 (0.000 to +0.040)"),
    ],
)
def test_a_difference_is_bold_where_its_interval_leaves_out_0(difference, cell):
    mean, low, high = map(np.float64, difference)  # as they come from the bootstrap's arrays
    row = replace(ROW, difference_mean=mean, difference_low=low, difference_high=high)
    assert cells(results_table([row]).splitlines()[2])[6] == cell
    assert row.differs is cell.startswith("**")


def test_a_difference_without_an_interval_is_none():
    assert replace(ROW, difference_high=None).difference is None
    assert replace(ROW, difference_high=None).differs is None


def test_a_name_cannot_break_the_table():
    lines = results_table([replace(ROW, regimen="a|b\nc\\")]).splitlines()
    assert len(lines) == 3
    assert r"| a\|b c\\ " in lines[2]
    lines = results_table([replace(ROW, mix="a|b\n")]).splitlines()
    assert len(lines) == 3
    assert r"| a\|b " in lines[2]


def test_csv_keeps_full_precision_and_separates_several_values_by_spaces(tmp_path):
    write_csv(tmp_path / "out.csv", [ROW])
    header, line = read(tmp_path / "out.csv")
    assert dict(zip(header, line, strict=True)) == {
        "regimen": "linear",
        "mix": "conll+bbc",
        "original_size": "1000",
        "seeds": "2",
        "f1_mean": "0.81",
        "f1_low": "0.8",
        "f1_high": "0.8249",
        "f1_seeds": "0.805 0.815",
        "difference_mean": "0.0312",
        "difference_low": "0.0108",
        "difference_high": "0.05",
        "lenient_mean": "0.82",
        "precision": "0.9",
        "recall": "0.7363",
    }


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("＝1", "'＝1"),
        (["-1", "2"], "'-1 2"),
        (-1, "-1"),
        (-0.5, "-0.5"),
        ("a=1", "a=1"),
        ("", ""),
        (None, ""),
        ('say "hi", now', 'say "hi", now'),
        ("two\nlines", "two\nlines"),
    ],
)
def test_csv_text_is_never_a_formula_and_numbers_are_left_alone(tmp_path, value, cell):
    write_csv(tmp_path / "out.csv", [{"key": value, "other": 1}])
    assert read(tmp_path / "out.csv")[1] == [cell, "1"]


def test_csv_column_names_are_text_too(tmp_path):
    write_csv(tmp_path / "out.csv", [{"=cmd()": 1}])
    assert read(tmp_path / "out.csv") == [["'=cmd()"], ["1"]]


def test_csv_rows_with_other_keys_leave_cells_empty(tmp_path):
    write_csv(tmp_path / "out.csv", [{"a": 1}, {"b": 2, "a": 3}])
    assert read(tmp_path / "out.csv") == [["a", "b"], ["1", ""], ["3", "2"]]


def test_csv_of_no_rows_is_an_empty_file(tmp_path):
    write_csv(tmp_path / "out.csv", [])
    assert (tmp_path / "out.csv").read_bytes() == b""


def table(*rows, **more):
    return Table("name", "A title", ("who", "F1"), rows, left=("who",), **more)


def test_a_latex_table_has_the_rules_of_booktabs_and_keeps_numbers_as_they_are_shown():
    text = latex_table(("who", "F1"), [("a", "0.810"), ("b", "-0.5")], left=("who",))
    assert [line.split() for line in text.splitlines()] == [
        ["\\begin{tabular}{lr}"],
        ["\\toprule"],
        ["who", "&", "F1", "\\\\"],
        ["\\midrule"],
        ["a", "&", "0.810", "\\\\"],
        ["b", "&", "-0.5", "\\\\"],
        ["\\bottomrule"],
        ["\\end{tabular}"],
    ]


@pytest.mark.parametrize(
    ("hostile", "escaped"),
    [
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        (r"\end{tabular}", r"\textbackslash{}end\{tabular\}"),
        ("a & b % c", r"a \& b \% c"),
        ("$x_1^2$ ~ #", r"\$x\_1\^{}2\$ \textasciitilde{} \#"),
        ("a\nb\r\n\x00c", "a b c"),
        ("[1pt]", "{[}1pt]"),  # after a line break it would be the break's option
        ("*", "{*}"),
    ],
)
def test_no_text_is_a_command_of_latex(hostile, escaped):
    line = latex_table(("who",), [(hostile,)], left=()).splitlines()[4]
    assert line.removesuffix(" \\\\").strip() == escaped


@given(text=st.text())
def test_a_cell_stays_on_its_line_of_the_latex_table(text):
    lines = latex_table((text, "F1"), [(text, "1"), ("b", "2")], left=()).splitlines()
    assert len(lines) == 8
    assert lines[0] == "\\begin{tabular}{rr}"
    assert lines[-1] == "\\end{tabular}"


def test_a_reports_table_is_written_as_csv_at_full_precision_and_as_latex(tmp_path):
    shown = table(("a", "0.333"), records=({"who": "a", "f1": 1 / 3, "low": None},))
    write_table(shown, tmp_path)
    assert read(tmp_path / "name.csv") == [["who", "f1", "low"], ["a", str(1 / 3), ""]]
    first, *rest = (tmp_path / "name.tex").read_text(encoding="utf-8").split("\n", 1)
    assert first == "% A title; needs \\usepackage{booktabs}"
    assert rest == [latex_table(("who", "F1"), [("a", "0.333")], left=("who",))]


def test_without_records_the_csv_holds_the_cells_with_numbers_as_numbers(tmp_path):
    write_table(table(("=cmd()", "-0.25"), ("-", "+0.5 (0 to 1)")), tmp_path)
    assert read(tmp_path / "name.csv") == [["who", "F1"], ["'=cmd()", "-0.25"], ["", "'+0.5 (0 to 1)"]]


def test_a_title_cannot_leave_its_comment(tmp_path):
    write_table(replace(table(("a", "1")), title="A\n\\input{x}\u2028\x0b\\input{y}"), tmp_path)
    lines = (tmp_path / "name.tex").read_text(encoding="utf-8").split("\n")
    assert lines[0] == "% A \\input{x} \\input{y}; needs \\usepackage{booktabs}"
    assert lines[1] == "\\begin{tabular}{lr}"
