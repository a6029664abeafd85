"""The regimen that decides as training goes: which distilled corpora to trust, and how far.

Sentences fall into groups: the original ones, and the distilled ones by the corpus that they come from (what stands
before the first `/` of an id). At a few moments (`probes`) the student tells, for each group k, how much a step on that
group would help on human labels that it has not been trained on:

    u_k = <g_k, g_H> / <g_H, g_H>

g_H is the gradient of the mean loss a word on a held-out fold H of the originals, g_k that on a sample of group k, both
over all the weights but the table of embeddings. u = 1 is as good as a step on H itself, u < 0 does harm. Over all the
probes so far (the sums run over them; u_o is that of the originals which the student is trained on):

    q_k  proportional to  n_k exp(eta sum u_k)                       the distilled groups' parts; n_k is a group's size
    r  =  clip(sum_probes sum_k q_k u_k / sum_probes max(u_o, 0), 0, 1)               how far the distilled are trusted
    w(t)  =  r prior(t)                                           the distilled share of the batch; r = 1 before a probe

q is that of the probe itself in each term of r. So a corpus whose labels or texts do not lead where the human labels
lead fades out, and where none does, the regimen turns into `original_only`; without evidence it is its prior. The fold
H is trained on as the other originals are, from the last probe on. What is random is an order by hash, what is
measured is written down (see `train.evidence`): the same evidence gives the same plan.

Source of the exponential weights by alignment of gradients: DoGE (Fan et al., arXiv 2310.15393), there for the domains
of pretraining, with a proxy model. Here the student itself is asked, and the human labels are the judge.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest, hash_order
from nerkd_local.records import Source
from nerkd_local.regimen.allocate import allocate_counts
from nerkd_local.regimen.mixture import read_source
from nerkd_local.regimen.schedule import Adaptive

ORIGINAL = "original"
"""The originals' name among the groups of an evidence. A distilled corpus called so is told from them by its `/`."""

_MOST_GROUPS = 64
"""A probe is a backward pass for each, and a plan keeps a number for each at every step."""

_MOST_HELP, _MOST_HARM = 2.0, -1.0
"""Where a probe's alignment is cut: one of a small g_H must not decide alone."""


class Evidence(NamedTuple):
    """What a probe before optimizer step `step` has found: u by group, `original` for the originals."""

    step: int
    alignment: Mapping[str, float]


class Trust(NamedTuple):
    """What follows from all evidence so far: `parts` q by distilled group, which sum to 1, and `share` r."""

    parts: Mapping[str, float]
    share: float


def group_of(id: str) -> str:
    """The corpus that a distilled sentence comes from: what stands before the first slash of its id, and the slash."""
    corpus, slash, _ = id.partition("/")
    return corpus + slash if slash else ""


def check_groups(ids: Collection[str]) -> None:
    """Raise InputError for distilled ids of more corpora than can be asked about: what stands before the slash of most
    of them is then no corpus, but a document, say."""
    groups = len({group_of(id) for id in ids})
    if groups > _MOST_GROUPS:
        raise InputError(
            "the adaptive regimen asks about every distilled corpus, and what stands before the first slash of the ids "
            f"names {groups:,}; at most {_MOST_GROUPS} can be told apart: let ids begin with a corpus and a slash, or "
            "have no slash"
        )


