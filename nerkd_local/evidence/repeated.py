"""Two runs of the same settings, number by number: what is bit-equal, what is within noise, what is not.

Noise is defined in `noise`. Files are equal or not; so are the number of human entities and what students were made
from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nerkd_local.errors import InputError
from nerkd_local.evidence.apart import counts_apart, predictions_apart, sentences_apart, steps_apart
from nerkd_local.evidence.noise import F1, LineValue, SeedNoise, score_value
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.cells import EVALUATION
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.lines import Line
from nerkd_local.experiment.rows import result_rows
from nerkd_local.experiment.students import read_counts
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file, digest_json
from nerkd_local.report.rows import ResultRow
from nerkd_local.stats.bootstrap import f1_difference
from nerkd_local.train.identity import differences

Verdict = Literal["bit-equal", "within noise", "differs", "not compared"]
VERDICTS: tuple[Verdict, ...] = ("bit-equal", "within noise", "differs", "not compared")
Part = Literal["corpora", "annotations", "inputs", "predictions", "scores", "table", "together"]
PARTS: Mapping[Part, str] = {
    "corpora": "corpus files",
    "annotations": "annotations",
    "inputs": "what students were made from (plan, encoder, labels, settings)",
    "predictions": "students' predictions",
    "scores": "numbers of scores.jsonl",
    "table": "numbers of the result table",
    "together": "all students together",
}
_METRICS = ("precision", "recall", "f1", "support")
_COLUMNS: Mapping[str, LineValue] = {
    "f1_mean": "f1",
    "f1_low": "f1",
    "f1_high": "f1",
    "lenient_mean": "lenient",
    "precision": "precision",
    "recall": "recall",
    "difference_mean": "difference",
    "difference_low": "difference",
    "difference_high": "difference",
}
"""Of the result table, with the value of each seed that a column is made of."""
_ENDS = ("f1_low", "f1_high", "difference_low", "difference_high")
"""An interval's end is its mean and the spread of its seeds, each with a noise of its own: it may move by the square
root of 2 more. Measured on 16 lines of two sizes, two seeds against two others: 92 to 99 % of the ends stay within it,
78 to 97 % within the mean's own bound."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was repeated. Where it is a number, what it was and what it is; where these are not equal, how far
    they may be apart within noise, if anything is known of that."""

    part: Part
    name: str
    verdict: Verdict
    detail: str = ""
    first: float | None = None
    again: float | None = None
    bound: float | None = None


class Repeated:
    """A run, the same run again, and the students that were repeated and that both have results of."""

    def __init__(self, first: Run, again: Run, names: Sequence[str], taken: Collection[str] = ()) -> None:
        """`taken`: the annotations of `again` that were copied from `first`."""
        self._first, self._again = first, again
        self._names = tuple(names)
        self._taken = frozenset(taken)
        self._noise = SeedNoise(first)

    def findings(self) -> Iterator[Finding]:
        """Everything that can be compared, from the corpora to the table. Raises InputError for damaged files."""
        yield from self._corpora()
        yield from self._annotations()
        yield from (self._inputs(name) for name in self._names)
        for name in self._names:
            yield from self._predictions(name)
        for name in self._names:
            yield from self._scores(name)
        yield from self._table()
        yield from self._together()

    def _corpora(self) -> Iterator[Finding]:
        for path in sorted(self._again.folder.corpus.glob("*.jsonl")):
            there = self._first.folder.corpus / path.name
            if not there.exists():
                yield Finding("corpora", path.name, "not compared", _NOT_KEPT)
            elif digest_file(there) == digest_file(path):
                yield Finding("corpora", path.name, "bit-equal")
            else:
                yield Finding("corpora", path.name, "differs", sentences_apart(there, path))
        for path in sorted(self._first.folder.corpus.glob("*.jsonl")):
            if not (self._again.folder.corpus / path.name).exists():
                yield Finding("corpora", path.name, "not compared", _NOT_MADE)

    def _annotations(self) -> Iterator[Finding]:
        for here in sorted(self._again.folder.root.glob("annotations/*/ledger.json")):
            name = here.parent.name
            there = self._first.folder.root / "annotations" / name / here.name
            if not there.exists():
                yield Finding("annotations", name, "not compared", _NOT_KEPT)
                continue
            first, again = read_json(there), read_json(here)
            if first["annotations_sha256"] == again["annotations_sha256"]:
                taken = name in self._taken
                yield Finding("annotations", name, "not compared" if taken else "bit-equal", _TAKEN if taken else "")
                continue
            labels = [ledger.parent / "annotations.jsonl" for ledger in (there, here)]
            apart = sentences_apart(*labels) if all(path.exists() for path in labels) else "their digests differ"
            asked = differences(_flat(first["inputs"]), _flat(again["inputs"]))
            why = f"; asked otherwise: {', '.join(asked)}" if asked else ""
            yield Finding("annotations", name, "differs", apart + why)
        for there in sorted(self._first.folder.root.glob("annotations/*/ledger.json")):
            if not (self._again.folder.root / "annotations" / there.parent.name / there.name).exists():
                yield Finding("annotations", there.parent.name, "not compared", _NOT_MADE)

    def _inputs(self, name: str) -> Finding:
        first, again = (run.results[name]["made_from"] for run in (self._first, self._again))
        apart = differences(first["training"], again["training"]) + differences(
            first["evaluation"], again["evaluation"]
        )
        return Finding("inputs", name, "differs" if apart else "bit-equal", ", ".join(apart))

    def _predictions(self, name: str) -> Iterator[Finding]:
        for evaluation in self._first.results[name]["scores"]:
            what = name if evaluation == EVALUATION else f"{name} on {evaluation}"
            if evaluation not in self._again.results[name]["scores"]:
                yield Finding("predictions", what, "differs", "not scored on it again")
                continue
            first, again = (read_counts(run.folder, name, evaluation) for run in (self._first, self._again))
            if first.shape != again.shape:
                yield Finding("predictions", what, "differs", f"{len(first):,} sentences, then {len(again):,}")
                continue
            files = [run.folder.student(name) / f"predictions-{evaluation}.jsonl" for run in self._runs]
            apart = predictions_apart(files) if all(path.exists() for path in files) else None
            if np.array_equal(first, again) and (apart is None or apart.same):
                yield Finding("predictions", what, "bit-equal", "counts of every sentence" if apart is None else "")
                continue
            a, b = (_score(run, name, evaluation) for run in self._runs)
            bound = self._noise.of_score(name, evaluation, F1).bound()
            verdict: Verdict = "within noise" if bound is not None and abs(b - a) <= bound else "differs"
            words = [
                counts_apart(first, again) if apart is None else str(apart),
                f"F1 {a:.4f}, then {b:.4f}{self._over_documents(first, again, evaluation)}",
                steps_apart(*(run.folder.student(name) / "exposure.jsonl" for run in self._runs)),
            ]
            yield Finding("predictions", what, verdict, "; ".join(filter(None, words)), a, b, bound)

    def _scores(self, name: str) -> Iterator[Finding]:
        for evaluation, rows in self._first.results[name]["scores"].items():
            for row in rows:
                for metric in _METRICS:
                    key = (str(row["type"]), str(row["mode"]), metric)
                    what = f"{name}, {evaluation}, {' '.join(key)}"
                    again = score_value(self._again.results[name], evaluation, key)
                    if again is None:
                        yield Finding("scores", what, "differs", "not scored again", float(row[metric]))
                        continue
                    # how many entities people found depends on no seed
                    bound = None if metric == "support" else self._noise.of_score(name, evaluation, key).bound()
                    yield _number("scores", what, float(row[metric]), again, bound)

    def _table(self) -> Iterator[Finding]:
        """The lines of the result table of which all students were repeated, from both runs' counts."""
        chosen = set(self._names)
        first, again = (self._rows(run) for run in self._runs)
        for line in self._first.lines:
            key = (line.regimen, line.mix, line.size)
            if key not in first or key not in again or not _students(line, self._first.seeds(line)) <= chosen:
                continue
            name = f"{line.regimen}, {line.size:,}" + (f", {line.mix}" if line.mix else "")
            for column, value in _COLUMNS.items():
                a, b = getattr(first[key], column), getattr(again[key], column)
                if a is not None and b is not None:
                    bound = self._noise.of_line(line.size, value).bound(first[key].seeds)
                    if bound is not None and column in _ENDS:
                        bound *= 2**0.5
                    yield _number("table", f"{name}, {column}", a, b, bound)

    def _rows(self, run: Run) -> dict[tuple[str, str | None, int | None], ResultRow]:
        results = {name: run.results[name] for name in self._names}
        rows = result_rows(run.settings, run.folder, results, run.documents)
        return {(row.regimen, row.mix, row.original_size): row for row in rows}

    def _together(self) -> Iterator[Finding]:
        """Whether the repeated students have moved as one: what no single one would show. Those that are the same under
        several names count once."""
        unique = {digest_json(self._first.results[name]["made_from"]): name for name in self._names}
        pairs = [
            (name, evaluation)
            for name in unique.values()
            for evaluation in self._first.results[name]["scores"]
            if evaluation in self._again.results[name]["scores"]
        ]
        moved = [_score(self._again, *pair) - _score(self._first, *pair) for pair in pairs]
        if len(unique) < 2 or not any(moved):
            return
        bounds = [self._noise.of_score(*pair, F1).bound() for pair in pairs]
        known = [bound for bound in bounds if bound is not None]
        bound = float(np.sqrt(np.sum(np.square(known)))) / len(known) if len(known) == len(bounds) else None
        mean = float(np.mean(moved))
        words = f"mean difference in strict F1 of {len(unique)} students"
        yield Finding("together", words, _judge(0.0, mean, bound), "", 0.0, mean, bound)

    @property
    def _runs(self) -> tuple[Run, Run]:
        return self._first, self._again

    def _over_documents(self, first: npt.NDArray[Any], again: npt.NDArray[Any], evaluation: str) -> str:
        """The difference with its interval, where it is known which documents the sentences are of."""
        if evaluation != EVALUATION:
            return ""
        try:
            groups = self._first.documents(min(self._first.settings.original.sizes))
        except InputError:
            return ""
        moved = f1_difference(again[None], first[None], groups=groups, seed=RESAMPLING_SEED)
        return f" ({moved.mean:+.4f}, over documents {moved.low:+.4f} to {moved.high:+.4f})"


_NOT_KEPT = "not kept in the first run's folder"
_NOT_MADE = "not made again"
_TAKEN = "taken from the first run, and not made again"


def _judge(first: float, again: float, bound: float | None) -> Verdict:
    if first == again:
        return "bit-equal"
    return "within noise" if bound is not None and abs(again - first) <= bound else "differs"


def _number(part: Part, name: str, first: float, again: float, bound: float | None) -> Finding:
    verdict = _judge(first, again, bound)
    return Finding(part, name, verdict, "", first, again, None if verdict == "bit-equal" else bound)


def _score(run: Run, name: str, evaluation: str) -> float:
    value = score_value(run.results[name], evaluation, F1)
    assert value is not None  # every evaluation has it
    return value


def _students(line: Line, seeds: Sequence[int]) -> set[str]:
    return {name for seed in seeds for name, _ in line.parts[seed]}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: each for inner in value for key, each in _flat(value[inner], f"{name}.{inner}".strip(".")).items()}
