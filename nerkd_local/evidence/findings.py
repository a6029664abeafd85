"""Comparisons as the cells of a table, as records, and in sentences. All of it is plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nerkd_local.evidence.cells import flat, percent, signed
from nerkd_local.evidence.compare import Compared, Comparisons, Standing
from nerkd_local.evidence.entries import Entry, is_reference
from nerkd_local.evidence.verdict import Kind
from nerkd_local.report.tables import NOTHING
from nerkd_local.stats.bootstrap import Interval

LISTED = 4
"""Names in a sentence; of more, their number is told."""


@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """`left` names the columns that are aligned so."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...]


def comparison_table(comparisons: Comparisons) -> ComparisonTable:
    """One row an entry, sizes ascending, each by falling F1."""
    reference, level = comparisons.to or "nothing", percent(comparisons.level)
    headers = [
        "regimen",
        "original",
        "seeds",
        f"F1 ({level} interval)",
        f"difference to {reference} ({level} interval)",
        "found more, of 1,000",
        "wrong fewer, of 1,000",
        "p (Holm)",
        "verdict",
        "may be the best",
    ]
    rows = tuple(_row(entry, comparisons) for entry in _ranked(comparisons))
    return ComparisonTable(tuple(headers), rows, (headers[0], *headers[3:5], *headers[8:]))


def comparison_records(comparisons: Comparisons) -> tuple[Mapping[str, object], ...]:
    """The same at full precision, and more: p-values of all kinds, what is supported, what would be found."""
    return tuple(_record(entry, comparisons) for entry in _ranked(comparisons))


def describe_against(comparisons: Comparisons, size: int) -> str:
    """How the entries of a size stand against their reference, in a sentence or two; empty without one."""
    compared = comparisons.of_size(size)
    if not compared:
        return ""
    against = _references(compared, comparisons)
    kinds: tuple[Kind, ...] = ("better", "worse", "too few seeds", "not told apart")
    better, worse, few, rest = ([each for each in compared if each.verdict.kind == kind] for kind in kinds)
    what = _what(comparisons)
    said = []
    if better:
        said.append(_told(better, f"better than {against}", len(compared), what))
    if worse:
        said.append(_told(worse, "worse" if better else f"worse than {against}", len(compared), what))
    if not said and len(compared) == 1:
        said.append(f"{compared[0].entry.name} cannot be told apart from {against}")
    elif not said:
        said.append(f"none of {len(compared)} {what} can be told apart from {against}")
    if few:
        said.append(f"Not enough seeds to tell: {_names([each.entry for each in few], what)}")
    if rest:
        largest = max(each.comparison.largest for each in rest)
        names = _names([each.entry for each in rest], what)
        each = ", each by itself" if len(rest) > 1 else ""
        said.append(
            f"No difference larger than {largest:.3f} is supported for {names} ({percent(comparisons.level)}{each})"
        )
    return f"{'. '.join(said)}."


def describe_standing(standing: Standing, comparisons: Comparisons) -> str:
    """Who leads, and whether that can be told, in a sentence."""
    leader, what = standing.leader, _what(comparisons)
    if not standing.rivals:
        return f"{leader.full_name} is alone, with F1 {_span(leader.f1)}."
    contenders, others = standing.contenders, len(standing.rivals)
    has = f"{leader.name} has the highest F1, {_span(leader.f1)}"
    if not contenders:
        out = "the other is" if others == 1 else f"all {others} others are"
        return f"{has}, and leads: {out} ruled out as the best ({percent(comparisons.level)})."
    ruled_out = [rival.entry for rival in standing.rivals if rival.ruled_out]
    told = f"; ruled out as the best: {_names(ruled_out, what)}" if ruled_out else ""
    apart = _names([rival.entry for rival in contenders], what)
    return f"{has}, but {apart} cannot be told apart from it{told}."


def describe_family(comparisons: Comparisons) -> str:
    """How many comparisons were corrected for, over what, and what they can find; empty without any."""
    compared = comparisons.compared
    if not compared:
        return ""
    documents = sorted({each.comparison.documents for each in compared})
    seeds = sorted({each.comparison.seeds for each in compared})
    said = (
        f"{_count(len(compared), 'comparison')}, corrected for together (Holm), over {_range(documents, 'document')} "
        f"and {_range(seeds, 'seed')}"
    )
    # of one seed it would be about two models
    several = [each.comparison.smallest for each in compared if each.comparison.seeds > 1]
    if not several:
        return f"{said}."
    found = f"a true difference of about {np.median(several):.3f} would be found four times in five, before correction"
    return f"{said}; {found if min(seeds) > 1 else f'of those with several seeds {found}'}."


def describe_notes(comparisons: Comparisons) -> Iterator[str]:
    """What a reader must know of who was compared over what."""
    twins: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for entry in comparisons.entries:
        if entry.twins:
            twins.setdefault((entry.name, tuple(dict.fromkeys(entry.twins))), []).append(entry.size)
    for (name, others), sizes in twins.items():
        with_ = _join([f"{size:,}" for size in sizes])
        have = "has" if len(others) == 1 else "have"
        yield (
            f"With {with_} original sentences, {_join(others)} {have} the same students as {name}: compared once, "
            "under that name."
        )
    fewer = [
        each
        for each in comparisons.compared
        if each.comparison.seeds < max(len(each.entry.counts), len(each.reference.counts))
    ]
    if fewer:
        numbers = sorted({each.comparison.seeds for each in fewer})
        seeds = "one seed" if numbers == [1] else _range(numbers, "seed")
        yield (
            f"{_count(len(fewer), 'comparison')} {'is' if len(fewer) == 1 else 'are'} over the {seeds} that both sides "
            "have, not over all of either."
        )
    single = sum(each.comparison.seeds == 1 for each in comparisons.compared)
    if single:
        yield (
            f"{_count(single, 'comparison')} of one seed each {'is' if single == 1 else 'are'} about the trained "
            "models: another seed of the same regimen would be another model."
        )
    if comparisons.alone:
        alone: dict[int, list[str]] = {}
        for entry in comparisons.alone:
            alone.setdefault(entry.size, []).append(entry.name)
        what = _what(comparisons)
        listed = [f"{_listed(names, what)} (with {size:,} original sentences)" for size, names in alone.items()]
        yield f"Not compared, without a reference or a seed in common with it: {_join(listed)}."


