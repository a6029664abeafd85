"""A report holds all that a run has, as a whole or not at all, and the same run gives the same bytes."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.report import DEFAULT, ReportOptions, make_report, write_report
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections import (
    annotator,
    answer,
    costs,
    courses,
    overlaps,
    phases,
    provenance,
    regimens,
    where,
)
from nerkd_local.report.parts import Figure, Section, Table, Text
from tests.evidence.runs import write_run
from tests.report.page.opened import ids, open_sentences, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NO_SENTENCES = ReportOptions(sentences=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; read only."""
    root = tmp_path_factory.mktemp("finished")
    return write_run(root, sizes=(10,), seeds=(0, 1), study=True, results=True).output


@pytest.fixture(scope="module")
def written(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report; read only."""
    return write_report(finished, tmp_path_factory.mktemp("written") / "report").parent


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sections of nothing, where a test is about how they are put together."""
    others = (annotator, answer, costs, courses, overlaps, phases, provenance, regimens, where)
    for other in others:
        empty = Section(other.__name__.rpartition(".")[2], "", "nothing")
        monkeypatch.setattr(other, "section", lambda run, empty=empty, **options: empty)
    monkeypatch.setattr(answer, "answer", lambda run: ("nothing",))
    monkeypatch.setattr(answer, "cautions", lambda run: ())


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def texts_of(run: Path) -> set[str]:
    lines = (run / "corpus" / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    return {line.split('"text":"')[1].split('"')[0] for line in lines}


def test_every_figure_and_table_is_there_in_both_forms_and_on_the_page(written: Path) -> None:
    page = (written / "index.html").read_text(encoding="utf-8")
    assert {path.name for path in written.iterdir()} == {"index.html", "figures", "tables"}
    for folder, pair in (("figures", {".svg", ".png"}), ("tables", {".csv", ".tex"})):
        stems = {path.stem for path in (written / folder).iterdir()}
        assert len(stems) >= 4
        for stem in stems:
            assert {path.suffix for path in (written / folder).glob(f"{stem}.*")} == pair
            assert f"{folder}/{stem}" in page
    with (written / "tables" / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["regimen"] for row in rows} == {"original_only", "simple_mix", "linear"}


def test_the_same_run_gives_the_same_bytes_and_an_earlier_report_is_replaced(
    finished: Path, written: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "old.svg").write_text("from an earlier report")
    (folder / "index.html").write_text("an earlier report")
    write_report(finished, folder)
    assert files(folder) == files(written)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_by_default_it_is_a_folder_of_the_run(light: None, tmp_path: Path) -> None:
    output = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,)).output
    said: list[str] = []
    assert write_report(output, say=said.append) == output / "report" / "index.html"
    assert said[0] == "answer"
    assert said[-1] == "page"
    open_run(output)  # the report is no part of the run that would stop it from being read


def test_the_facts_and_the_order_of_the_sections(finished: Path) -> None:
    report = make_report(open_run(finished))
    assert [section.key for section in report.sections][-1] == "provenance"
    assert len({section.key for section in report.sections}) == len(report.sections) == 9
    facts = dict(report.facts)
    assert facts["scored on"] == "evaluation.jsonl (40 sentences, 10 documents)"
    assert facts["original sentences"] == "10"
    assert facts["training"] == "20 steps of 4 sentences"
    assert report.answer
    assert report.sentences is not None


def test_without_sentences_no_text_of_the_evaluation_is_in_any_file(
    finished: Path, written: Path, tmp_path: Path
) -> None:
    folder = write_report(finished, tmp_path / "report", NO_SENTENCES).parent
    shown = b"\n".join(files(folder).values()).decode("utf-8", "replace")
    assert not [text for text in texts_of(finished) if text in shown]
    assert "left out on request" in shown
    there = b"\n".join(files(written).values()).decode("utf-8", "replace")
    assert any(text in there for text in texts_of(finished))  # among the examples of errors


def test_parts_that_quote_are_left_out_without_sentences(
    finished: Path, light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table("plain", "", ("a",), (("1",),))
    parts = (table, replace(table, name="quoting", quotes=True), Text("plain"), Text("quoting", quotes=True))
    monkeypatch.setattr(regimens, "section", lambda run: Section("regimens", "", "", parts))
    run = open_run(finished)
    kept = {
        options: next(section for section in make_report(run, options).sections if section.key == "regimens").parts
        for options in (DEFAULT, NO_SENTENCES)
    }
    assert kept[DEFAULT] == parts
    assert kept[NO_SENTENCES] == (parts[0], parts[2])


def test_without_ids_no_table_calls_a_sentence_by_its_name(tmp_path: Path) -> None:
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,), id_prefix="qxj", copies=2)
    run = open_run(settings.output)
    named = [part for part in _tables(run, NO_SENTENCES) if "qxjnews:0" in repr(part.records)]
    assert [part.name for part in named] == ["overlapping_sentences"]
    assert not [part for part in _tables(run, ReportOptions(sentences=False, ids=False)) if "qxj" in repr(part)]


