"""What a whole corpus will take, from a few of its sentences: time, tokens, GPU-hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from nerkd_local.annotate.run import Annotation

_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction from `measured` sentences, which took `seconds` (the engine's start left out).

    `missing` sentences are to be asked yet (copies of others left out), `copies` get another's answer. The tokens
    are those of the measured sentences, one number each.
    """

    measured: int
    seconds: float
    missing: int
    copies: int
    prompt_tokens: Sequence[int]
    output_tokens: Sequence[int]
    gpus: int

    @property
    def rest_seconds(self) -> float:
        """For what is missing, at the pace of the measured sentences."""
        return self.missing * self.seconds / self.measured

    @property
    def gpu_hours(self) -> float:
        """All GPUs together."""
        return self.rest_seconds / 3600 * self.gpus

    def rest_tokens(self, counts: Sequence[int]) -> tuple[float, float]:
        """The expected number for what is missing, and half the width of its 95 % interval (normal approximation)."""
        spread = stdev(counts) if len(counts) > 1 else 0.0
        return self.missing * mean(counts), self.missing * _NORMAL_95 * spread / sqrt(len(counts))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        (prompt, prompt_width), (output, output_width) = map(self.rest_tokens, (self.prompt_tokens, self.output_tokens))
        return {
            "measured": self.measured,
            "measured_seconds": round(self.seconds, 3),
            "missing": self.missing,
            "copies": self.copies,
            "seconds": round(self.rest_seconds, 1),
            "gpus": self.gpus,
            "gpu_hours": round(self.gpu_hours, 4),
            "prompt_tokens": round(prompt),
            "prompt_tokens_half_width": round(prompt_width),
            "output_tokens": round(output),
            "output_tokens_half_width": round(output_width),
        }


def choose_measured(asked: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """So many of the sentences to ask, drawn from all over the corpus, the same each time; ascending."""
    if len(asked) <= count:
        return asked
    return np.sort(np.random.default_rng(0).choice(asked, count, replace=False))


def measure(annotation: Annotation, count: int, gpus: int) -> Forecast | None:
    """Ask about `count` of the sentences without an answer, and predict what the others will take; None if none lacks.

    `gpus` is how many the engine uses (0 on the CPU). What is asked is stored like any answer.
    """
    agenda = annotation.agenda
    if not len(agenda.asked):
        return None
    chosen = choose_measured(agenda.asked, count)
    annotation.ask(chosen)
    answers = [annotation.store.answer(annotation.run_id, int(number)) for number in chosen]
    return Forecast(
        measured=len(chosen),
        seconds=annotation.watch.seconds,
        missing=len(agenda.asked) - len(chosen),
        copies=agenda.copies,
        prompt_tokens=[answer.prompt_tokens for answer in answers if answer],
        output_tokens=[answer.output_tokens for answer in answers if answer],
        gpus=gpus,
    )


def describe_forecast(forecast: Forecast) -> str:
    """A few lines for a person."""
    told = forecast.to_json()
    hours = f", {told['gpu_hours']:,.2f} GPU-hours on {forecast.gpus}" if forecast.gpus else ", without a GPU"
    rate = forecast.measured / max(forecast.seconds, 1e-9)
    return "\n".join(
        [
            f"measured: {forecast.measured:,} sentences in {forecast.seconds:.1f} s ({rate:,.1f}/s); they are stored",
            f"still to ask: {forecast.missing:,} sentences; {forecast.copies:,} more get the answer of another",
            *(
                f"{name} tokens: {mean(counts):,.1f} a sentence, {told[key]:,} in all, give or take "
                f"{told[f'{key}_half_width']:,}"
                for name, key, counts in (
                    ("prompt", "prompt_tokens", forecast.prompt_tokens),
                    ("output", "output_tokens", forecast.output_tokens),
                )
            ),
            f"time: at most about {tqdm.format_interval(forecast.rest_seconds)} at this pace{hours}; a longer queue "
            "keeps the engine fuller and goes faster",
        ]
    )
