from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import Document, Span, from_words
from nerkd_local.regimen.plan import Plan, PlanStep, Pool, save_plan
from nerkd_local.train.settings import TrainSettings
from tests.models import WORDS

SettingsMaker = Callable[..., TrainSettings]


def documents(source: str) -> list[Document]:
    """Eight sentences of different lengths; the fourth is only a zero-width space, the last is long."""
    made = []
    for number in range(8):
        words = ["anna", "lives", "in", "paris", *WORDS[: 2 * number]]
        if number == 3:
            words = ["\u200b"]
        if number == 7:
            words = words * 5
        spans = (Span(0, 4, "PER"), Span(14, 19, "LOC")) if number != 3 else ()
        made.append(from_words(f"{source}:{number}", words, spans))
    return made


def make_plan(steps: int) -> Plan:
    """Batches of 3: two original and one distilled, then the other way round."""
    made = []
    for step in range(steps):
        count = 2 if step % 2 == 0 else 1
        made.append(
            PlanStep(
                tuple(f"original:{(3 * step + n) % 8}" for n in range(count)),
                tuple(f"distilled:{(3 * step + n) % 8}" for n in range(3 - count)),
            )
        )
    pool = Pool(8, "0" * 64)
    return Plan({"name": "by hand"}, 0, 3, pool, pool, tuple(made))


def settings_in(folder: Path, encoder: Path, steps: int = 6, output: str = "run", **changes: Any) -> TrainSettings:
    """Settings of a run of `steps` steps whose inputs are written into the folder; other settings by name."""
    for source in ("original", "distilled"):
        write_documents(folder / f"{source}.jsonl", documents(source))
    save_plan(make_plan(steps), folder / f"plan{steps}.jsonl")
    values: dict[str, Any] = {
        "student": encoder,
        "labels": ("PER", "LOC"),
        "plan": folder / f"plan{steps}.jsonl",
        "original": folder / "original.jsonl",
        "distilled": folder / "distilled.jsonl",
        "output": folder / output,
        "max_tokens": 32,
        "stride": 8,
        "log_every": 2,
        "precision": "fp32",
        "threads": 1,
    }
    return TrainSettings.model_validate({**values, **changes})


@pytest.fixture
def make_settings(tiny_encoder: Path, tmp_path: Path) -> SettingsMaker:
    """`settings_in` the test's folder."""
    return partial(settings_in, tmp_path, tiny_encoder)