def _tables(run: Run, options: ReportOptions) -> list[Table]:
    return [part for section in make_report(run, options).sections for part in section.parts if isinstance(part, Table)]


def test_what_is_not_finished_and_not_kept_is_said(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0, 1), unfinished=("linear-n10-news-seed1",))
    run = open_run(settings.output)
    assert any("1 of 6 students" in caution for caution in make_report(run).cautions)
    keep_results(run, tmp_path / "kept")
    report = make_report(open_run(tmp_path / "kept"))
    assert report.sentences is None
    assert any("kept without its texts" in caution for caution in report.cautions)
    assert write_report(tmp_path / "kept", tmp_path / "report").is_file()


def test_what_only_counts_and_results_were_kept_of_is_reported_too(tmp_path: Path) -> None:
    """The least that is worth calling a run: settings, scores, and which document a sentence is of."""
    settings = write_run(tmp_path, sizes=(10,), seeds=(0, 1))
    keep_results(open_run(settings.output), tmp_path / "kept")
    for path in (tmp_path / "kept").rglob("*"):
        if path.is_file() and path.name not in ("settings.yaml", "documents.npz", "result.json", "counts.npz"):
            path.unlink()
    page = write_report(tmp_path / "kept", tmp_path / "report").read_text(encoding="utf-8")
    assert "F1 by regimen" in page
    assert "is not known" in page


def test_a_section_that_fails_is_an_error_and_leaves_the_earlier_report(
    finished: Path, light: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "index.html").write_text("an earlier report")

    def fail(path: Path) -> None:
        raise InputError("is damaged", path="somewhere")

    figure = Figure("broken", "", "", "", fail)
    monkeypatch.setattr(regimens, "section", lambda run: Section("regimens", "", "", (figure,)))
    with pytest.raises(InputError, match="somewhere: is damaged"):
        write_report(finished, folder)
    assert files(tmp_path) == {"report/index.html": b"an earlier report"}


@pytest.mark.parametrize("name", ["notes.txt", "cells", ".git"])
def test_a_folder_with_anything_else_is_refused_before_work_begins(finished: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / name).write_text("somebody's")
    said: list[str] = []
    with pytest.raises(InputError, match=r"holds .* which is not of a report"):
        write_report(finished, tmp_path / "report", say=said.append)
    with pytest.raises(InputError, match="is a file"):
        write_report(finished, tmp_path / "report" / name, say=said.append)
    with pytest.raises(InputError, match="which is not of a report"):
        write_report(finished, finished, say=said.append)
    assert said == []


def test_no_run_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"settings\.yaml"):
        write_report(tmp_path, tmp_path / "report")
    assert not (tmp_path / "report").exists()


@pytest.fixture
def hostile(finished: Path, light: None, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose section of regimens has names that are no names of files."""
    names = ("../../outside", "/etc/passwd", "a b\n", "A B\n", ".hidden", "", "x" * 300, "linear@0.5")

    def draw(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="1pt" height="1pt" viewBox="0 0 1 1"></svg>')

    parts = tuple(Figure(name, "title", "", "seen", draw) for name in names)
    parts += tuple(Table(name, "title", ("a",), (("1",),)) for name in names)  # type: ignore[assignment]
    monkeypatch.setattr(regimens, "section", lambda run: Section("regimens", "", "", parts))
    return open_run(finished)


def test_a_name_that_is_no_files_name_becomes_one(hostile: Run) -> None:
    (section,) = (section for section in make_report(hostile).sections if section.key == "regimens")
    figures = [part.name for part in section.parts if isinstance(part, Figure)]
    assert figures == [
        "_./../outside".replace("/", "_"),
        "_etc_passwd",
        "a_b_",
        "A_B__2",
        "_hidden",
        "_",
        "x" * 100,
        "linear@0.5",
    ]
    assert [part.name for part in section.parts if isinstance(part, Table)] == figures


def test_hostile_names_stay_in_the_folder(hostile: Run, tmp_path: Path) -> None:
    write_report(hostile.folder.root, tmp_path / "in" / "report")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["report"]
    assert {path.name for path in (tmp_path / "in" / "report").iterdir()} == {"index.html", "figures", "tables"}


def test_nothing_in_the_run_changes(finished: Path) -> None:
    """A run that others still train must not be touched."""
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    make_report(open_run(finished))
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()} == before


def test_the_page_of_a_run_opens_in_a_browser_and_asks_for_nothing(written: Path, chromium: Browser) -> None:
    """`opened` fails on any request, complaint or violation of the page's own policy."""
    with opened(chromium, written / "index.html") as page:
        assert page.locator("h1").inner_text() == "made up"
        assert page.locator("figure.figure svg").count() == len(list((written / "figures").glob("*.svg")))
        links = {link.get_attribute("href") for link in page.locator("figcaption a").all()}
        files_there = {str(path.relative_to(written)) for path in written.rglob("*.*") if path.name != "index.html"}
        assert {unquote(link) for link in links if link} == files_there
        open_sentences(page)
        assert len(ids(page)) == 50
