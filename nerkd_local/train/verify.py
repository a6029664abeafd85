"""Whether what lies in a run's folder is the run that its settings describe. Nothing is trained, nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from nerkd_local.errors import CheckFailed, InputError
from nerkd_local.files import existing_file, read_json
from nerkd_local.fingerprints import digest_json
from nerkd_local.records import Source
from nerkd_local.regimen.plan import Plan, load_plan
from nerkd_local.student.checkpoint import checkpoint_folders, damage_of, open_checkpoint
from nerkd_local.train.evidence import as_trained
from nerkd_local.train.exposure import replayed_rows
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.identity import differences, run_fingerprints
from nerkd_local.train.rate import learning_rate
from nerkd_local.train.settings import TrainSettings

_SOURCES: tuple[Source, Source] = ("original", "distilled")
_COUNTED = ("examples", "words", "tokens")


@dataclass
class Findings:
    """What a verification found. `good` and `problems`: in words, a line each."""

    state: str
    """How far the run is, and which one it is."""
    shown: dict[Source, dict[str, int]] = field(default_factory=dict)
    """By source: examples, labelled words and tokens of the ledger's first `steps` steps, which were found right."""
    steps: int = 0
    good: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """The state, a table of what was shown, and what was found right, for a person."""
        from tabulate import tabulate

        every = {name: sum(counts[name] for counts in self.shown.values()) for name in _COUNTED}
        rows = [
            (name, *(f"{counts[each]:,}" for each in _COUNTED), f"{counts['examples'] / max(every['examples'], 1):.4f}")
            for name, counts in (*self.shown.items(), ("both", every))
        ]
        headers = ["source", *_COUNTED, "share of examples"]
        table = tabulate(rows, headers, disable_numparse=True, colalign=["left", *["right"] * 4])
        return "\n".join([self.state, "", table, "", *(f"ok: {line}" for line in self.good)])


def verify_run(settings: TrainSettings) -> Findings:
    """Check a finished or interrupted run's folder against its settings, inputs and plan; all that is wrong is found.

    - the plan has the fingerprint that it was saved with
    - what is there was made with these settings from inputs of this content
    - the exposure ledger is the plan, example by example, at the settings' learning rates: all of it, or of an
      interrupted run as far as its newest whole checkpoint (what follows will happen again)
    - every checkpoint's files have their manifest's sizes and hashes
    - of a finished run, `done.json` agrees with all of it, and the student is there with its weights (or was removed
      by `TrainFolder.forget_student`)

    Raises InputError for an input that is not there, a folder without a run, and one that a run is writing in;
    CheckFailed for a plan that was changed, or evidence of an adaptive regimen that cannot be read.
    """
    existing_file(settings.plan)
    try:
        plan = load_plan(settings.plan)
    except InputError as error:
        raise CheckFailed(str(error)) from None
    folder = TrainFolder(settings.output)
    if not any(path.exists() for path in (folder.done, folder.trained, folder.exposure.path, folder.checkpoints)):
        raise InputError("holds no training run; there is nothing to verify", path=folder.output)
    with _unused(folder):
        return _verified(settings, plan, run_fingerprints(settings, plan), folder)


def _verified(settings: TrainSettings, plan: Plan, fingerprints: Mapping[str, Any], folder: TrainFolder) -> Findings:
    wanted = len(plan.steps)
    findings = Findings("")
    try:
        followed = as_trained(plan, folder.evidence)
    except InputError as error:
        raise CheckFailed(str(error)) from None
    whole = _check_checkpoints(folder, fingerprints, findings)
    steps: int | None = None  # all that the ledger holds
    if folder.done.exists():
        findings.state = f"{folder.output}: finished, {wanted:,} steps"
        _check_done(folder.done, followed, fingerprints, findings)
        _check_student(folder, findings)
    elif folder.trained.exists():
        findings.state = f"{folder.output}: finished, {wanted:,} steps, its student removed"
        _check_done(folder.trained, followed, fingerprints, findings)
    elif whole:
        steps = whole[-1]
        findings.state = f"{folder.output}: interrupted, goes on from step {steps:,} of {wanted:,}"
    else:
        steps = _whole_lines(folder.exposure.path)
        findings.state = f"{folder.output}: {steps:,} of {wanted:,} steps, without weights"
    findings.state += f"; regimen {plan.regimen.get('name', 'unnamed')}, plan {plan.fingerprint[:12]}..."
    findings.good.insert(0, f"{settings.plan}: the plan is as it was saved")
    _check_ledger(folder.exposure.path, followed, settings, steps, findings)
    return findings


