from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.costs import Price, Spent, TrainingCost, mix_price, read_spent, training_cost
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.files import read_json, write_json, write_json_lines, write_text
from tests.evidence.runs import write_run

SITTING: dict[str, Any] = {"sentences": 60, "copies": 0, "seconds": 36.0, "gpus": 2, "energy_j": {"gpu 0": 9.0}}


def write_annotation(
    folder: Path,
    *sittings: dict[str, Any],
    kind: str = "vllm",
    annotated: int = 90,
    total: int = 100,
    more: dict[str, Any] | None = None,
) -> Path:
    ledger = {
        "sentences": {"annotated": annotated, "truncated": total - annotated},
        "sentences_total": total,
        "prompt_tokens": 5000,
        "output_tokens": 1000,
        "inputs": {"run": {"engine": {"kind": kind}}},
        **(more or {}),
    }
    write_json(folder / "ledger.json", ledger)
    if sittings:
        write_json_lines(folder / "speed.jsonl", sittings)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return open_run(write_run(tmp_path_factory.mktemp("costs"), sizes=[10], seeds=[0], distilled=24).output)


def test_what_was_spent_adds_up_over_sittings(tmp_path: Path) -> None:
    again = {"unused_prompt_tokens": 50, "unused_output_tokens": 7, "energy_j": {"gpu 0": 3.0, "cpu package-0": 1.0}}
    here = write_annotation(tmp_path, SITTING, SITTING | {"sentences": 40, "seconds": 24.0} | again)
    # a minute of two GPUs; of the processor the first sitting says nothing
    assert read_spent(here, "big") == Spent(
        "big", "model", 90, 5050, 1007, 60.0, pytest.approx(2 / 60), None, {"gpu 0": 12.0}
    )


def test_answers_of_a_sitting_that_was_killed_took_as_long_as_the_others(tmp_path: Path) -> None:
    spent = read_spent(write_annotation(tmp_path, SITTING | {"sentences": 50}))
    assert spent is not None
    assert (spent.seconds, spent.gpu_hours, spent.energy) == (72.0, pytest.approx(0.04), 18.0)
    assert (spent.prompt_tokens, spent.output_tokens) == (5000, 1000)  # the ledger has those of all


def test_votes_and_a_second_pass_are_paid_for(tmp_path: Path) -> None:
    votes = {
        "votes": {"prompt_tokens": 300, "output_tokens": 30},
        "verification": {"prompt_tokens": 5, "output_tokens": 1},
    }
    # asked about more often than there are sentences
    spent = read_spent(write_annotation(tmp_path, SITTING | {"sentences": 300}, more=votes))
    assert spent is not None
    assert (spent.prompt_tokens, spent.output_tokens, spent.seconds) == (5305, 1031, 36.0)


@pytest.mark.parametrize(
    ("sitting", "gpu_hours", "core_hours"),
    [
        ({"gpus": 0, "cores": 4}, None, 0.04),
        ({"gpus": 1}, 0.01, None),
        ({}, None, None),  # a server's, or written before this was recorded
    ],
)
def test_what_is_not_recorded_is_not_0(
    tmp_path: Path, sitting: dict[str, int], gpu_hours: float | None, core_hours: float | None
) -> None:
    spent = read_spent(write_annotation(tmp_path, {"sentences": 100, "seconds": 36.0, **sitting}))
    assert spent is not None
    assert spent.gpu_hours == (None if gpu_hours is None else pytest.approx(gpu_hours))
    assert spent.core_hours == (None if core_hours is None else pytest.approx(core_hours))
    assert (spent.joules, spent.energy) == (None, None)
    without = read_spent(write_annotation(tmp_path / "untimed"))
    assert without is not None
    assert (without.seconds, without.gpu_hours, without.output_tokens) == (None, None, 1000)
    assert read_spent(tmp_path / "absent") is None


