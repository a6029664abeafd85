"""The plan: which examples every optimizer step sees, fixed and fingerprinted before training begins.

With the plan on disk, resuming is reading on from a line, several processes take slices of the same batches,
two runs that should be the same can be shown to be, and no data loader's hidden state decides anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import read_json_lines, write_json_lines
from nerkd_local.fingerprints import digest, digest_json
from nerkd_local.records import Source
from nerkd_local.regimen.adaptive import Evidence, adaptive_steps, candidates, check_groups
from nerkd_local.regimen.allocate import allocate_counts
from nerkd_local.regimen.exposure import resolve
from nerkd_local.regimen.mixture import read_source
from nerkd_local.regimen.schedule import Adaptive, Regimen

_FORMAT = "nerkd plan 1"


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One optimizer step's examples by id, in the order they are read; together they are one batch."""

    original: tuple[str, ...]
    distilled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """What a source offers: how many ids, and a digest of their set."""

    size: int
    digest: str


@dataclass(frozen=True)
class Plan:
    """Every step's examples, and what they were drawn from.

    `regimen` is the resolved regimen as plain JSON: a proportional share is a number in it. The plan of a regimen that
    decides as training goes also has the `ids` of both sources, to be planned anew from (see `replanned`); the others
    have none.
    """

    regimen: Mapping[str, Any]
    seed: int
    batch_size: int
    original: Pool
    distilled: Pool
    steps: tuple[PlanStep, ...]
    ids: Mapping[Source, tuple[str, ...]] | None = None

    @cached_property
    def adaptive(self) -> Adaptive | None:
        """The schedule, if it is one that decides as training goes."""
        return None if self.ids is None else Adaptive.model_validate(self.regimen["schedule"])

    @property
    def identity(self) -> str:
        """What two plans have in common that show a student the same, whatever their names (hex).

        For a regimen that decides as it goes this is all that it may decide from, not what it would show as it stands.
        """
        return self.prefixes[-1] if self.ids is None else self.fingerprint

    def candidates(self, source: Source) -> set[str]:
        """What a regimen that decides as training goes may come to ask for, whatever it is told; else nothing."""
        schedule = self.adaptive
        if schedule is None or self.ids is None:
            return set()
        most = len(self.steps) * self.batch_size
        return candidates(schedule, source, self.ids[source], most=most, steps=len(self.steps), seed=self.seed)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over everything above, the digests of the id sets included."""
        fields: list[str | int] = [_FORMAT, digest_json(dict(self.regimen)), self.seed, self.batch_size]
        for pool in (self.original, self.distilled):
            fields += [pool.size, pool.digest]
        for step in self.steps:
            fields += [len(step.original), *step.original, len(step.distilled), *step.distilled]
        return digest(*fields)

    @cached_property
    def prefixes(self) -> tuple[str, ...]:
        """A digest (hex) of the first s steps' examples, for each s from 0 to S.

        Two plans whose digests at s are equal show a student the same examples up to there, whatever regimens they
        are of; with equal last digests they are the same plan under two names.
        """
        digests = [digest(self.batch_size)]
        for step in self.steps:
            fields: list[str | int] = [len(step.original), *step.original, len(step.distilled), *step.distilled]
            digests.append(digest(digests[-1], *fields))
        return tuple(digests)

    @property
    def examples(self) -> dict[Source, int]:
        """How many examples each source gives over all steps, repeats counted."""
        return {
            "original": sum(len(step.original) for step in self.steps),
            "distilled": sum(len(step.distilled) for step in self.steps),
        }

    @property
    def passes(self) -> dict[Source, float]:
        """How often each source is gone through: 2.5 is two passes and a half. 0 for an empty source."""
        examples = self.examples
        return {
            "original": examples["original"] / max(self.original.size, 1),
            "distilled": examples["distilled"] / max(self.distilled.size, 1),
        }


def build_plan(
    regimen: Regimen,
    original_ids: Collection[str],
    distilled_ids: Collection[str],
    *,
    steps: int,
    batch_size: int,
    seed: int,
) -> Plan:
    """The plan of `steps` batches of exactly `batch_size` examples each.

    How many of a batch are distilled comes from the regimen alone, which ones from the seed alone: with the
    same seed and sources, every regimen reads each source in the same order. The order of the given ids does
    not matter. Raises InputError for steps or a batch_size below 1, repeated ids, and a regimen that needs
    examples of an empty source.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if value < 1:
            raise InputError(f"{name} is {value}; at least 1 is needed")
    resolved = resolve(regimen, len(original_ids), len(distilled_ids), steps)
    ids: dict[Source, Collection[str]] = {"original": original_ids, "distilled": distilled_ids}
    counts: list[int] = allocate_counts(resolved.shares(steps), batch_size).tolist()
    needed: dict[Source, int] = {"original": steps * batch_size - sum(counts), "distilled": sum(counts)}
    streams = {source: read_source(ids[source], source, seed) for source in ids}
    for source, number in needed.items():
        if number and not ids[source]:
            raise InputError(
                f"regimen {regimen.name!r} needs {number} {source} examples, and that source is empty; "
                "name a file for it, or choose a regimen without it"
            )
    plan = Plan(
        regimen=resolved.model_dump(mode="json", exclude={"match_exposure"}),
        seed=seed,
        batch_size=batch_size,
        original=_pool(original_ids),
        distilled=_pool(distilled_ids),
        steps=tuple(
            PlanStep(
                original=tuple(islice(streams["original"], batch_size - count)),
                distilled=tuple(islice(streams["distilled"], count)),
            )
            for count in counts
        ),
    )
    if not isinstance(resolved.schedule, Adaptive):
        return plan
    check_groups(distilled_ids)
    return replanned(replace(plan, ids={source: tuple(sorted(ids[source])) for source in _SOURCES}), ())


