"""Does anything here try to leave this machine? Every kind of run, left alone, traced, and in a black hole.

    python scripts/reliability/egress.py --output docs/results/egress
    python scripts/reliability/egress.py --only predict --repeats 1       # a quick look

Takes half an hour on two cores; Linux, strace, iproute2 and util-linux, best as root. Passes (else it exits with 4) if
nothing was tried, nothing was sent, nothing was left running, no run took more than 2 s longer in the black hole, and
every planted leak was caught. For contrast some runs are made with the seal off: they show what it holds back.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.doctor.egress import jobs, leak
from nerkd_local.doctor.egress.prove import SLOWER_S, Control, Row, leak_command, prove, run_controls
from nerkd_local.doctor.egress.watch import Run, pristine_environment, run_watched
from nerkd_local.files import write_text
from nerkd_local.machine import describe_cpu
from nerkd_local.software import package_version

# Where Python finds it, it runs before anything else in every process, and takes the seal off
_UNSEALED = """
import nerkd_local.offline as offline
import nerkd_local.offline.switches as switches
offline.seal = switches.seal = lambda network=None: offline.Profile()
"""
_SEALED = "from nerkd_local import offline; offline.seal(); import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path("
_LIBRARIES = ("torch", "transformers", "accelerate")


@dataclass(frozen=True)
class Unsealed:
    """A job with the seal off, in the black hole and traced: for contrast, and as a control on real commands."""

    name: str
    run: Run


@dataclass(frozen=True)
class Refused:
    """A planted leak in a sealed process: what the guard refuses before it happens, and what gets by it."""

    kind: str
    attempts: int
    packets: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="Write summary.md and results.json there.")
    parser.add_argument("--repeats", type=int, default=3, help="Runs left alone and in the black hole, in turns.")
    parser.add_argument("--only", default="", help="Only jobs whose name holds this.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nerkd-egress-") as name:
        folder = Path(name)
        controls = run_controls(leak.KINDS, trace=True, hole=True, say=_say)
        refused = list(plant_in_sealed_processes())
        rows = []
        for number, job in enumerate(all_jobs(folder, arguments.only)):
            (folder / str(number)).mkdir()
            _say(f"under watch: {job.name}")
            rows.append(
                prove(job, folder / str(number), plain=arguments.repeats, traced=1, swallowed=arguments.repeats)
            )
            _say("; ".join(rows[-1].problems()) or "kept to itself")
        contrasts = list(run_unsealed(folder, arguments.only))
    found = as_json(controls, refused, rows, contrasts)
    text = as_text(found)
    print(text)
    if arguments.output:
        write_text(arguments.output / "results.json", json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        write_text(arguments.output / "summary.md", text)
    if not found["passed"]:
        raise SystemExit(4)


def all_jobs(folder: Path, only: str = "") -> Iterator[jobs.Job]:
    """Every kind of run, or those whose name holds a word. What one reads is made, unwatched, when it is asked for."""
    jobs.write_inputs(folder)
    _run(jobs.plan_job(folder), folder / "unused")
    trained, swept = folder / "trained", folder / "swept"
    first = [
        jobs.plan_job(folder),
        jobs.train_job(folder),
        *jobs.predict_jobs(folder, trained),
        jobs.annotate_job(folder),
        jobs.annotate_job(folder, "serve"),
        jobs.sweep_job(folder),
        jobs.report_job(swept),
    ]
    for job in first:
        if only in job.name:
            if str(trained / "student") in job.command and not trained.exists():
                _run(jobs.train_job(folder), trained)
            if str(swept) in job.command and not swept.exists():
                _run(jobs.sweep_job(folder), swept)
            yield job


def plant_in_sealed_processes() -> Iterator[Refused]:
    """What each planted leak comes to in a process that is sealed, and watched from outside."""
    for kind in leak.KINDS:
        _say(f"planted in a sealed process: {kind}")
        python, *_, path, _ = leak_command(kind)
        command = [python, "-c", f"{_SEALED}{path!r}, run_name='__main__')", path, kind]
        run = run_watched(command, trace=True, hole=True, timeout_s=120)
        if run.code != 0:
            raise SystemExit(f"{kind} in a sealed process ended with {run.code}: {run.said}")
        assert run.trace
        assert run.swallowed
        yield Refused(kind, len(run.trace.attempts), run.swallowed.packets)


def run_unsealed(folder: Path, only: str) -> Iterator[Unsealed]:
    """Jobs as they would be without the seal."""
    hook = folder / "unsealed"
    write_text(hook / "sitecustomize.py", _UNSEALED)
    environment = pristine_environment()
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(hook), environment.get("PYTHONPATH")]))
    for number, job in enumerate(
        [jobs.train_job(folder), jobs.annotate_job(folder), jobs.annotate_job(folder, "serve")]
    ):
        if only in job.name:
            _say(f"with the seal off: {job.name}")
            command = job.ready(folder / f"unsealed{number}")
            run = run_watched(command, trace=True, hole=True, environment=environment, timeout_s=900)
            yield Unsealed(job.name, run)


def as_json(
    controls: list[Control], refused: list[Refused], rows: list[Row], contrasts: list[Unsealed]
) -> dict[str, Any]:
    """All that was seen, without paths of this machine."""
    return {
        "passed": all(control.holds for control in controls) and not any(row.problems() for row in rows),
        "machine": {
            "cpu": describe_cpu(),
            "system": f"{platform.system()} {platform.release()}, glibc {platform.libc_ver()[1]}",
            "strace": _first_line("strace", "--version"),
            "ip": _first_line("ip", "-V"),
            "libraries": [str(vllm_version()), *(f"{name} {package_version(name)}" for name in _LIBRARIES)],
        },
        "controls": [
            {
                "leak": control.kind,
                "strace": control.traced,
                "black hole": control.swallowed,
                "as it should": control.holds,
            }
            for control in controls
        ],
        "sealed": [{"leak": each.kind, "attempts": each.attempts, "packets": each.packets} for each in refused],
        "runs": [
            {
                "run": row.name,
                "attempts": row.attempts,
                "packets": row.packets,
                "listeners": list(row.listeners),
                "io_uring": sorted({ring for run in row.runs if run.trace for ring in run.trace.rings}),
                "processes": sum(run.trace.commands for run in row.traced if run.trace),
                "seconds": _seconds(row.plain),
                "seconds traced": _seconds(row.traced),
                "seconds in the black hole": _seconds(row.swallowed),
                "slower_s": None if row.slower_s is None else round(row.slower_s, 2),
                "problems": [_neutral(problem) for problem in row.problems()],
            }
            for row in rows
        ],
        "seal off": [
            {
                "run": each.name,
                "code": each.run.code,
                "seconds": round(each.run.seconds, 1),
                "attempts": len(each.run.trace.attempts),
                "packets": each.run.swallowed.packets,
                "to": dict(
                    Counter(_aim(attempt.place, attempt.name) for attempt in each.run.trace.attempts).most_common()
                ),
                "listeners": [re.sub(r":\d+$", ":*", name) for name in each.run.trace.listeners],
            }
            for each in contrasts
            if each.run.trace and each.run.swallowed
        ],
    }


def as_text(found: dict[str, Any]) -> str:
    """The same, to be read."""
    machine = found["machine"]
    caught = sum(row["as it should"] for row in found["controls"])
    rows = [
        [
            row["run"],
            row["attempts"],
            row["packets"],
            ", ".join(row["listeners"]) or "none",
            row["processes"],
            f"{min(row['seconds']):.1f}",
            f"{min(row['seconds in the black hole']):.1f}",
            f"{row['slower_s']:+.1f}",
            "; ".join(row["problems"]) or "-",
        ]
        for row in found["runs"]
    ]
    names = ["run", "attempts", "packets", "listens outside", "programs", "s", "s in the hole", "slower", "problems"]
    marks = {True: "caught", False: "not seen", None: "not tried"}
    controls = [
        [row["leak"], marks[row["strace"]], marks[row["black hole"]], "yes" if row["as it should"] else "NO"]
        for row in found["controls"]
    ]
    sealed = [[row["leak"], row["attempts"], row["packets"]] for row in found["sealed"]]
    off = [
        [
            row["run"],
            row["attempts"],
            row["packets"],
            f"{row['seconds']:.0f}",
            "; ".join(f"{count} x {aim}" for aim, count in row["to"].items()) or "-",
            ", ".join(dict.fromkeys(row["listeners"])) or "none",
        ]
        for row in found["seal off"]
    ]

    rings = [row["run"] for row in found["runs"] if row["io_uring"]]
    verdict = "Passed" if found["passed"] else "FAILED"

    def table(rows: list[list[Any]], headers: list[str]) -> str:
        return tabulate(rows, headers, tablefmt="github", disable_numparse=True)

    return "\n".join(
        [
            "# Egress",
            "",
            f"{verdict}: attempts and packets must be 0, nothing may be left running, no run may be more than "
            f"{SLOWER_S:.0f} s slower where nothing answers, and all controls must be as they should.",
            f"{machine['cpu']}, {machine['system']}; {machine['strace']}; {machine['ip']}; "
            f"{', '.join(machine['libraries'])}.",
            "",
            table(rows, names),
            "",
            "Attempts: calls (connect, sendto, sendmsg, sendmmsg, socket) of the command and all it starts that are "
            "bound for another machine or ask for a name, under strace, with the network that the machine has. "
            "Packets: sent into a network namespace with routes and a resolver, where nothing answers. Seconds: the "
            f"quickest of {len(found['runs'][0]['seconds']) if found['runs'] else 0} runs each, in turns.",
            f"Using an io_uring, into which strace cannot look, but the black hole does: {', '.join(rings) or 'none'}.",
            "",
            f"## Controls: {caught} of {len(found['controls'])} as they should",
            "",
            table(controls, ["planted", "strace", "black hole", "as it should"]),
            "",
            f"{' and '.join(leak.SILENT)} send no packet; `inside` talks to itself and must not be caught.",
            "",
            "## The same leaks in a sealed process",
            "",
            table(sealed, ["planted", "attempts", "packets"]),
            "",
            "What is left here is native code, or another program, which the guard cannot see.",
            "",
            "## With the seal off",
            "",
            table(off, ["run", "attempts", "packets", "s in the hole", "to", "listens outside"]),
            "",
            "The same commands with `seal` taken out of every process, in the black hole: what the seal holds back.",
            "",
        ]
    )


def _run(job: jobs.Job, fresh: Path) -> None:
    run = run_watched(job.ready(fresh), trace=False, hole=False)
    if run.code != 0:
        raise SystemExit(f"{job.name} ended with {run.code}: {run.said}")


def _seconds(runs: tuple[Run, ...]) -> list[float]:
    return [round(run.seconds, 2) for run in runs]


def _aim(place: Any, name: str | None) -> str:
    return f"{place} asking for {name}" if name else str(place)


def _neutral(problem: str) -> str:
    return re.sub(r"/(?:[\w.-]+/)+", ".../", problem)


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _say(line: str) -> None:
    print(f"... {line}", flush=True)


if __name__ == "__main__":
    main()