@pytest.mark.parametrize(("kind", "said"), [("replay", "recorded"), ("scripted", "made up")])
def test_recorded_answers_cost_nothing_and_are_named_as_such(tmp_path: Path, kind: str, said: str) -> None:
    spent = read_spent(write_annotation(tmp_path, SITTING, kind=kind), "who")
    assert spent == Spent("who", said, 90)


def test_an_annotators_name_is_what_it_wrote_down(tmp_path: Path) -> None:
    write_text(
        tmp_path / "annotator.yaml",
        "name: some model\nengine: {kind: replay, answers: a}\nlabels: {PER: people}\n",
    )
    spent = read_spent(write_annotation(tmp_path, SITTING))
    assert spent is not None
    assert spent.name == "some model"
    elsewhere = read_spent(write_annotation(tmp_path / "folder", SITTING))
    assert elsewhere is not None
    assert elsewhere.name == "folder"


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "ledger.json", {"sentences": {}})
    with pytest.raises(InputError, match="is no ledger of an annotation"):
        read_spent(tmp_path)
    damaged = write_annotation(tmp_path, SITTING, {"hello": 1})
    with pytest.raises(InputError, match="is no line of an annotation's speed") as caught:
        read_spent(damaged)
    assert (caught.value.path, caught.value.line) == (damaged / "speed.jsonl", 2)


def test_a_sentence_costs_its_share_of_all_that_was_asked(run: Run, tmp_path: Path) -> None:
    (mix,) = run.settings.all_mixes
    free = mix_price(run, mix, 24)
    assert free == Price("recorded (recorded)", True, 24)
    paid = mix_price(run, mix, 24, [write_annotation(tmp_path / "a", SITTING | {"sentences": 100}), tmp_path / "a"])
    # 90 of 100 answers can be used: those pay for all
    assert paid == Price(
        "a", False, 180, *map(pytest.approx, (5000 / 90, 1000 / 90, 0.4, 0.02 / 90)), None, pytest.approx(0.1)
    )
    with pytest.raises(InputError, match="holds no ledger"):
        mix_price(run, mix, 24, [tmp_path])


def test_what_a_selection_left_out_is_paid_for_too(run: Run, tmp_path: Path) -> None:
    (plain,) = run.settings.all_mixes
    mix = plain.model_copy(update={"selection": "sure"})
    source = run.settings.distilled[0].name
    here = run.folder.annotation(source)
    ledger = read_json(here / "ledger.json")
    engine = ledger["inputs"]["run"]["engine"]
    try:
        write_json(here / "ledger.json", ledger | {"inputs": {"run": {"engine": engine | {"kind": "openai"}}}})
        selected, whole = mix_price(run, mix, 12), mix_price(run, plain, 12)
        unknown = mix_price(run, mix, None)
    finally:
        write_json(here / "ledger.json", ledger)
    assert selected is not None
    assert whole is not None
    assert selected.source == "recorded (server)"
    assert (selected.sentences, whole.sentences) == (12, ledger["sentences"]["annotated"])
    assert unknown is None


def test_training_is_the_mean_over_the_students_that_say(run: Run) -> None:
    names = list(run.results)[:2]
    assert training_cost(run, names) is None
    done = {"wall_s": 10.0, "device": "cpu", "threads": 1, "world_size": 1, "energy_j": {"cpu package-0": 30.0}}
    write_json(run.folder.student(names[0]) / "trained.json", done)
    assert training_cost(run, names[:1]) == TrainingCost(10.0, "CPU, 1 thread", 1, 1, 30.0)
    assert training_cost(run, names) == TrainingCost(10.0, "CPU, 1 thread", 1, 2, 30.0)
    two = {"wall_s": 20.0, "device": "cuda", "world_size": 2, "threads": 1}
    write_json(run.folder.student(names[1]) / "done.json", two)
    assert training_cost(run, names) == TrainingCost(15.0, "2 processes, each GPU, CPU, 1 thread", 2, 2)
    assert training_cost(run, []) is None