def _check_ledger(path: Path, plan: Plan, settings: TrainSettings, steps: int | None, findings: Findings) -> None:
    """`steps`: how many of its lines count; None for all, which are to be all of the plan."""
    findings.shown = {source: dict.fromkeys(_COUNTED, 0) for source in _SOURCES}
    wanted = len(plan.steps) if steps is None else steps
    wrong_rates: list[str] = []
    try:
        for row in islice(replayed_rows(path, plan), steps):
            rate = learning_rate(settings, findings.steps, len(plan.steps))
            if row.get("learning_rate") != rate:
                wrong_rates.append(f"step {findings.steps} had {row.get('learning_rate')}, not {rate}")
            findings.steps += 1
            for source, counts in findings.shown.items():
                counts["examples"] += len(row[source]["ids"])
                counts["words"] += int(row[source]["words"])
                counts["tokens"] += int(row[source]["tokens"])
    except (CheckFailed, InputError, OSError) as error:
        findings.problems.append(str(error))
    except (KeyError, TypeError, ValueError):
        findings.problems.append(f"{path}: step {findings.steps - 1} does not say how many words and tokens it had")
    else:
        if findings.steps < wanted:
            findings.problems.append(f"{path}: holds {findings.steps:,} of the {wanted:,} steps that were trained")
        elif not wrong_rates:
            findings.good.append(f"{path}: {wanted:,} steps, the plan's, example by example")
    if wrong_rates:
        findings.problems.append(
            f"{path}: {len(wrong_rates):,} steps at other learning rates than the settings give, the first: "
            f"{wrong_rates[0]}"
        )


def _check_done(path: Path, plan: Plan, fingerprints: Mapping[str, Any], findings: Findings) -> None:
    try:
        done = read_json(path)
        found = [
            *_other_run(done["fingerprints"], fingerprints),
            *(
                f"says {name} {said}; it is {real}"
                for name, said, real in (
                    ("fingerprint", done["fingerprint"], digest_json(done["fingerprints"])),
                    ("steps", done["steps"], len(plan.steps)),
                    ("examples", done["examples"], plan.examples),
                )
                if said != real
            ),
        ]
    except InputError as error:
        findings.problems.append(str(error))
        return
    except (KeyError, TypeError, AttributeError):
        findings.problems.append(f"{path}: is damaged")
        return
    _note(path, found, "made with these settings from these inputs", findings)


def _check_student(folder: TrainFolder, findings: Findings) -> None:
    try:
        done = read_json(folder.done)
    except InputError:
        return  # told already
    if not list(folder.student.glob("*.safetensors")):
        _note(folder.student, ["the student's weights are not there"], "", findings)
    elif isinstance(done, dict) and "weights" in done:
        same = done["weights"] == folder.weights_digest()
        _note(folder.student, [] if same else ["its weights are not those that were trained"], "as trained", findings)


def _check_checkpoints(folder: TrainFolder, fingerprints: Mapping[str, Any], findings: Findings) -> list[int]:
    """The steps of the checkpoints that are whole, ascending."""
    whole = []
    for path in checkpoint_folders(folder.checkpoints):
        problem = damage_of(path)
        if problem:
            findings.problems.append(f"{path}: {problem}")
            continue
        checkpoint = open_checkpoint(folder.checkpoints, int(path.name.rpartition("-")[2]))
        whole.append(checkpoint.step)
        found = _other_run(checkpoint.meta.get("fingerprints", {}), fingerprints)
        _note(path, found, "whole, with these settings from these inputs", findings)
    return whole


def _other_run(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    found = differences(there, here)
    return [f"is of another run, which differs in {', '.join(found)}"] if found else []


def _note(path: Path, problems: Sequence[str], otherwise: str, findings: Findings) -> None:
    findings.problems += [f"{path}: {problem}" for problem in problems]
    if not problems:
        findings.good.append(f"{path}: {otherwise}")


def _whole_lines(path: Path) -> int:
    """How many lines a ledger has that were written to their end."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def _unused(folder: TrainFolder) -> Iterator[None]:
    """Hold the run's lock, if it has one, so that nothing changes meanwhile."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.lock)
    if not folder.lock.exists():
        yield
        return
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError("a run is writing here; verify it when it has ended", path=folder.output) from None
    except OSError:  # the place is read-only, for runs too
        pass
    try:
        yield
    finally:
        lock.release()
