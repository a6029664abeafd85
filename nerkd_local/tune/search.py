"""The search: rung after rung, one engine at a time, nothing asked twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import LazyEngine
from nerkd_local.annotate.folder import write_corpus
from nerkd_local.annotate.settings import EngineSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import read_json, write_json
from nerkd_local.fingerprints import digest
from nerkd_local.settings import save_settings
from nerkd_local.tune.candidates import Candidate, list_candidates
from nerkd_local.tune.halving import keep_best, rungs
from nerkd_local.tune.results import write_results
from nerkd_local.tune.settings import TuneSettings
from nerkd_local.tune.slices import Slice, cut_at_documents, take_slice
from nerkd_local.tune.standing import Standing, rank
from nerkd_local.tune.trial import Trial, try_candidate

Say = Callable[[str], None]


def run_tune(tune: TuneSettings, *, say: Say, engine: Callable[[EngineSettings, Path], Completer] | None = None) -> str:
    """Ask, score, halve; write table, figure and `winner.yaml` into the output; returns what a person is told.

    A candidate that cannot be asked (no model, an engine that dies of it) is named with the reason, and the others go
    on; the next call tries it again. `engine` makes the engine of some settings, in place of `LazyEngine`. Raises
    InputError where no candidate can be asked to the end or the output holds another search, InterruptedRun after a
    stop signal: the same command goes on.
    """
    candidates = list_candidates(tune)
    slice = take_slice(tune)
    sizes = _sizes(tune, slice)
    _claim(tune, slice, sizes)
    climb = _Climb(tune, slice, engine or LazyEngine, say)
    with climb.engines():
        alive: Sequence[Candidate] = candidates
        for number, size in enumerate(sizes, 1):
            say(f"rung {number} of {len(sizes)}: {len(alive)} candidates on {size:,} sentences")
            climb.try_all(alive, size)
            ranked = [standing.candidate for standing in rank(climb.standings(alive, size))]
            if tune.halving and number < len(sizes):
                alive = keep_best(ranked, tune.halving)
    standings = climb.standings(candidates)
    if not climb.standings(candidates, sizes[-1]):  # one that dropped out is no winner
        reason = next(iter(climb.failures.values()))
        raise InputError(f"no candidate could be asked about all {sizes[-1]:,} sentences: {reason}")
    return write_results(tune, slice, standings)


def _sizes(tune: TuneSettings, slice: Slice) -> list[int]:
    in_windows = max(tune.windows) > 1

    def cut(size: int) -> int:
        return cut_at_documents(slice, size) if in_windows else size

    return rungs(len(slice.scored), tune.halving, cut)


def _claim(tune: TuneSettings, slice: Slice, sizes: Sequence[int]) -> None:
    """Write down what is searched on. Raises InputError if the output holds a search on something else."""
    facts = {
        "scored_sha256": digest(*(f"{document.id}\t{document.text}" for document in slice.scored)),
        "pool_sha256": digest(*(f"{document.id}\t{document.text}" for document in slice.pool)),
        "rungs": list(sizes),
    }
    path = tune.output / "slice.json"
    if path.exists() and read_json(path) != facts:
        problem = "was searched on other sentences, another pool or in other steps; choose another output folder"
        raise InputError(problem, path=tune.output)
    write_json(path, facts)
    write_documents(tune.output / "pool.jsonl", slice.pool)
    write_documents(tune.output / "scored.jsonl", slice.scored)
    for size in sizes:
        write_corpus(tune.output / "rungs" / f"{size}.jsonl", slice.unlabelled(size))
    save_settings(tune, tune.output / "tune.yaml")


@dataclass
class _Climb:
    """Where each candidate is, and the engine that is running."""

    tune: TuneSettings
    slice: Slice
    start: Callable[[EngineSettings, Path], Completer]
    say: Say
    failures: dict[str, str] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    _engine: tuple[EngineSettings, Completer] | None = None

    @contextmanager
    def engines(self) -> Iterator[None]:
        """A block at whose end no engine runs."""
        try:
            yield
        finally:
            self._close()

    def try_all(self, candidates: Sequence[Candidate], size: int) -> None:
        """Ask all candidates, those of one engine after each other, starting with the engine that is running."""
        groups: list[tuple[EngineSettings, list[Candidate]]] = []
        for candidate in candidates:
            settings = candidate.settings.engine
            members = next((members for engine, members in groups if engine == settings), None)
            if members is None:
                groups.append((settings, [candidate]))
            else:
                members.append(candidate)
        groups.sort(key=lambda group: self._engine is None or group[0] != self._engine[0])
        for _, members in groups:
            for candidate in members:
                self._try(candidate, size)

    def _try(self, candidate: Candidate, size: int) -> None:
        root = self.tune.output
        try:
            trial = try_candidate(
                root / "rungs" / f"{size}.jsonl",
                root / "candidates" / candidate.folder_name,
                candidate.settings,
                self._engine_of(candidate),
                self.slice.pool,
                self.slice.scored[:size],
                seed=self.tune.seed,
                say=lambda line: None,
            )
        except (InputError, InterruptedRun) as error:
            # an engine's death is the cause of an interruption; one that was asked for has none
            if isinstance(error, InterruptedRun) and error.__cause__ is None:
                raise
            self.failures[candidate.name] = " ".join(str(error).split())
            self.trials.pop(candidate.name, None)
            self.say(f"  {candidate.name}: failed: {self.failures[candidate.name]}")
            return
        self.trials[candidate.name] = trial
        self.say(f"  {candidate.name}: F1 {trial.f1:.3f}, {trial.output_tokens / trial.sentences:.1f} tokens")

    def _engine_of(self, candidate: Candidate) -> Completer:
        settings = candidate.settings.engine
        if self._engine is None or self._engine[0] != settings:
            self._close()
            self._engine = settings, self.start(settings, self.tune.output / "logs")
        return self._engine[1]

    def _close(self) -> None:
        if self._engine is not None:
            self._engine[1].close()
        self._engine = None

    def standings(self, candidates: Sequence[Candidate], size: int | None = None) -> list[Standing]:
        """What is known of each candidate; with a `size`, of those that were tried on so many sentences."""
        found = [Standing(c, self.trials.get(c.name), self.failures.get(c.name)) for c in candidates]
        return [each for each in found if size is None or (each.trial and each.trial.sentences == size)]
