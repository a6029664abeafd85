"""A small experiment with every part of the settings in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.experiment.students import Student
from tests.experiment.small_students import STEPS, sentences


def sentence(number: int) -> str:
    return f"Ann{number}\tB-PER\nsaw\tO\nBonn\tB-LOC\n\n"


@pytest.fixture
def settings(tmp_path: Path) -> ExperimentSettings:
    # evaluation 0-9; training 5-49, so that 5-9 stand on both sides
    (tmp_path / "dev.conll").write_text("".join(map(sentence, range(10))))
    (tmp_path / "train.conll").write_text("".join(map(sentence, range(5, 50))))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Ann7 saw Bonn\nIt rained there.\n")
    return ExperimentSettings.model_validate(
        {
            "name": "e",
            "output": tmp_path / "out",
            "data_root": tmp_path,
            "student": tmp_path,
            "annotator": {
                "name": "a",
                "engine": {"kind": "replay", "answers": "answers.jsonl"},
                "labels": {"PER": "people", "LOC": "places"},
            },
            "original": {"corpus": {"path": "train.conll"}, "sizes": [5, 10]},
            "distilled": [
                {"name": "news", "corpus": {"path": "train.conll"}, "sample": 20},
                {"name": "texts", "corpus": {"path": "texts"}},
            ],
            "evaluation": {"path": "dev.conll"},
            "regimens": ["mixed"],
        }
    )


@pytest.fixture
def experiment(settings: ExperimentSettings, tiny_encoder: Path) -> ExperimentSettings:
    values = settings.model_dump()
    training = {"steps": STEPS, "batch_size": 3, "max_tokens": 32, "stride": 8, "precision": "fp32", "threads": 1}
    return ExperimentSettings.model_validate({**values, "student": tiny_encoder, "training": training})


@pytest.fixture
def students(tmp_path: Path) -> list[Student]:
    # no word of one source's ends is one of the other's: other rows of the embedding table are in use
    files = {
        "original": sentences("original", ["karl", "works", "near", "9"]),
        "distilled": sentences("distilled", ["the", "old", "town", "7"]),
        "gold": sentences("gold", ["berlin", "and", "x"]),
    }
    for name, documents in files.items():
        write_documents(tmp_path / f"{name}.jsonl", documents)
    original, distilled = tmp_path / "original.jsonl", tmp_path / "distilled.jsonl"
    uses = {
        "distilled_only": (None, distilled),
        "simple_mix": (original, distilled),
        "original_only": (original, None),
        "reverse": (original, distilled),
    }
    return [
        Student(name, name, 0, first, second, {"gold": tmp_path / "gold.jsonl"})
        for name, (first, second) in uses.items()
    ]


@pytest.fixture
def steps_done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from nerkd_local.train import loop

    done: list[int] = []
    run_step = loop.run_step

    def counted(parts: Any, settings: Any, number: int) -> Any:
        done.append(number)
        return run_step(parts, settings, number)

    monkeypatch.setattr(loop, "run_step", counted)
    return done