def replanned(plan: Plan, evidence: Sequence[Evidence]) -> Plan:
    """The plan of a regimen that decides as training goes, with all evidence so far; nothing changes before its steps.

    Raises ValueError for a plan of another regimen.
    """
    schedule = plan.adaptive
    if schedule is None or plan.ids is None:
        raise ValueError("the plan's regimen takes no evidence")
    steps = adaptive_steps(
        schedule,
        plan.ids["original"],
        plan.ids["distilled"],
        evidence,
        steps=len(plan.steps),
        batch_size=plan.batch_size,
        seed=plan.seed,
    )
    return replace(plan, steps=tuple(PlanStep(*step) for step in steps))


def save_plan(plan: Plan, path: Path) -> None:
    """Write the plan as JSON lines, atomically: one line that describes it, then one line a step."""
    write_json_lines(path, _plan_lines(plan))


def load_plan(path: Path) -> Plan:
    """The plan as it was saved.

    Raises InputError with file and line for a file that is no plan, a line that is missing or out of order, a
    batch of the wrong size, and content that does not match the fingerprint in the first line.
    """
    lines = read_json_lines(path)
    _, header = next(lines, (1, {}))
    if header.get("format") != _FORMAT:
        raise InputError(f"is not a plan (its first line does not say {_FORMAT!r})", path=path, line=1)
    try:
        regimen, seed, batch_size = dict(header["regimen"]), int(header["seed"]), int(header["batch_size"])
        pools = {source: Pool(int(header[source]["size"]), str(header[source]["digest"])) for source in _SOURCES}
        ids = None if header.get("ids") is None else {source: _ids(header["ids"][source]) for source in _SOURCES}
        if (regimen.get("schedule") or {}).get("shape") == "adaptive":
            Adaptive.model_validate(regimen["schedule"])
            if ids is None:
                raise ValueError("a plan that decides as training goes has the ids that it decides from")
        elif ids is not None:
            raise ValueError("a plan that is fixed has no ids")
        expected_steps, expected = int(header["steps"]), str(header["fingerprint"])
    except (AttributeError, KeyError, TypeError, ValueError):  # pydantic's are ValueErrors
        raise InputError("the plan's first line is damaged; build the plan again", path=path, line=1) from None
    steps: list[PlanStep] = []
    for line, value in lines:
        steps.append(_plan_step(value, len(steps), batch_size, path, line))
    if len(steps) != expected_steps:
        raise InputError(f"has {len(steps)} steps and announces {expected_steps}; build the plan again", path=path)
    plan = Plan(regimen, seed, batch_size, pools["original"], pools["distilled"], tuple(steps), ids)
    if plan.fingerprint != expected or any(_pool(given) != pools[source] for source, given in (ids or {}).items()):
        raise InputError(
            f"was changed after it was built: the content's fingerprint is {plan.fingerprint[:12]}..., the "
            f"first line says {expected[:12]}...; build the plan again",
            path=path,
        )
    return plan


_SOURCES: tuple[Source, Source] = ("original", "distilled")


def _ids(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(id, str) for id in given):
        raise TypeError("ids are a list of strings")
    return tuple(given)


def _pool(ids: Collection[str]) -> Pool:
    return Pool(len(ids), digest(*sorted(ids)))


def _plan_lines(plan: Plan) -> Iterator[dict[str, Any]]:
    yield {
        "format": _FORMAT,
        "fingerprint": plan.fingerprint,
        "regimen": dict(plan.regimen),
        "seed": plan.seed,
        "batch_size": plan.batch_size,
        "steps": len(plan.steps),
        "original": {"size": plan.original.size, "digest": plan.original.digest},
        "distilled": {"size": plan.distilled.size, "digest": plan.distilled.digest},
        "passes": {source: round(passes, 4) for source, passes in plan.passes.items()},
        **({} if plan.ids is None else {"ids": dict(plan.ids)}),
    }
    for number, step in enumerate(plan.steps):
        yield {"step": number, "original": step.original, "distilled": step.distilled}


def _plan_step(value: Mapping[str, Any], number: int, batch_size: int, path: Path, line: int) -> PlanStep:
    if value.keys() != {"step", *_SOURCES} or value["step"] != number:
        raise InputError(f"step {number} of the plan was expected here; build the plan again", path=path, line=line)
    ids: list[tuple[str, ...]] = []
    for source in _SOURCES:
        try:
            ids.append(_ids(value[source]))
        except TypeError:
            raise InputError(f"{source!r} is not a list of ids; build the plan again", path=path, line=line) from None
    step = PlanStep(*ids)
    size = len(step.original) + len(step.distilled)
    if size != batch_size:
        raise InputError(
            f"a batch of {size} examples where the first line says {batch_size}; build the plan again",
            path=path,
            line=line,
        )
    return step