def _ranked(comparisons: Comparisons) -> Iterator[Entry]:
    for standing in comparisons.standings:
        yield standing.leader
        yield from (rival.entry for rival in standing.rivals)


def _row(entry: Entry, comparisons: Comparisons) -> tuple[str, ...]:
    compared = next((each for each in comparisons.compared if each.entry is entry), None)
    start = (entry.full_name, f"{entry.size:,}", _seeds(entry, compared), _span(entry.f1))
    best = _best(entry, comparisons)
    if compared is None:
        reference = comparisons.to is not None and is_reference(entry, comparisons.to)
        return (*start, *[NOTHING] * 4, "the reference" if reference else NOTHING, best)
    of = compared.comparison
    per = (f"{_whole(of.found)}", f"{_whole(of.spared)}")
    return (*start, signed(of.f1), *per, _p(of.adjusted), compared.verdict.words, best)


def _record(entry: Entry, comparisons: Comparisons) -> Mapping[str, object]:
    compared = next((each for each in comparisons.compared if each.entry is entry), None)
    rival = next((each for one in comparisons.standings for each in one.rivals if each.entry is entry), None)
    record: dict[str, object] = {
        "run": entry.run,
        "regimen": entry.line.regimen,
        "mix": entry.line.mix,
        "original": entry.size,
        "twins": entry.twins,
        "seeds": len(entry.counts),
        "f1": entry.f1.mean,
        "f1_low": entry.f1.low,
        "f1_high": entry.f1.high,
    }
    if compared:
        record["reference"] = compared.reference.name
        record |= {f"difference_{name}": value for name, value in flat(compared.comparison).items()}
        record["verdict"] = compared.verdict.kind
        record["verdict_words"] = compared.verdict.words
    if rival:
        record |= {"behind_leader": rival.lead and rival.lead.mean, "p_to_leader": rival.p}
    record["may_be_best"] = rival is None or not rival.ruled_out
    return record


def _best(entry: Entry, comparisons: Comparisons) -> str:
    standing = next(each for each in comparisons.standings if each.leader.size == entry.size)
    if not standing.rivals:
        return NOTHING
    if standing.leader is entry:
        return "leads" if not standing.contenders else "highest F1"
    return "no" if next(rival for rival in standing.rivals if rival.entry is entry).ruled_out else "yes"


def _seeds(entry: Entry, compared: Compared | None) -> str:
    """Its own, and over how many it was compared where these are fewer."""
    own = len(entry.counts)
    return f"{own} ({compared.comparison.seeds})" if compared and compared.comparison.seeds < own else str(own)


def _told(chosen: Sequence[Compared], how: str, of: int, what: str) -> str:
    """Who is better or worse than what, by how much; of many the range."""
    ranked = sorted(chosen, key=lambda each: -abs(each.comparison.f1.mean))
    by = [f"{each.entry.name} by {_span(_absolute(each.comparison.f1))}" for each in ranked]
    if len(by) == 1:
        return f"{ranked[0].entry.name} is {how}, by {_span(_absolute(ranked[0].comparison.f1))}"
    listed = f": {_join(by)}" if len(by) <= LISTED else f", from {by[-1]} to {by[0]}"
    return f"{len(by)} of {of} {what} are {how}{listed}"


def _references(compared: Sequence[Compared], comparisons: Comparisons) -> str:
    """The reference with its F1; of several, what they have in common."""
    references = list({id(each.reference): each.reference for each in compared}.values())
    if len(references) == 1:
        return f"{references[0].name} (F1 {references[0].f1.mean:.3f})"
    scores = sorted(entry.f1.mean for entry in references)
    own = "mix" if len({entry.run for entry in references}) == 1 else "run"
    return f"the {comparisons.to} of the same {own} (F1 {scores[0]:.3f} to {scores[-1]:.3f})"


def _names(entries: Sequence[Entry], what: str) -> str:
    return _listed([entry.name for entry in entries], what)


def _listed(names: Sequence[str], what: str) -> str:
    return _join(names) if len(names) <= LISTED else f"{len(names)} {what}"


def _what(comparisons: Comparisons) -> str:
    """What an entry is: a regimen, or where there are several mixes or runs a line."""
    names = {entry.name for entry in comparisons.entries}
    return "regimens" if names == {entry.line.regimen for entry in comparisons.entries} else "lines"


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _range(numbers: Sequence[int], what: str) -> str:
    if len(numbers) == 1:
        return _count(numbers[0], what)
    return f"{numbers[0]:,} to {numbers[-1]:,} {what}s"


def _absolute(f1: Interval) -> Interval:
    return f1 if f1.mean >= 0 else Interval(-f1.mean, -f1.high, -f1.low)


def _span(f1: Interval) -> str:
    return f"{f1.mean:.3f} ({f1.low:.3f} to {f1.high:.3f})"


def _whole(per_thousand: Interval) -> str:
    return signed(per_thousand, 0)


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else "<0.001"