def grouped(ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The distilled ids by group, groups and ids in ascending order."""
    groups: dict[str, list[str]] = {}
    for id in sorted(ids):
        groups.setdefault(group_of(id), []).append(id)
    return {name: tuple(groups[name]) for name in sorted(groups)}


def trust(sizes: Mapping[str, int], evidence: Sequence[Evidence], eta: float) -> Trust:
    """The law above. `sizes`: the distilled groups' numbers of sentences.

    Where the originals have not helped at all (a denominator of 0), r is its limit: 0 if the distilled have done harm,
    and 1 if they have helped or nothing has told anything.
    """
    helped = dict.fromkeys(sizes, 0.0)
    theirs = ours = 0.0
    parts = _parts(sizes, helped, eta)
    for each in evidence:
        cut = {name: min(max(each.alignment[name], _MOST_HARM), _MOST_HELP) for name in (ORIGINAL, *sizes)}
        for name in sizes:
            helped[name] += cut[name]
        parts = _parts(sizes, helped, eta)
        theirs += sum(parts[name] * cut[name] for name in sizes)
        ours += max(cut[ORIGINAL], 0.0)
    if not evidence:
        return Trust(parts, 1.0)
    if ours == 0.0:
        return Trust(parts, 0.0 if theirs < 0 else 1.0)
    return Trust(parts, min(max(theirs / ours, 0.0), 1.0))


def probe_steps(schedule: Adaptive, steps: int) -> list[int]:
    """Before which steps (from 0) there is a probe: ascending, none twice, none before the first step."""
    return sorted({min(round(t * steps), steps - 1) for t in schedule.probes} - {0})


def held_out(ids: Collection[str], schedule: Adaptive, seed: int) -> tuple[str, ...]:
    """The fold H: drawn by the seed, at least one sentence and never all.

    Raises InputError for fewer than two originals.
    """
    if len(ids) < 2:
        raise InputError(
            f"the adaptive regimen holds out a part of the originals, and there are {len(ids)}; at least 2 are needed"
        )
    count = min(max(round(schedule.held_out * len(ids)), 1), len(ids) - 1)
    return tuple(hash_order(ids, seed, "held out")[:count])


def probe_sample(ids: Collection[str], schedule: Adaptive, seed: int, step: int) -> tuple[str, ...]:
    """The sentences of a group that a probe looks at, drawn anew for every probe."""
    return tuple(hash_order(ids, seed, "probe", step)[: schedule.sample])


def candidates(
    schedule: Adaptive, source: Source, ids: Collection[str], *, most: int, steps: int, seed: int
) -> set[str]:
    """What of a source may be trained on or looked at in so many steps, if at most `most` examples are read of it.

    All originals; of each distilled group the first `most` of its order and the probes' samples.
    """
    if source == "original":
        return set(ids)
    found: set[str] = set()
    for group in grouped(ids).values():
        found.update(islice(read_source(group, "distilled", seed), min(most, len(group))))
        for step in probe_steps(schedule, steps):
            found.update(probe_sample(group, schedule, seed, step))
    return found


def adaptive_steps(
    schedule: Adaptive,
    original_ids: Collection[str],
    distilled_ids: Collection[str],
    evidence: Sequence[Evidence],
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every step's original and distilled ids, if no more evidence comes than this.

    More evidence changes nothing before its own step. Originals and distilled are within one example of their shares
    after every step; the groups within one of their parts of the distilled examples, if there are two (within their
    number for more).
    """
    groups = grouped(distilled_ids)
    sizes = {name: len(ids) for name, ids in groups.items()}
    probes = probe_steps(schedule, steps)
    release = probes[-1] if probes else 0
    beliefs = [(0, trust(sizes, (), schedule.eta))]
    beliefs += [(each.step, trust(sizes, evidence[: n + 1], schedule.eta)) for n, each in enumerate(evidence)]
    shares = schedule.prior.over(steps)
    parts = np.empty((steps, len(groups)))
    for (begin, belief), end in zip(beliefs, [*(step for step, _ in beliefs[1:]), steps], strict=True):
        shares[begin:end] *= belief.share
        parts[begin:end] = [belief.parts[name] for name in groups]
    counts = allocate_counts(shares, batch_size)
    originals = _originals(original_ids, schedule, seed, int((batch_size - counts[:release]).sum()))
    streams = [read_source(ids, "distilled", seed) for ids in groups.values()]
    return [
        (
            tuple(islice(originals, int(batch_size - count))),
            tuple(next(streams[group]) for group in turn),
        )
        for count, turn in zip(counts, _turns(counts, parts), strict=True)
    ]


def _originals(ids: Collection[str], schedule: Adaptive, seed: int, before: int) -> Iterator[str]:
    """The originals as they are read: so many without the held-out fold, then the fold, then all."""
    fold = held_out(ids, schedule, seed)
    judges = set(fold)
    kept = [id for id in ids if id not in judges]
    later = int(digest(seed, "released")[:15], 16)  # another order: the fold would else be read twice as often
    return chain(islice(read_source(kept, "original", seed), before), fold, read_source(ids, "original", later))


def _turns(counts: npt.NDArray[np.int64], parts: npt.NDArray[np.float64]) -> Iterator[list[int]]:
    """Which group each distilled place of each step goes to: always to the one that is furthest behind its part."""
    owed = np.zeros(parts.shape[1])
    for count, part in zip(counts, parts, strict=True):
        turn = []
        for _ in range(int(count)):
            owed += part
            turn.append(int(owed.argmax()))
            owed[turn[-1]] -= 1.0
        yield turn


def _parts(sizes: Mapping[str, int], helped: Mapping[str, float], eta: float) -> dict[str, float]:
    top = max(helped.values(), default=0.0)
    raw = {name: size * math.exp(eta * (helped[name] - top)) for name, size in sizes.items()}
    whole = sum(raw.values())
    return {name: value / whole for name, value in raw.items()}
