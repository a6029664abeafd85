"""Every line of one or several runs against the reference of its size, and who leads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from nerkd_local.errors import InputError, nearest
from nerkd_local.evidence.entries import Entry, is_reference, list_entries, merge_twins, shared_seeds
from nerkd_local.evidence.run import Run
from nerkd_local.evidence.verdict import Verdict, is_ruled_out, judge
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.experiment.rows import BASELINE
from nerkd_local.stats.bootstrap import Interval, f1_difference
from nerkd_local.stats.comparison import Comparison, adjust, compare_systems
from nerkd_local.stats.randomisation import randomise

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Compared:
    """One entry against its reference, over the seeds that both have."""

    entry: Entry
    reference: Entry
    comparison: Comparison
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Rival:
    """An entry that is not the leader: how far the leader is ahead, and whether it is ruled out as the best.

    `seeds` are those that both have; with none of them there is no lead and nothing is ruled out. `p` is two-sided and
    of this pair alone."""

    entry: Entry
    seeds: int
    lead: Interval | None
    p: float
    ruled_out: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """Who leads among the entries of one size; rivals by falling score."""

    leader: Entry
    rivals: tuple[Rival, ...]

    @property
    def contenders(self) -> tuple[Rival, ...]:
        """Those that may be the best as well as the leader may."""
        return tuple(rival for rival in self.rivals if not rival.ruled_out)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """All that was compared. `compared` is one family: its p-values are adjusted together."""

    to: str | None
    level: float
    entries: tuple[Entry, ...]
    compared: tuple[Compared, ...]
    standings: tuple[Standing, ...]
    alone: tuple[Entry, ...]
    """Entries without a reference, or without a seed in common with it; no references."""

    def of_size(self, size: int) -> tuple[Compared, ...]:
        """The comparisons of one size."""
        return tuple(each for each in self.compared if each.entry.size == size)


def compare_runs(
    runs: Sequence[Run],
    *,
    to: str | None = BASELINE,
    size: int | None = None,
    mix: str | None = None,
    level: float = LEVEL,
) -> Comparisons:
    """Compare every line with the line of the regimen `to`: of its run and size, else of the first run that has one.

    Where `to` reads distilled labels, with the line of the same mix (one without a mix, if there is but one); where it
    is None, only who leads is asked. `size` and `mix` leave the other lines out; lines without a mix stay. Twins are
    one entry. Raises InputError for an unknown regimen, size or mix, for runs scored on other sentences than the
    first, and as `Run.documents`.
    """
    for run in runs:
        if not run.lines:
            raise InputError(
                "has no finished student of its grid; run `nerkd run` on its settings", path=run.folder.root
            )
    entries = [entry for entry in list_entries(runs, level) if size in (None, entry.size)]
    if not entries:
        sizes = sorted({line.size for run in runs for line in run.lines})
        raise InputError(f"no line has {size} original sentences; the sizes are {', '.join(map(str, sizes))}")
    mixes = {entry.line.mix for entry in entries if entry.line.mix}
    if mix is not None and mix not in mixes:
        raise InputError(f"no line has the mix {mix!r}{nearest(mix, mixes)}")
    entries = merge_twins([entry for entry in entries if mix is None or entry.line.mix in (None, mix)])
    _check_sentences(entries)
    pairs = []
    if to is not None:
        _check_reference(to, entries)
        pairs = [(entry, reference) for entry, reference in _pairs(entries, to) if shared_seeds(entry, reference)]
    family = adjust([_compare(entry, reference, len(pairs), level) for entry, reference in pairs])
    compared = tuple(
        Compared(entry, reference, comparison, judge(comparison))
        for (entry, reference), comparison in zip(pairs, family, strict=True)
    )
    placed = {id(entry) for entry, _ in pairs}
    return Comparisons(
        to=to,
        level=level,
        entries=tuple(entries),
        compared=compared,
        standings=tuple(
            _stand([entry for entry in entries if entry.size == each], level)
            for each in sorted({entry.size for entry in entries})
        ),
        alone=tuple(
            entry for entry in entries if to is not None and id(entry) not in placed and not is_reference(entry, to)
        ),
    )


@lru_cache(maxsize=4)
def compare_run(run: Run) -> Comparisons:
    """One run's lines against original_only, at 95 %, or only who leads where it has none; remembered, for several
    parts of a report ask."""
    has_baseline = any(line.regimen == BASELINE for line in run.lines)
    return compare_runs([run], to=BASELINE if has_baseline else None)


def _check_reference(to: str, entries: Sequence[Entry]) -> None:
    if not any(is_reference(entry, to) for entry in entries):
        known = {each.line.regimen for entry in entries for each in entry.same}
        raise InputError(f"no line with a finished student is of the regimen {to!r}{nearest(to, known)}")


def _check_sentences(entries: Sequence[Entry]) -> None:
    """Raises InputError where lines of a size are scored on other sentences."""
    first: dict[int, tuple[Entry, list[str]]] = {}
    for entry in entries:
        for seed in entry.counts:
            scored = [
                entry.source.results[name]["made_from"]["evaluation"][evaluation]
                for name, evaluation in entry.line.parts[seed]
            ]
            other, sentences = first.setdefault(entry.size, (entry, scored))
            if scored != sentences:
                raise InputError(
                    f"{entry.name!r} (seed {seed}) is scored on other sentences than {other.name!r} of "
                    f"{other.source.folder.root}; compare runs with the same evaluation corpus",
                    path=entry.source.folder.root,
                )


def _pairs(entries: Sequence[Entry], to: str) -> Iterator[tuple[Entry, Entry]]:
    """Each entry with its reference. A twin stands for its students as well: in its run, and with its mix."""
    for entry in entries:
        if is_reference(entry, to):
            continue
        references = [each for each in entries if is_reference(each, to) and each.size == entry.size]
        mixes = {None, *(each.line.mix for each in entry.same)}
        fitting = [each for each in references if any(one.line.mix in mixes for one in each.same)]
        if mixes == {None} and len({each.line.mix for each in references}) == 1:
            fitting = references
        own = [each for each in fitting if any(one.source is entry.source for one in each.same)]
        if fitting:
            yield entry, (own or fitting)[0]


def _compare(entry: Entry, reference: Entry, family: int, level: float) -> Comparison:
    seeds = shared_seeds(entry, reference)
    return compare_systems(
        entry.over(seeds),
        reference.over(seeds),
        groups=entry.groups,
        family=family,
        level=level,
        seed=RESAMPLING_SEED,
    )


def _stand(entries: Sequence[Entry], level: float) -> Standing:
    """The leader of one size's entries, and which of the others may be the best all the same."""
    ranked = sorted(entries, key=lambda entry: -entry.f1.mean)
    return Standing(ranked[0], tuple(_rival(ranked[0], entry, len(ranked) - 1, level) for entry in ranked[1:]))


def _rival(leader: Entry, entry: Entry, rivals: int, level: float) -> Rival:
    seeds = shared_seeds(leader, entry)
    if not seeds:
        return Rival(entry, 0, None, 1.0, False)
    tables = leader.over(seeds), entry.over(seeds)
    lead = f1_difference(*tables, groups=entry.groups, level=level, seed=RESAMPLING_SEED)
    p = randomise(*tables, groups=entry.groups, seed=RESAMPLING_SEED).p
    out = is_ruled_out(lead, p, seeds=len(seeds), rivals=rivals, level=level)
    return Rival(entry, len(seeds), lead, p, out)
