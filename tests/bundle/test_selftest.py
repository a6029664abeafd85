from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.bundle import selftest
from nerkd_local.config.folders import models_folder

TEXTS = ["Coach Mirolina Standov told the Fridale Post that Zelitron Corp would leave Karobridge.", "No."]
LABELS = ["LOC", "PER"]
CHAT = [{"role": "user", "content": "Text: a"}]


@pytest.fixture(scope="module")
def computed() -> dict[str, Any]:
    """Vectors of everything, computed here."""
    annotator, student = models_folder("demo-annotator"), models_folder("demo-student")
    ids = selftest.token_ids(annotator, TEXTS)
    spans = selftest.student_spans(student, TEXTS, LABELS)
    assert any(spans), "without a span nothing would be compared"
    return {
        "packages": {"numpy": version("numpy")},
        "imports": ["json"],
        "student": {
            "model": "demo-student",
            "labels": LABELS,
            "sentences": [{"text": text, "spans": found} for text, found in zip(TEXTS, spans, strict=True)],
        },
        "models": [
            {
                "path": "models/a",
                "texts": [{"text": text, "ids": found} for text, found in zip(TEXTS, ids, strict=True)],
                "template": {"messages": CHAT, "sha256": selftest.template_hash(annotator, CHAT)},
            }
        ],
    }


def run(folder: Path, vectors: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    (folder / "models").mkdir(exist_ok=True)
    if not (folder / "models" / "a").exists():
        (folder / "models" / "a").symlink_to(models_folder("demo-annotator"))
    (folder / selftest.VECTORS).write_text(json.dumps(vectors))
    code = selftest.main([str(folder)])
    return code, capsys.readouterr().out.splitlines()


def test_what_was_computed_here_is_computed_again(
    computed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(tmp_path, computed, capsys)
    assert code == 0
    assert [line.split()[0] for line in lines] == ["ok"] * 5 + ["5"]
    assert lines[0] == "ok    1 packages as listed"
    assert lines[-1] == "5 checks, 0 failed"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v["packages"].update(numpy="0.1"), "package numpy 0.1: expected 0.1, found"),
        (lambda v: v["packages"].update({"never-made": "1"}), "package never-made 1: PackageNotFoundError"),
        (lambda v: v["imports"].append("never_made"), "import never_made: ModuleNotFoundError"),
        (lambda v: v["models"][0]["texts"][1]["ids"].append(1), "tokens of models/a: expected"),
        (lambda v: v["models"][0]["template"].update(sha256="0" * 64), "chat template of models/a: expected 0000"),
        (lambda v: v["models"][0].update(path="models/b", template=None), "tokens of models/b: "),
        (
            lambda v: v["student"]["sentences"][0]["spans"][0].__setitem__(2, "ORG"),
            "entities by demo-student: expected",
        ),
        (lambda v: v["student"].update(model="models/a"), "entities by models/a: "),
    ],
)
def test_each_kind_of_difference_is_found_and_named(
    change: Any, named: str, computed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors = json.loads(json.dumps(computed))
    change(vectors)
    code, lines = run(tmp_path, vectors, capsys)
    failed = [line for line in lines if line.startswith("FAIL")]
    assert code == 1
    assert len(failed) == 1
    assert failed[0].startswith(f"FAIL  {named}")
    assert len(failed[0]) < 400


def test_nothing_to_check_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, {}, capsys) == (1, ["FAIL  there is nothing to check"])


def test_a_template_with_todays_date_has_no_hash(tmp_path: Path) -> None:
    source = models_folder("demo-annotator")
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert selftest.template_hash(tmp_path, CHAT) == selftest.template_hash(source, CHAT) != None  # noqa: E711
    template = tmp_path / "chat_template.jinja"
    template.write_text("{{ strftime_now('%d %b %Y') }}" + template.read_text())
    assert selftest.template_hash(tmp_path, CHAT) is None


def test_a_model_without_a_template_has_no_hash() -> None:
    assert selftest.template_hash(models_folder("demo-student"), CHAT) is None


def test_it_is_sealed_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nerkd_local import offline

    order: list[str] = []
    monkeypatch.setattr(offline, "seal", lambda: order.append("seal"))
    monkeypatch.setattr(selftest, "checks", lambda vectors, folder: order.append("checks") or iter(()))
    (tmp_path / selftest.VECTORS).write_text("{}")
    selftest.main([str(tmp_path)])
    assert order == ["seal", "checks"]


def test_packages_take_one_line_and_another_for_each_that_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {name: version(name) for name in ("numpy", "click", "pydantic")}
    assert run(tmp_path, {"packages": there}, capsys) == (0, ["ok    3 packages as listed", "3 checks, 0 failed"])
    code, lines = run(tmp_path, {"packages": {**there, "click": "0.1", "never-made": "1"}}, capsys)
    assert code == 1
    assert [line.partition(":")[0] for line in lines] == [
        "FAIL  package click 0.1",
        "FAIL  package never-made 1",
        "ok    2 packages as listed",
        "4 checks, 2 failed",
    ]
