"""Whether commands try to leave this machine: what was tried, what was sent, and what waiting for it cost.

A "nothing" counts only beside controls that were caught: each planted leak, by each means that can see it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.doctor.egress import leak
from nerkd_local.doctor.egress.jobs import Job
from nerkd_local.doctor.egress.watch import Run, pristine_environment, run_watched

SLOWER_S = 2.0
"""How much longer a command may take where nothing answers. A lookup of one name costs 20 s there, a connection that
nobody takes 10 s and more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One command under watch. Of `plain` and `swallowed` the quickest run counts: a wait is in every run, another
    program's load is not.
    """

    name: str
    plain: tuple[Run, ...]
    traced: tuple[Run, ...]
    swallowed: tuple[Run, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of the command."""
        return (*self.plain, *self.traced, *self.swallowed)

    @property
    def attempts(self) -> int | None:
        """Calls that were bound for elsewhere, over all traced runs; None where none was traced."""
        counts = [len(run.trace.attempts) for run in self.runs if run.trace]
        return sum(counts) if counts else None

    @property
    def packets(self) -> int | None:
        """Packets that were sent in the black hole, over all runs there; None where there was none."""
        counts = [run.swallowed.packets for run in self.runs if run.swallowed]
        return sum(counts) if counts else None

    @property
    def slower_s(self) -> float | None:
        """How much longer it took in the black hole; None where it was not run both ways."""
        there, here = ([run.seconds for run in runs] for runs in (self.swallowed, self.plain))
        return min(there) - min(here) if there and here else None

    @property
    def listeners(self) -> tuple[str, ...]:
        """Where other machines could have come in."""
        found = (
            name
            for run in self.runs
            for name in (
                *(run.trace.listeners if run.trace else ()),
                *(run.swallowed.listeners if run.swallowed else ()),
            )
        )
        return tuple(dict.fromkeys(found))

    def problems(self) -> list[str]:
        """Why the command is not shown to keep to itself; empty where it is."""
        found = [f"ended with {_ending(run)}" for run in self.runs if run.code != 0]
        for run in self.runs:
            if run.trace:
                found += [f"{count} x {attempt}" for attempt, count in run.trace.counted()]
                if run.trace.unread:
                    found.append(f"{len(run.trace.unread)} lines of the trace cannot be read ({run.trace.unread[0]})")
            if run.swallowed:
                if run.swallowed.packets:
                    kinds = ", ".join(f"{count} x {packet}" for packet, count in run.swallowed.kinds)
                    found.append(f"{run.swallowed.packets} packets ({kinds})")
                if run.swallowed.left:
                    found.append(f"left running: {', '.join(run.swallowed.left)}")
        if self.slower_s is not None and self.slower_s > SLOWER_S:
            found.append(f"{self.slower_s:.1f} s slower where nothing answers")
        return found


@dataclass(frozen=True, slots=True)
class Control:
    """One planted leak, and who caught it; None where that was not tried. What keeps to itself is not to be caught."""

    kind: str
    traced: bool | None
    swallowed: bool | None

    @property
    def holds(self) -> bool:
        """Whether each means did what it can do: a probe sends nothing, a listener is seen by both."""
        caught = self.kind not in leak.HARMLESS
        sent = caught and self.kind not in leak.SILENT
        seen_there = sent or self.kind == "listener"
        return self.traced in (None, caught) and self.swallowed in (None, seen_there)


def run_controls(
    kinds: Iterable[str], *, trace: bool, hole: bool, say: Callable[[str], None] = lambda line: None
) -> list[Control]:
    """Plant each leak, under each means. Without a black hole nothing is planted but what sends nothing."""
    controls = []
    # a lookup of a name is seen as well if it gives up after two seconds, not 20
    environment = {**pristine_environment(), "RES_OPTIONS": "timeout:1 attempts:1"}
    for kind in kinds:
        if not hole and kind not in (*leak.SILENT, *leak.HARMLESS):
            continue
        say(f"planted leak: {kind}")
        run = run_watched(leak_command(kind), trace=trace, hole=hole, environment=environment, timeout_s=60)
        controls.append(Control(kind, _caught_by_trace(run), _caught_by_hole(run)))
    return controls


def prove(job: Job, folder: Path, *, plain: int, traced: int, swallowed: int, timeout_s: float = 900.0) -> Row:
    """Run the job so many times each way, in turns; what it writes goes into the folder, which exists."""
    runs: dict[str, list[Run]] = {"plain": [], "traced": [], "swallowed": []}
    for turn in range(max(plain, traced, swallowed)):
        for way, wanted in (("plain", plain), ("traced", traced), ("swallowed", swallowed)):
            if turn < wanted:
                fresh = folder / f"{way}{turn}"
                watched = run_watched(
                    job.ready(fresh), trace=way == "traced", hole=way == "swallowed", timeout_s=timeout_s
                )
                runs[way].append(watched)
    return Row(job.name, tuple(runs["plain"]), tuple(runs["traced"]), tuple(runs["swallowed"]))


def prove_at_once(job: Job, fresh: Path, *, trace: bool, hole: bool, timeout_s: float = 300.0) -> Row:
    """Run the job once, watched by all means there are together; how long it takes says nothing then."""
    run = run_watched(job.ready(fresh), trace=trace, hole=hole, timeout_s=timeout_s)
    return Row(job.name, (), (run,), ())


def leak_command(kind: str) -> list[str]:
    """The command that leaks in that way."""
    return [sys.executable, "-I", "-S", leak.__file__, kind]


def _caught_by_trace(run: Run) -> bool | None:
    return None if run.trace is None else bool(run.trace.attempts or run.trace.listeners)


def _caught_by_hole(run: Run) -> bool | None:
    return None if run.swallowed is None else bool(run.swallowed.packets or run.swallowed.listeners)


def _ending(run: Run) -> str:
    last: Sequence[str] = run.said.strip().splitlines()[-1:] or [""]
    return f"{'its time up' if run.code is None else run.code}: {last[0]}"
