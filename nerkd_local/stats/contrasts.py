"""Questions about several systems at once: a weighted sum of their F1, tested over documents and seeds.

"Is a better than b" is the contrast a - b; "is it better by more under one condition than under another" is
(a - b) - (c - d). The test is that of `randomisation`, which see for what it assumes, to first order in the documents:
under the null hypothesis a contrast of 0 is drawn as

    documents + seeds,
    documents: the sum over the documents of what each adds to the contrast (its influence), each with its sign flipped
        with chance 1/2 (for a - b: its answers swapped); times sqrt(1 - r), as there,
    seeds: sqrt(sum of w^2 s^2 / k) times a draw of Student's t with Welch's and Satterthwaite's degrees of freedom,
        where w is a system's weight and s the spread of its F1 between its k seeds.

The interval holds the values that the test does not reject, so it leaves out 0 where p is below 1 - level. With one
seed there is no seeds' part, and the answer is about these models. Equal tables have p = 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nerkd_local.stats.bootstrap import Array, Counts, Groups, Interval, check_counts, micro_f1, sum_by_document
from nerkd_local.stats.randomisation import RESAMPLES, influence, p_value, reach_of, unshared_part, variance_of_mean

_CELLS = 2_000_000
"""Signs held at a time (16 MB)."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """`weights` by system; they sum to 0. A system that is not named has none."""

    name: str
    weights: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answer:
    """A contrast's value with all values that the test does not reject, and its p, uncorrected."""

    contrast: Contrast
    interval: Interval
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class _System:
    """What a system's documents add to its F1, shape (seeds, documents), and F1 by seed, shape (seeds,)."""

    added: Array
    f1: Array


def answer_contrasts(
    contrasts: Sequence[Contrast],
    tables: Mapping[str, Counts],
    *,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int,
) -> list[Answer]:
    """Each contrast's answer, in their order; all with the same signs of the documents.

    Shape of each table: (seeds, N, 3), row i the same seed and column j the same sentence in all; of `groups`: (N,).
    Raises ValueError for tables that are no counts or of several shapes, weights that do not sum to 0, a system without
    a table, fewer than one resample, and a level outside (0, 1).
    """
    if resamples < 1:
        raise ValueError(f"{resamples} resamples; at least 1 is needed")
    for contrast in contrasts:
        if abs(sum(contrast.weights.values())) > 1e-9:
            raise ValueError(f"the weights of {contrast.name!r} do not sum to 0: it compares nothing")
    names = sorted({name for contrast in contrasts for name in contrast.weights})
    for name in names:
        if name not in tables:
            raise ValueError(f"there is no table of {name!r}")
    shapes = {tables[name].shape for name in names}
    if len(shapes) > 1:
        raise ValueError(f"tables have the shapes {sorted(shapes)}; test all with the same seeds on the same sentences")
    if not contrasts:
        return []
    systems = {name: _system(tables[name], groups) for name in names}
    added = [_weighted(contrast, {name: system.added for name, system in systems.items()}) for contrast in contrasts]
    signs, luck = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    flipped = _flip(np.stack([each.mean(axis=0) for each in added], axis=1), resamples, signs)
    answers = []
    for column, contrast in enumerate(contrasts):
        value = float(_weighted(contrast, {name: system.f1 for name, system in systems.items()}).mean())
        error, freedom = _seed_error(contrast, systems)
        chance = flipped[:, column]
        if error > 0:
            chance = chance * np.sqrt(1 - unshared_part(added[column])) + error * luck.standard_t(freedom, resamples)
        reach = reach_of(chance, level)
        answers.append(Answer(contrast, Interval(value, value - reach, value + reach), p_value(chance, value)))
    return answers


def _system(counts: Counts, groups: Groups | None) -> _System:
    check_counts(counts)
    by_document = sum_by_document([counts], groups).reshape(-1, len(counts), 3)
    return _System(influence(by_document), micro_f1(by_document.sum(axis=0)))


def _weighted(contrast: Contrast, values: Mapping[str, Array]) -> Array:
    total: Array = np.sum([weight * values[name] for name, weight in contrast.weights.items()], axis=0)
    return total


def _flip(added: Array, resamples: int, draws: np.random.Generator) -> Array:
    """The sums over the documents with their signs at random. Shape: (resamples, contrasts)."""
    documents = len(added)
    at_once = max(1, _CELLS // documents)
    pieces = []
    for begin in range(0, resamples, at_once):
        drawn = draws.integers(2, size=(min(at_once, resamples - begin), documents), dtype=np.uint8)
        pieces.append((2.0 * drawn - 1.0) @ added)
    return np.concatenate(pieces)


def _seed_error(contrast: Contrast, systems: Mapping[str, _System]) -> tuple[float, float]:
    """The seeds' standard error of a contrast and its degrees of freedom; (0, 0) without any spread."""
    parts = [
        weight**2 * variance_of_mean(systems[name].f1)
        for name, weight in contrast.weights.items()
        if weight and len(systems[name].f1) > 1
    ]
    total = sum(parts)
    if total == 0:
        return 0.0, 0.0
    seeds = len(next(iter(systems.values())).f1)
    return float(np.sqrt(total)), total**2 * (seeds - 1) / sum(part**2 for part in parts)
