"""What the section of the annotator says and holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections.annotator import section
from nerkd_local.files import read_json, write_json
from nerkd_local.records import CONFIDENCES
from nerkd_local.report.parts import Figure, Section, Table, Text
from tests.evidence.runs import write_run


def names(found: Section, kind: type) -> list[str]:
    return [part.name for part in found.parts if isinstance(part, kind)]  # type: ignore[attr-defined]


def table(found: Section, name: str) -> Table:
    return next(part for part in found.parts if isinstance(part, Table) and part.name == name)


def open_made_up(root: Path, **more: object) -> Run:
    return open_run(write_run(root, regimens=("original_only",), sizes=(10,), seeds=(0, 1), **more).output)  # type: ignore[arg-type]


def test_scores_ledgers_and_studies_are_shown(tmp_path: Path) -> None:
    run = open_made_up(tmp_path, study=True, more={"label_study": {"source": "news", "sizes": [8, 16]}})
    found = section(run)
    assert found.lead.startswith("The distilled labels against human ones that no student reads: strict F1 0.")
    assert "on news (recorded)." in found.lead
    assert names(found, Figure) == ["annotator_types", "annotators", "labels"]
    assert names(found, Table) == ["annotator_types", "ledger_sentences", "ledger_mentions", "annotators", "labels"]
    for figure in (part for part in found.parts if isinstance(part, Figure)):
        figure.draw(tmp_path / f"{figure.name}.svg")
        assert (tmp_path / f"{figure.name}.svg").stat().st_size > 1000
    scores = table(found, "annotator_types")
    assert scores.rows[0][:2] == ("news", "all types")
    assert scores.records[0]["f1_low"] < scores.records[0]["f1_mean"] < scores.records[0]["f1_high"]  # type: ignore[operator]
    assert table(found, "ledger_sentences").rows == (("news", "30", "30"),)
    assert [row[:2] for row in table(found, "labels").rows] == [
        ("human", "8"),
        ("human", "16"),
        ("LLM", "8"),
        ("LLM", "16"),
    ]


def test_states_that_occur_have_a_column(tmp_path: Path) -> None:
    run = open_made_up(tmp_path)
    path = run.folder.annotation("news") / "ledger.json"
    ledger = read_json(path)
    ledger["sentences"] |= {"annotated": 27, "too_long": 3}
    ledger["mentions"] |= {"hallucinated": 2}
    write_json(path, ledger)
    found = section(run)
    assert table(found, "ledger_sentences").headers == ("source", "sentences", "annotated", "too long")
    assert table(found, "ledger_sentences").rows == (("news", "30", "27", "3"),)
    assert table(found, "ledger_mentions").headers[-1] == "hallucinated"


def test_confidences_have_figures_and_a_table(tmp_path: Path) -> None:
    run = open_made_up(tmp_path)
    path = run.folder.annotation("news") / "annotations.jsonl"
    sure = [
        replace(each, meta={**each.meta, CONFIDENCES: [0.4 + 0.1 * (n % 5) for n in range(len(each.spans))]})
        for each in read_documents(path)
    ]
    write_documents(path, sure)
    found = section(run)
    assert names(found, Figure)[1:] == ["reliability", "risk_coverage"]
    assert [row[:2] for row in table(found, "confidences").rows] == [("news", "confidence")]
    for figure in (part for part in found.parts if isinstance(part, Figure)):
        figure.draw(tmp_path / f"{figure.name}.svg")


def test_a_kept_run_says_what_is_missing(tmp_path: Path) -> None:
    run = open_made_up(tmp_path, study=True)
    run.folder.hidden("news").unlink()
    assert "there are no human labels of these sentences" in section(run).lead
    for path in (run.folder.unlabelled("news"), run.folder.study, run.folder.annotation("news") / "ledger.json"):
        path.unlink()
    found = section(run)
    assert "How good the labels of news are is not known: the run was kept without its texts." in found.lead
    assert "What became of each answer is not known" in found.lead
    assert names(found, Figure) == names(found, Table) == []


def test_a_run_without_its_annotations_says_so(tmp_path: Path) -> None:
    run = open_made_up(tmp_path, study=True)
    rmtree(run.folder.study_annotation("standard", "lines"))
    found = section(run)
    assert [part.text for part in found.parts if isinstance(part, Text)] == [
        "The annotator study is not shown: it is not finished. The same nerkd run goes on with it."
    ]
    rmtree(run.folder.annotation("news"))
    found = section(run)
    assert found.lead.startswith("How good the labels of news are is not known: the run has no annotations of them.")
    assert names(found, Figure) == names(found, Table) == []
