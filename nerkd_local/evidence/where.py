"""Where the difference between two lines is: slice by slice, and by what is wrong with a mention.

Slices are looked at after the whole is known, and there are many: what is found in one of them is a question for the
next experiment, not an answer of this one. So all of them are counted, and only what survives Holm's correction over
all slices of all lines shown is marked. Differences of slices are tested, and have their intervals, as those of whole
lines (`stats.randomisation`); slices of one line are made of the same mentions, and Holm's correction holds then too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.evaluate.errors import CLASSES, ErrorClass, classify, error_counts
from nerkd_local.evaluate.slices import (
    Slicing,
    by_confidence,
    by_length,
    by_sentence_length,
    by_surface,
    by_type,
    slice_counts,
    surface,
)
from nerkd_local.evaluate.spans import IntArray
from nerkd_local.evidence.chosen import Chosen
from nerkd_local.evidence.evaluated import Evaluated, Found, read_evaluated, read_found
from nerkd_local.evidence.examples import Example, pick
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.lines import Line
from nerkd_local.records import Document
from nerkd_local.stats.bootstrap import Interval, ratio_difference, ratio_intervals
from nerkd_local.stats.holm import holm
from nerkd_local.stats.randomisation import randomise

LEVEL = 0.95
PER = 1000
"""Errors are told per so many human-labelled entities."""


@dataclass(frozen=True, slots=True)
class SliceRow:
    """One slice of one line against the reference, over the seeds that both have.

    `entities` are the human-labelled ones in it; of a slice of predictions alone (`precision_only`, where the scores
    are precisions) the line's own, a seed. `p` is two-sided, of this slice alone; `survives` says whether it is at most
    0.05 after Holm's correction (see `mark_survivors`), None before that. With one seed both are about two models, not
    about two regimens.
    """

    size: int
    line: str
    reference: str
    seeds: int
    slicing: str
    slice: str
    entities: float
    precision_only: bool
    f1: Interval
    reference_f1: Interval
    difference: Interval
    p: float
    survives: bool | None = None


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """How often a line's students make one kind of error, per 1,000 human-labelled entities; `count` is the mean over
    the seeds. `difference`: to the reference, over the seeds that both have; None for the reference itself."""

    size: int
    line: str
    seeds: int
    kind: ErrorClass
    count: float
    rate: Interval
    difference: Interval | None


@dataclass(frozen=True)
class Where:
    """All of one size that the sections show. `found` has the reference first; lines of which nothing is kept are named
    in `not_kept` with their students."""

    size: int
    evaluated: Evaluated
    found: tuple[Found, ...]
    slices: tuple[SliceRow, ...]
    errors: tuple[ErrorRow, ...]
    not_kept: tuple[str, ...]


def look_where(run: Run, chosen: Chosen) -> Where | None:
    """Slices and errors of the chosen lines; None where the evaluation corpus is not in the folder, or nothing that the
    reference or any other line found. Raises InputError for damaged files."""
    evaluated = read_evaluated(run, chosen.size)
    if evaluated is None:
        return None
    read = [read_found(run, line) for line in chosen.lines]
    not_kept = tuple(
        name
        for line, each in zip(chosen.lines, read, strict=True)
        for name in (each.not_kept if each else [name for parts in line.parts.values() for name, _ in parts])
    )
    reference, others = read[0], [each for each in read[1:] if each]
    if reference is None or not others:
        return None
    rows = [row for other in others for row in slice_rows(run, evaluated, other, reference)]
    found = (reference, *others)
    return Where(chosen.size, evaluated, found, tuple(rows), tuple(error_rows(evaluated, found)), not_kept)


def slice_rows(run: Run, evaluated: Evaluated, line: Found, reference: Found) -> list[SliceRow]:
    """Every slice in which either side has an entity."""
    seeds = [seed for seed in line.seeds if seed in reference.seeds]
    if not seeds:
        return []
    wanted: list[tuple[Slicing, str, IntArray, IntArray]] = []
    for slicing in slicings(run, evaluated, line, reference):
        # shapes: (slices, seeds, sentences, 3)
        mine, theirs = (
            np.stack([slice_counts(slicing, evaluated.gold, each.of_seed(seed)) for seed in seeds], axis=1)
            for each in (line, reference)
        )
        wanted += [
            (slicing, name, a, b) for name, a, b in zip(slicing.slices, mine, theirs, strict=True) if a.any() or b.any()
        ]
    sides = [_as_ratio(counts) for *_, a, b in wanted for counts in (a, b)]
    scores = iter(ratio_intervals(sides, groups=evaluated.groups, seed=RESAMPLING_SEED))
    rows = []
    for slicing, name, a, b in wanted:
        test = randomise(a, b, groups=evaluated.groups, seed=RESAMPLING_SEED)
        rows.append(
            SliceRow(
                size=evaluated.size,
                line=line.name,
                reference=reference.name,
                seeds=len(seeds),
                slicing=slicing.name,
                slice=name,
                entities=float(a[:, :, 1 if slicing.predicted_only else 2].sum(axis=1).mean()),
                precision_only=slicing.predicted_only,
                f1=next(scores),
                reference_f1=next(scores),
                difference=_possible(test.interval(LEVEL)),
                p=test.p,
            )
        )
    return rows


def _possible(difference: Interval) -> Interval:
    """Scores are in [0, 1], their differences in [-1, 1]: with two seeds and a few entities luck reaches further."""
    return Interval(difference.mean, max(-1.0, difference.low), min(1.0, difference.high))


def _as_ratio(counts: IntArray) -> IntArray:
    """F1 as a ratio: twice the correct entities by the predicted and the gold ones. Shape: (seeds, sentences, 2)."""
    return np.stack([2 * counts[..., 0], counts[..., 1] + counts[..., 2]], axis=-1)


def slicings(run: Run, evaluated: Evaluated, *found: Found) -> list[Slicing]:
    """By type, length, surface form, sentence length and confidence.

    What was seen in training is what was at hand for the first of the lines, whether its regimen reads all of it or
    not: its mix's usable labels, and the original sentences (with folds those of the sentence's students). Where the
    files are not there, that slicing is left out, as is confidence where predictions have none.
    """
    tables = [table for each in found for table in each.tables]
    labels = dict.fromkeys(label for table in (evaluated.gold, *tables) for label in table.labels)
    known = [label for label in run.settings.annotator.labels if label in labels]
    made = [by_type([*known, *(label for label in sorted(labels) if label not in known)]), by_length()]
    seen = seen_in_training(run, evaluated, found[0].line)
    if seen is not None:
        made.append(by_surface(evaluated.words, *seen))
    made.append(by_sentence_length(map(len, evaluated.words)))
    if not any(np.isnan(table.confidence).any() for table in tables):
        made.append(by_confidence())
    return made


def seen_in_training(
    run: Run, evaluated: Evaluated, line: Line
) -> tuple[list[frozenset[str]], list[frozenset[str]]] | None:
    """For each sentence, the surface forms that its students read with human and with LLM labels; None where a file of
    either is not there."""
    parts = range(int(evaluated.parts.max(initial=0)) + 1)
    folds = run.settings.folds is not None
    originals = [run.folder.original(line.size, (part,) if folds else ()) for part in parts]
    mix = line.mix or next((each.mix for each in run.lines if each.size == line.size and each.mix), None)
    distilled = run.folder.distilled(mix) if mix else None
    if not all(file.exists() for file in originals) or (distilled is not None and not distilled.exists()):
        return None
    by_part = [_forms(read_documents(file)) for file in originals]
    llm = _forms(read_documents(distilled)) if distilled is not None else frozenset()
    return [by_part[part] for part in evaluated.parts], [llm] * len(evaluated.documents)


def _forms(documents: Iterable[Document]) -> frozenset[str]:
    return frozenset(
        surface(document.text[start:end] for start, end in document.tokens if span.start <= start < span.end)
        for document in documents
        for span in document.spans
    )


def error_rows(evaluated: Evaluated, found: Sequence[Found]) -> list[ErrorRow]:
    """One row a line and class, `right` among them; the first line is the reference."""
    gold = np.bincount(evaluated.gold.sentence, minlength=evaluated.gold.sentences)
    counts = [_errors_by_seed(evaluated, each) for each in found]
    tables = [_per_gold(each[:, place], gold) for each in counts for place in range(len(CLASSES))]
    rates = iter(ratio_intervals(tables, groups=evaluated.groups, seed=RESAMPLING_SEED))
    rows = []
    for each, mine in zip(found, counts, strict=True):
        shared = [seed for seed in each.seeds if seed in found[0].seeds] if each is not found[0] else []
        for place, kind in enumerate(CLASSES):
            difference = None
            if shared:
                a, b = (
                    _per_gold(of[[line.seeds.index(seed) for seed in shared], place], gold)
                    for line, of in ((each, mine), (found[0], counts[0]))
                )
                difference = _per_thousand(ratio_difference(a, b, groups=evaluated.groups, seed=RESAMPLING_SEED))
            count = float(mine[:, place].sum(axis=1).mean())
            rate = _per_thousand(next(rates))
            rows.append(ErrorRow(evaluated.size, each.name, len(each.seeds), kind, count, rate, difference))
    return rows


def error_examples(evaluated: Evaluated, found: Found, count: int) -> Iterator[tuple[ErrorClass, Example]]:
    """At most `count` of each class but `right`, of the line's typical seed: what is human and what is predicted."""
    gold, table = evaluated.gold, found.of_seed(found.typical)
    errors = classify(gold, table)
    for place, kind in enumerate(CLASSES):
        if kind == "right":
            continue
        pairs = [(int(g), int(errors.gold_partner[g])) for g in np.flatnonzero(errors.gold == place)]
        if kind == "spurious":
            pairs = [(-1, int(p)) for p in np.flatnonzero(errors.predicted == place)]
        for example in pick(evaluated, pairs, (gold, table), count):
            yield kind, example


def _errors_by_seed(evaluated: Evaluated, found: Found) -> IntArray:
    """Shape: (seeds, classes, sentences)."""
    gold = evaluated.gold
    return np.stack([error_counts(gold, table, classify(gold, table)) for table in found.tables])


def _per_gold(counts: IntArray, gold: IntArray) -> IntArray:
    """Shapes: (seeds, sentences) and (sentences,) to (seeds, sentences, 2)."""
    return np.stack([counts, np.broadcast_to(gold, counts.shape)], axis=-1)


def _per_thousand(interval: Interval) -> Interval:
    return Interval(interval.mean * PER, interval.low * PER, interval.high * PER)


def mark_survivors(rows: Sequence[SliceRow]) -> tuple[SliceRow, ...]:
    """The rows with what survives Holm's correction: all of them are one family, whatever line or size they are of."""
    adjusted = holm([row.p for row in rows])
    return tuple(replace(row, survives=p <= 1 - LEVEL) for row, p in zip(rows, adjusted, strict=True))
