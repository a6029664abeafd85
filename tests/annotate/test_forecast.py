"""From a few measured sentences to what the rest will take."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.annotate.forecast import Forecast, choose_measured, describe_forecast, measure
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.watch import Watch
from nerkd_local.records import from_words
from nerkd_local.store.answers import AnswerStore
from tests.annotate.test_job import job
from tests.fakes.completer import ScriptedCompleter

FORECAST = Forecast(4, 2.0, 7200, 30, (10, 10, 10, 10), (1, 3, 1, 3), 2)


def test_the_rest_is_the_measured_pace_carried_on() -> None:
    told = FORECAST.to_json()
    assert (told["seconds"], told["gpu_hours"]) == (3600, 2)
    assert (told["prompt_tokens"], told["prompt_tokens_half_width"]) == (72_000, 0)
    # standard deviation 2/sqrt(3), standard error 1/sqrt(3)
    assert told["output_tokens"] == 14_400
    assert told["output_tokens_half_width"] == pytest.approx(1.96 / 3**0.5 * 7200, abs=1)


def test_it_is_told_in_words() -> None:
    told = describe_forecast(FORECAST)
    assert "measured: 4 sentences in 2.0 s (2.0/s)" in told
    assert "1:00:00 at this pace, 2.00 GPU-hours on 2" in told
    assert "output tokens: 2.0 a sentence, 14,400 in all, give or take 8,148" in told


def test_the_measured_ones_come_from_all_over_and_are_the_same_each_time() -> None:
    asked = np.arange(100, 10_100)
    chosen = choose_measured(asked, 64)
    assert len(set(chosen.tolist())) == 64
    assert (np.diff(chosen) > 0).all()
    assert chosen.min() < 1000 < 9000 < chosen.max()
    assert (chosen == choose_measured(asked, 64)).all()
    assert (choose_measured(asked[:5], 64) == asked[:5]).all()


def test_what_is_measured_is_stored_and_not_asked_again(tmp_path: Path) -> None:
    documents = [from_words(f"s:{n}", ["Ann", f"saw{n % 90}"]) for n in range(100)]  # ten are copies
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        run_id = store.open_run(job().identity())

        def annotation(engine: ScriptedCompleter) -> Annotation:
            return Annotation(SentenceList(documents), job(), engine, store, run_id, Watch(io.StringIO()))

        first = ScriptedCompleter(lambda text: ("NONE", "stop"))
        forecast = measure(annotation(first), 20, 0)
        assert forecast is not None
        assert (forecast.measured, forecast.missing, forecast.copies) == (20, 70, 10)
        assert forecast.prompt_tokens == [2] * 20
        assert len(first.asked) == 20
        second = ScriptedCompleter(lambda text: ("NONE", "stop"))
        annotation(second).ask()
        assert len(second.asked) == 70
        assert store.count(run_id) == 100
        assert measure(annotation(second), 20, 0) is None
