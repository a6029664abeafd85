"""The adaptive regimen in training: what it asks, that it writes it down, and that a stop changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import CheckFailed, InputError, InterruptedRun
from nerkd_local.files import read_json
from nerkd_local.records import Document, Span
from nerkd_local.regimen.adaptive import ORIGINAL, held_out, probe_steps
from nerkd_local.regimen.plan import Plan, build_plan, load_plan, save_plan
from nerkd_local.regimen.schedule import Adaptive, Regimen
from nerkd_local.settings import save_settings
from nerkd_local.train.evidence import EvidenceLog, as_trained
from nerkd_local.train.exposure import replay
from nerkd_local.train.launch import launch
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from nerkd_local.train.verify import verify_run
from tests.train.conftest import SettingsMaker, documents

STEPS = 8
CONFIGS = Path(__file__).parents[2] / "configs" / "accelerate"


def copies(of: list[Document], corpus: str) -> list[Document]:
    return [replace(document, id=f"{corpus}/{document.id}") for document in of]


def mislabelled(of: list[Document]) -> list[Document]:
    """The names of persons are places and the other way round."""
    other = {"PER": "LOC", "LOC": "PER"}
    return [replace(d, spans=tuple(Span(s.start, s.end, other[s.label]) for s in d.spans)) for d in of]


@pytest.fixture
def adaptive(make_settings: SettingsMaker, tmp_path: Path) -> Any:
    """Settings of an adaptive run with probes before steps 2 and 4 of 8.

    The distilled group `right` holds the very sentences that probes are judged by, `wrong` has them with other labels.
    """
    originals = [d for d in documents("original") if d.spans]
    schedule = Adaptive(probes=(0.25, 0.5), held_out=0.5, sample=8)
    fold = held_out([d.id for d in originals], schedule, seed=0)
    judges = [d for d in originals if d.id in fold]
    distilled = copies(judges, "right") + copies(mislabelled(judges), "wrong")

    def make(output: str = "run", **changes: Any) -> TrainSettings:
        settings = make_settings(steps=STEPS, output=output, dropout=0.1, **changes)
        write_documents(tmp_path / "original.jsonl", originals)
        write_documents(tmp_path / "distilled.jsonl", distilled)
        plan = build_plan(
            Regimen(name="adaptive", schedule=schedule),
            [d.id for d in originals],
            [d.id for d in distilled],
            steps=STEPS,
            batch_size=4,
            seed=0,
        )
        save_plan(plan, tmp_path / "adaptive.jsonl")
        return settings.model_copy(update={"plan": tmp_path / "adaptive.jsonl"})

    return make


def plan_of(settings: TrainSettings) -> Plan:
    return load_plan(settings.plan)


def test_a_group_that_is_the_held_out_fold_aligns_fully_and_its_opposite_does_not(adaptive: Any) -> None:
    settings = adaptive()
    folder = train(settings)
    found = folder.evidence.read()
    schedule = plan_of(settings).adaptive
    assert schedule is not None
    assert [each.step for each in found] == probe_steps(schedule, STEPS) == [2, 4]
    for each in found:
        assert each.alignment.keys() == {ORIGINAL, "right/", "wrong/"}
        assert each.alignment["right/"] == pytest.approx(1, abs=1e-4)
        assert each.alignment["wrong/"] < 0.95


def test_the_ledger_is_the_plan_with_its_evidence_and_not_the_one_without(adaptive: Any) -> None:
    settings = adaptive()
    folder = train(settings)
    plan = plan_of(settings)
    followed = as_trained(plan, folder.evidence)
    assert followed.steps != plan.steps
    assert replay(folder.exposure.path, followed) == followed.examples == read_json(folder.done)["examples"]
    with pytest.raises(CheckFailed):
        replay(folder.exposure.path, plan)
    findings = verify_run(settings)
    assert findings.problems == []
    assert findings.steps == STEPS


@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_stopped_anywhere_it_ends_in_the_same_weights(adaptive: Any, after: int) -> None:
    whole = train(adaptive("whole"))
    stopped = adaptive("stopped")
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == after

    with pytest.raises(InterruptedRun):
        train(stopped, stop=stop)
    folder = train(stopped)
    assert folder.evidence.read() == whole.evidence.read()
    assert folder.weights_digest() == whole.weights_digest()
    assert folder.exposure.path.read_bytes() == whole.exposure.path.read_bytes()


def test_evidence_that_was_written_after_the_checkpoint_is_found_again(adaptive: Any) -> None:
    """As after a kill between a probe and the next checkpoint: the log knows more than the weights."""
    whole = train(adaptive("whole"))
    killed = adaptive("killed", checkpoint_every=3)

    class Killed(Exception): ...

    asked = []

    def kill() -> bool:
        asked.append(1)
        if len(asked) == 5:
            raise Killed
        return False

    with pytest.raises(Killed):
        train(killed, stop=kill)
    log = EvidenceLog(killed.output / "evidence.jsonl")
    assert [each.step for each in log.read()] == [2, 4]
    log.path.write_text(log.path.read_text()[:-9])  # torn
    folder = train(killed)
    assert folder.evidence.read() == whole.evidence.read()
    assert folder.weights_digest() == whole.weights_digest()


def test_a_log_without_what_the_checkpoint_was_trained_by_starts_the_run_over(
    adaptive: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = train(adaptive("whole"))
    stopped = adaptive("stopped")
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(InterruptedRun):
        train(stopped, stop=stop)
    (stopped.output / "evidence.jsonl").unlink()
    folder = train(stopped)
    assert "evidence.jsonl: does not hold what the steps done were chosen by; starting over" in capfd.readouterr().err
    assert folder.weights_digest() == whole.weights_digest()


def test_a_changed_log_is_found_by_verification(adaptive: Any) -> None:
    settings = adaptive()
    folder = train(settings)
    rows = [json.loads(line) for line in folder.evidence.path.read_text().splitlines()]
    rows[0]["alignment"]["right/"] = -1.0
    folder.evidence.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert any("was not trained on the plan's examples" in problem for problem in verify_run(settings).problems)


def test_a_log_that_is_none_is_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "evidence.jsonl").write_text('{"step": 2}\n')
    with pytest.raises(InputError, match=r"evidence\.jsonl:1: is no line of an evidence log"):
        EvidenceLog(tmp_path / "evidence.jsonl").read()


@pytest.mark.parametrize(
    "line",
    [
        '{"step": 2, "alignment": {"original": 1.0}}',
        '{"step": 3, "alignment": {"original": 1, "right/": 1, "wrong/": 1}}',
    ],
    ids=["groups", "step"],
)
def test_the_log_of_another_plan_is_refused_by_line(adaptive: Any, tmp_path: Path, line: str) -> None:
    plan = plan_of(adaptive())
    (tmp_path / "evidence.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=r"evidence\.jsonl:1: is not what the plan asks for here"):
        as_trained(plan, EvidenceLog(tmp_path / "evidence.jsonl"))


def test_a_line_of_something_else_ends_the_log(tmp_path: Path) -> None:
    log = EvidenceLog(tmp_path / "evidence.jsonl")
    log.path.write_text('{"step": 1, "alignment": {}}\n{"F1": 0.5}\n{"step": 2, "alignment": {}}\n')
    log.cut(5)
    assert [each.step for each in log.read()] == [1]


@pytest.mark.slow
def test_two_ranks_find_the_same_evidence_as_one(
    adaptive: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(CONFIGS.parents[1])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = train(adaptive("one"))
    two = adaptive("two")
    save_settings(two, tmp_path / "two.yaml")
    assert launch(tmp_path / "two.yaml", CONFIGS / "cpu_two_processes.yaml") == 0
    found = EvidenceLog(two.output / "evidence.jsonl").read()
    for mine, theirs in zip(one.evidence.read(), found, strict=True):
        assert mine.alignment == pytest.approx(dict(theirs.alignment), abs=1e-3)
    assert read_json(two.output / "done.json")["examples"] == read_json(one.done)["examples"]
