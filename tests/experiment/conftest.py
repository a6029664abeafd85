"""A small experiment with every part of the settings in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.config.experiment import ExperimentSettings


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
