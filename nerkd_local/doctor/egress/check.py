"""The doctor's own proof, in a minute or two: a few commands, watched by whatever this machine lets us watch with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nerkd_local.doctor.egress import jobs
from nerkd_local.doctor.egress.prove import Control, Row, prove_at_once, run_controls
from nerkd_local.doctor.egress.watch import CannotBuild, CannotTrace, run_watched
from nerkd_local.doctor.finding import Finding

_CONTROLS = ("tcp4", "tcp6", "udp4", "name", "native", "probe", "listener", "inside")
_TOOLS = {"strace": "strace", "unshare": "util-linux", "mount": "mount", "ip": "iproute2"}
"""The programs this takes, and the packages of Debian that hold them."""

_UNWATCHED = Finding(
    "egress: beyond",
    "unknown",
    "short runs with the shipped models; what a run tries after hours, or with a model of yours, was not watched",
    "unshare -n sh -c 'ip link set lo up; exec nerkd ...' (as root) runs any command where nothing can get out",
)

Say = Callable[[str], None]


def check(say: Say = lambda line: None) -> list[Finding]:
    """Prove on the spot that commands of the toolkit keep to this machine; say what could not be shown, and why.

    Takes a minute or two and some 300 MB of the folder for temporary files. What cannot be watched here is `unknown`.
    """
    trace, untraced = _can_trace()
    hole, unholed = _can_build()
    findings = [each for each in (untraced, unholed) if each is not None]
    if not trace and not hole:
        return findings
    means = " and ".join(name for name, there in (("strace", trace), ("the black hole", hole)) if there)
    controls = run_controls(_CONTROLS, trace=trace, hole=hole, say=say)
    findings.append(judge_controls(controls, means))
    if findings[-1].status == "fail":
        return findings
    with tempfile.TemporaryDirectory(prefix="nerkd-egress-") as name:
        findings.extend(map(judge_row, _rows(Path(name), trace, hole, say)))
    if not jobs.has_vllm():
        findings.append(
            Finding(
                "egress: vLLM", "unknown", "not installed here, so not watched", "run this again where it is installed"
            )
        )
    return [*findings, _UNWATCHED]


def judge_controls(controls: list[Control], means: str) -> Finding:
    """Whether the means can be relied on: all planted leaks caught, and nothing where there was none."""
    missed = [control.kind for control in controls if not control.holds]
    if missed:
        fix = "nothing below can be relied on here: run this on another machine, as root, and tell the developers"
        return Finding("egress: controls", "fail", f"{means} misjudged: {', '.join(missed)}", fix)
    caught = [control.kind for control in controls if control.traced or control.swallowed]
    seen = f"{means} caught all {len(caught)} planted leaks ({', '.join(caught)}), and took local traffic for none"
    return Finding("egress: controls", "ok", seen)


def judge_row(row: Row) -> Finding:
    """What is to be said about one command."""
    name = f"egress: {row.name}"
    seconds = sum(run.seconds for run in row.runs)
    counted = [
        *([] if row.attempts is None else [f"{row.attempts} attempts"]),
        *([] if row.packets is None else [f"{row.packets} packets"]),
    ]
    rings = sorted({ring for run in row.runs if run.trace for ring in run.trace.rings})
    problems = row.problems()
    if problems:
        fix = "do not use this installation for what must stay here; the lines name the process and the address"
        if any(run.code != 0 for run in row.runs) and not row.attempts and not row.packets:
            fix = "make the command work first: nerkd demo --recorded"
            return Finding(name, "unknown", f"not shown: {'; '.join(problems)}", fix)
        return Finding(name, "fail", "; ".join(problems), fix)
    if row.listeners:
        fix = "shut these ports towards other machines: nft, or the profile's interface (--network)"
        return Finding(name, "warn", f"{', '.join(counted)}; but listens at {', '.join(row.listeners)}", fix)
    if rings and row.packets is None:
        fix = "run this as root, with a black hole, which counts what goes past strace"
        return Finding(name, "unknown", f"{', '.join(counted)}; io_uring in use ({', '.join(rings)})", fix)
    return Finding(name, "ok", f"{', '.join(counted)} in {seconds:.0f} s")


def _rows(folder: Path, trace: bool, hole: bool, say: Say) -> Iterator[Row]:
    jobs.write_inputs(folder)
    run_watched(jobs.plan_job(folder).ready(folder / "unused"), trace=False, hole=False)
    trained = folder / "trained"
    wanted = [(jobs.train_job(folder), trained), (jobs.predict_jobs(folder, trained)[0], folder / "predicted")]
    if jobs.has_vllm():
        wanted.append((jobs.annotate_job(folder), folder / "annotated"))
    for job, fresh in wanted:
        say(f"under watch: {job.name}")
        yield prove_at_once(job, fresh, trace=trace, hole=hole)


def _can_trace() -> tuple[bool, Finding | None]:
    try:
        run_watched(["true"], trace=True, hole=False, timeout_s=30)
    except CannotTrace as reason:
        if shutil.which("strace") is None:
            return False, Finding(
                "egress: strace", "unknown", "not installed: attempts are not seen", _install("strace")
            )
        fix = "allow ptrace (docker: --cap-add SYS_PTRACE; sysctl kernel.yama.ptrace_scope=1), strace 5.14 or later"
        return False, Finding("egress: strace", "unknown", f"does not work here: {reason}", fix)
    return True, None


def _can_build() -> tuple[bool, Finding | None]:
    name = "egress: black hole"
    lacking = [tool for tool in ("unshare", "mount", "ip") if shutil.which(tool) is None]
    if lacking:
        seen = f"{', '.join(lacking)} not installed: packets are not counted"
        return False, Finding(name, "unknown", seen, _install(*lacking))
    try:
        run_watched(["true"], trace=False, hole=True, timeout_s=30)
    except CannotBuild as reason:
        fix = (
            "run this as root; as another user, allow namespaces (sysctl user.max_user_namespaces=1000, Ubuntu: "
            "kernel.apparmor_restrict_unprivileged_userns=0); in a container, --cap-add SYS_ADMIN --cap-add NET_ADMIN"
        )
        return False, Finding(name, "unknown", f"cannot be built here: {reason}", fix)
    return True, None


def _install(*tools: str) -> str:
    return f"install {' '.join(sorted({_TOOLS[tool] for tool in tools}))} (apt-get install, from your own mirror)"
