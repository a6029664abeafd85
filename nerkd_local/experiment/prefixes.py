"""Students whose plans begin alike are trained together up to where they part.

`distilled_only` and `simple_mix` see the same first half, `original_only` and `reverse` another. Whoever comes first
leaves a checkpoint where the next one parts from it, and that one goes on from there: the same steps on the same
examples with the same learning rates, so the same weights.
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import link_or_copy
from nerkd_local.fingerprints import digest_json
from nerkd_local.regimen.plan import Plan
from nerkd_local.student.checkpoint import adopt_checkpoint, newest_checkpoint
from nerkd_local.train.exposure import ExposureLedger
from nerkd_local.train.folder import TrainFolder

_WORTH = 0.15
"""The part of a plan that must be shared: less is trained sooner than a checkpoint is written, hashed and read."""


@dataclass(frozen=True)
class Course:
    """What one student is trained on, as far as sharing is concerned."""

    name: str
    plan: Plan
    fingerprints: Mapping[str, Any]
    """Those of its run (see `train.identity`)."""

    def key(self, steps: int) -> str:
        """The same for two students exactly if their first so many steps are the same to the last bit.

        Of a regimen that decides as training goes nobody knows that, and its key is that of its own plan.
        """
        shown = self.plan.steps[:steps]
        unused = {
            *(() if self.plan.adaptive else ("plan",)),
            *(() if any(step.original for step in shown) else ("original",)),
            *(() if any(step.distilled for step in shown) else ("distilled",)),
        }
        same = {name: value for name, value in self.fingerprints.items() if name not in unused}
        return digest_json({**same, "steps": len(self.plan.steps), "prefix": self.plan.prefixes[steps]})


@dataclass
class Prefixes:
    """Where the students of an experiment part, and the checkpoints left there."""

    folder: RunFolder
    parting: dict[str, list[int]] = field(default_factory=dict)
    """By student: after how many steps another one parts from it, ascending."""
    sharers: dict[str, set[str]] = field(default_factory=dict)
    """By key of a shared beginning: the students that have it."""
    courses: dict[str, Course] = field(default_factory=dict)

    @classmethod
    def of(cls, courses: Sequence[Course], folder: RunFolder) -> Prefixes:
        """Find where the courses part. Time: one comparison of two plans for each pair with the same first step."""
        prefixes = cls(folder, courses={course.name: course for course in courses})
        groups: dict[str, list[Course]] = {}
        for course in courses:
            if course.plan.adaptive is not None:
                continue  # what it shows is known when it has been trained
            groups.setdefault(course.key(1), []).append(course)
        for group in groups.values():
            for index, course in enumerate(group):
                for other in group[index + 1 :]:
                    prefixes._note(course, other)
        return prefixes

    def _note(self, one: Course, other: Course) -> None:
        steps = len(one.plan.steps)
        shared = bisect_right(range(steps + 1), False, key=lambda s: one.plan.prefixes[s] != other.plan.prefixes[s]) - 1
        if not _WORTH * steps <= shared < steps or one.key(shared) != other.key(shared):
            return
        for course in (one, other):
            parting = self.parting.setdefault(course.name, [])
            if shared not in parting:
                parting.append(shared)
                parting.sort()
            self.sharers.setdefault(one.key(shared), set()).add(course.name)

    def begin(self, name: str) -> None:
        """Give a student that is not trained and has no checkpoint yet the longest beginning that somebody left."""
        course = self.courses[name]
        run = TrainFolder(self.folder.student(name))
        if run.done.exists() or newest_checkpoint(run.checkpoints) is not None:
            return
        for steps in reversed(self.parting.get(name, [])):
            left = self._left(course, steps)
            if left.is_dir() and (found := newest_checkpoint(left)) is not None:
                run.output.mkdir(parents=True, exist_ok=True)
                run.exposure.path.unlink(missing_ok=True)  # of a run that was killed before its first checkpoint
                link_or_copy(left / "exposure.jsonl", run.exposure.path)
                adopt_checkpoint(found, run.checkpoints, {**found.meta, "fingerprints": dict(course.fingerprints)})
                return

    def wanted(self, name: str) -> list[int]:
        """Where the student is to leave a checkpoint for others."""
        course = self.courses[name]
        return [steps for steps in self.parting.get(name, []) if not self._left(course, steps).is_dir()]

    def leave(self, name: str, steps: int) -> None:
        """Keep the student's checkpoint after so many steps for the others."""
        course = self.courses[name]
        if steps not in self.parting.get(name, []) or self._left(course, steps).is_dir():
            return
        run = TrainFolder(self.folder.student(name))
        staging = self._left(course, steps).with_suffix(f".{name}")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        link_or_copy(run.exposure.path, staging / "exposure.jsonl", copy=True)  # the student goes on writing its own
        ExposureLedger(staging / "exposure.jsonl").keep()
        found = newest_checkpoint(run.checkpoints)
        assert found is not None
        assert found.step == steps
        adopt_checkpoint(found, staging, found.meta)
        try:
            staging.rename(self._left(course, steps))
        except OSError:  # somebody else was as fast
            shutil.rmtree(staging)

    def awaited(self, name: str, finished: Collection[str]) -> dict[int, str]:
        """The beginnings, steps to key and shortest first, that the student shares and that nobody has left yet.

        Only those that go beyond the longest that is left, and that some student has that is not `finished`.
        """
        course = self.courses[name]
        awaited: dict[int, str] = {}
        for steps in reversed(self.parting.get(name, [])):
            if self._left(course, steps).is_dir():
                break
            key = course.key(steps)
            if self.sharers[key] - {name} - set(finished):
                awaited[steps] = key
        return dict(sorted(awaited.items()))

    def forget(self, finished: Sequence[str]) -> None:
        """Remove the beginnings that no unfinished student has, and what a killed process left half made."""
        every = self.folder.prefix("")
        for key, sharers in self.sharers.items():
            if sharers <= set(finished):
                for path in (self.folder.prefix(key), *every.glob(f"{key}.*")):
                    shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # there are others
            every.rmdir()

    def _left(self, course: Course, steps: int) -> Path:
        return self.folder.prefix(course.key(steps))
