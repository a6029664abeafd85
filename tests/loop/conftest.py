"""A loop small enough for a test: a scripted annotator, a tiny encoder, students trained in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.experiment import crossfit
from nerkd_local.loop import run
from nerkd_local.loop.settings import LoopSettings
from tests.experiment.small_students import train_in_process

PEOPLE, PLACES = ["Anna", "Karl"], ["Paris", "Berlin"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the students that were trained."""
    names = train_in_process(monkeypatch, crossfit, run)
    # drawn in tests/report; here it would take as long as all the rest
    monkeypatch.setattr(run, "rounds_figure", lambda rows, path, caption, minutes: path.write_text(caption))
    return names


@pytest.fixture
def settings(tmp_path: Path, tiny_encoder: Path) -> LoopSettings:
    # the script goes by the number of letters: it calls people and Berlin places, and Paris a person
    pairs = [(person, place) for person in PEOPLE for place in PLACES]
    human = [
        f"-DOCSTART- O\n\n{person} B-PER\nlives O\nin O\n{place} B-LOC\n" + "near O\n" * number + "the O\ntown O\n\n"
        for number in range(3)
        for person, place in pairs
    ]
    (tmp_path / "human.conll").write_text("".join(human))
    lines = [f"{person} works in {place} {'and ' * number}the town" for number in range(3) for person, place in pairs]
    (tmp_path / "texts.txt").write_text("\n".join(lines) + "\n")
    training = {"steps": 12, "batch_size": 4, "max_tokens": 32, "stride": 8, "precision": "fp32", "threads": 1}
    return LoopSettings.model_validate(
        {
            "name": "small",
            "output": tmp_path / "out",
            "corpus": {"path": tmp_path / "texts.txt"},
            "original": {"path": tmp_path / "human.conll"},
            "held_out": 0.5,
            "near_duplicates": {"allow": True},  # a frame makes them all
            "annotator": {
                "name": "script",
                "engine": {"kind": "scripted", "script": "capitals", "labels": ["LOC", "PER"]},
                "labels": {"PER": "people", "LOC": "places"},
                "shots": 2,
            },
            "student": tiny_encoder,
            "training": {**training, "learning_rate": 1e-2},
            "seeds": [0, 1],
            "rounds": 2,
            "ask": {"kind": "demonstrations", "sentences": 3, "shots": 3},
            "folds": 2,
            "least_gain": -1e6,
        }
    )
