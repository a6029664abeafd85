"""`nerkd calibrate` and what `nerkd evaluate` says of confidences."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner, Result

from nerkd_local.cli.main import nerkd
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words

ANN = Span(0, 3, "PER")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(nerkd, list(map(str, arguments)), catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Human labels, an annotator's with signals and a student's with confidences alone: 200 sentences."""
    draw = Random(0)
    human: list[Document] = []
    annotated: list[Document] = []
    for number in range(200):
        right = draw.random() < 0.7
        sure = -draw.random() * (1 if right else 2)
        meta = {"document": f"d#{number // 10}"}
        signals = [{"mention": sure, "label": 0.0, "sentence": -0.5}]
        told = {"signals": signals, "confidences": [0.99], "answer_logprob": -draw.random()}
        human.append(from_words(f"d:{number}", ["Ann", "left"], (ANN,) if right else (), meta))
        annotated.append(from_words(f"d:{number}", ["Ann", "left"], (ANN,), {**meta, "status": "annotated", **told}))
    annotated[0] = from_words("d:0", ["Ann", "left"], (), {"status": "truncated"})
    write_documents(tmp_path / "human.jsonl", human)
    write_documents(tmp_path / "labels" / "annotations.jsonl", annotated)
    (tmp_path / "labels" / "ledger.json").write_text(json.dumps({"inputs": {"run": {"engine": {}}}}))
    return tmp_path


def test_a_calibration_is_fitted_and_judged(folder: Path) -> None:
    done = run("calibrate", folder / "human.jsonl", folder / "labels", "--output", folder / "calibration.json")
    assert "199 entities of 199 sentences" in done.output
    assert len(json.loads((folder / "calibration.json").read_text())["run"]) == 64
    labels = folder / "labels" / "annotations.jsonl"
    done = run(
        "evaluate", folder / "human.jsonl", labels, "--calibration", folder / "calibration.json", "--figures",
        folder / "figures",
    )  # fmt: skip
    rows = {line.split("  ")[0]: line for line in done.output.splitlines()}
    assert {"confidence", "calibrated", "sentence mean"} <= rows.keys()
    given, calibrated = (float(rows[name].split()[1]) for name in ("confidence", "calibrated"))
    assert given > 0.2  # 0.99 is said of what is right seven times in ten
    assert calibrated < given - 0.1
    for name in ("reliability.png", "risk_coverage.png"):
        assert (folder / "figures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_ledger_of_something_else_names_no_run(folder: Path) -> None:
    (folder / "labels" / "ledger.json").write_text(json.dumps({"kept": 3}))
    run("calibrate", folder / "human.jsonl", folder / "labels", "--output", folder / "calibration.json")
    assert json.loads((folder / "calibration.json").read_text())["run"] is None


def test_without_confidences_nothing_is_said_of_them(folder: Path) -> None:
    done = run("evaluate", folder / "human.jsonl", folder / "human.jsonl")
    assert "strict" in done.output
    assert "AURC" not in done.output
    with pytest.raises(InputError, match=r"human\.jsonl: has no entities with confidences"):
        run("evaluate", folder / "human.jsonl", folder / "human.jsonl", "--figures", folder / "figures")


def test_labels_of_other_sentences_are_refused(folder: Path) -> None:
    write_documents(folder / "others.jsonl", [from_words("x:0", ["Ann"])])
    write_documents(folder / "retold.jsonl", [from_words("d:1", ["Bob", "left"])])
    for other, problem in (("others", "no usable labels"), ("retold", "tokens of sentence 'd:1'")):
        with pytest.raises(InputError, match=problem):
            run("calibrate", folder / f"{other}.jsonl", folder / "labels", "--output", folder / "c.json")
    with pytest.raises(InputError, match=r"human\.jsonl: document 'd:1' has no confidences"):
        run("calibrate", folder / "human.jsonl", folder / "human.jsonl", "--output", folder / "c.json")
    assert not (folder / "c.json").exists()
