"""A finished run done again from its recorded settings, and what came out the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from nerkd_local.config.experiment import ExperimentSettings, load_recorded
from nerkd_local.errors import InputError, nearest
from nerkd_local.evidence.provenance import NOT_RECORDED
from nerkd_local.evidence.repeated import Repeated
from nerkd_local.evidence.reproduction import Reproduction, describe_reproduction, reproduction_record
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.cells import list_cells
from nerkd_local.experiment.labels import label_parts
from nerkd_local.files import read_json, write_bytes, write_json, write_text
from nerkd_local.fingerprints import hash_order
from nerkd_local.pipeline import run_experiment
from nerkd_local.train.folder import TrainFolder


def reproduce(
    path: Path,
    say: Callable[[str], None],
    *,
    output: Path | None = None,
    students: Sequence[str] = (),
    sample: int | None = None,
    reuse_annotations: bool = False,
    overrides: Sequence[str] = (),
) -> Reproduction:
    """Run the experiment in the folder `path` again, and compare; writes reproduce.md and reproduce.json in `output`.

    `students` are shell-style patterns of students' names; of those that fit, `sample` draws so many of the finished
    ones. `overrides` say where things are on this machine; they may not be what a student is made from, and where they
    are it is found. Students are trained with as many threads as the first ones were, where that is on record. The same
    call goes on where one was stopped: reproduce.json is there from the start, and says "not finished" until it is.

    Raises InputError where a student that is asked for is not finished or not of the settings with `overrides`, a
    corpus is not there, or `output` is a run of its own; what `run_experiment` raises.
    """
    if any(override.partition("=")[0].strip() == "output" for override in overrides):
        raise InputError("--set output: name the new folder with --output")
    first = open_run(path)
    output = output or _beside(path)
    _check_apart(path, output)
    settings = load_recorded(first.folder.settings, overrides).model_copy(update={"output": output})
    _check_corpora(settings)
    everyone = _everyone(first.settings)
    names = _choose(first, everyone, students, sample)
    _check_same_students(names, settings)
    taken = _begin(first, output, reuse_annotations)
    threads = _threads(first, names)
    if threads is not None and settings.training.threads is None:
        training = settings.training.model_copy(update={"threads": threads})
        settings = settings.model_copy(update={"training": training})
    run_experiment(settings, say, only=frozenset(names))
    again = open_run(output)
    findings = tuple(Repeated(first, again, names, taken).findings())
    found = Reproduction(
        settings.name,
        path,
        output,
        names,
        len(everyone),
        tuple(overrides),
        threads,
        findings,
        _not_alike(first, again, names),
        taken,
    )
    write_json(output / _RECORD, reproduction_record(found))
    write_text(output / _DESCRIPTION, describe_reproduction(found))
    return found


def _beside(path: Path) -> Path:
    """Relative to the same place as the path, unless that is one such as `..`, which has no name."""
    whole = path if path.name not in ("", "..") else path.resolve()
    return whole.with_name(f"{whole.name}-reproduced")


def _check_apart(path: Path, output: Path) -> None:
    there, here = path.resolve(), output.resolve()
    if there == here or there in here.parents or here in there.parents:
        raise InputError("is the run itself, or in one folder with it; name another --output", path=output)


def _check_corpora(settings: ExperimentSettings) -> None:
    corpora = [settings.original.corpus, *(source.corpus for source in settings.distilled)]
    corpora += [settings.evaluation] if settings.evaluation else []
    corpora += [settings.annotator_study.corpus] if settings.annotator_study else []
    for corpus in corpora:
        path = settings.corpus(corpus).path
        if not path.exists():
            raise InputError(
                "the corpus is not there, and a run is reproduced from its corpora on; say where they are with --set "
                "data_root=FOLDER",
                path=path,
            )


def _everyone(settings: ExperimentSettings) -> tuple[str, ...]:
    studied = [name for _, _, names in label_parts(settings) for name in names]
    return (*(cell.name for cell in list_cells(settings)), *studied)


def _choose(run: Run, everyone: Sequence[str], patterns: Sequence[str], sample: int | None) -> tuple[str, ...]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in everyone):
            raise InputError(f"--students: no student is called {pattern!r}{nearest(pattern, everyone)}")
    names = [name for name in everyone if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]
    if sample is not None:
        finished = [name for name in names if name in run.results]
        if len(finished) < sample:
            raise InputError(f"--sample {sample}: {len(finished)} students are finished", path=run.folder.root)
        drawn = frozenset(hash_order(finished, "reproduce")[:sample])
        return tuple(name for name in names if name in drawn)
    missing = [name for name in names if name not in run.results]
    if missing:
        raise InputError(
            f"{len(missing):,} of {len(names):,} students are not finished, the first is {missing[0]}; finish the run, "
            "or ask for finished ones with --students or --sample",
            path=run.folder.root,
        )
    return tuple(names)


def _check_same_students(names: Sequence[str], settings: ExperimentSettings) -> None:
    there = frozenset(_everyone(settings))
    gone = [name for name in names if name not in there]
    if gone:
        raise InputError(
            f"--set: with these settings {len(gone):,} of the {len(names):,} students do not exist, the first is "
            f"{gone[0]}; leave the grid as it was, and choose some of its students with --students"
        )


def _begin(run: Run, output: Path, reuse_annotations: bool) -> tuple[str, ...]:
    """Make the folder known as a reproduction, not finished yet; returns which of its annotations are the run's own.

    In any other run folder students would be found finished that nobody has trained again.
    """
    record = output / _RECORD
    if not record.exists() and ((output / "settings.yaml").exists() or (output / "corpus").exists()):
        raise InputError("is a run folder of its own, and no reproduction; name another --output", path=output)
    taken = set(read_json(record).get("annotations_taken", ())) if record.exists() else set()
    fresh = _exports(run, output) if reuse_annotations else []
    taken.update(ledger.parent.name for ledger in fresh)
    (output / _DESCRIPTION).unlink(missing_ok=True)
    # first who was taken: a copy that nobody knows for one would be called made again
    write_json(record, {"run": str(run.folder.root), "verdict": _NOT_FINISHED, "annotations_taken": sorted(taken)})
    for ledger in fresh:
        for file in (ledger.with_name(_LABELS), ledger):
            write_bytes(output / "annotations" / ledger.parent.name / file.name, file.read_bytes())
    return tuple(sorted(taken))


_RECORD, _DESCRIPTION = "reproduce.json", "reproduce.md"
_NOT_FINISHED = "not finished"
_LABELS = "annotations.jsonl"


def _exports(run: Run, output: Path) -> list[Path]:
    """The ledgers of the run's finished exports that `output` has not yet. They are taken as they are where they fit
    the new corpora; others are made anew."""
    found = []
    for ledger in sorted(run.folder.root.glob("annotations/*/ledger.json")):
        labels = ledger.with_name(_LABELS)
        if not labels.exists():
            raise InputError("is not there to be used again; leave --reuse-annotations out", path=labels)
        if not (output / "annotations" / ledger.parent.name / ledger.name).exists():
            found.append(ledger)
    return found


def _threads(run: Run, names: Sequence[str]) -> int | None:
    """With how many threads most of the students were trained; None where it is not recorded."""
    machines = (run.results[name].get("made_with") or TrainFolder(run.folder.student(name)).machine() for name in names)
    known = Counter(machine["threads"] for machine in machines if "threads" in machine)
    return known.most_common(1)[0][0] if known else None


def _not_alike(first: Run, again: Run, names: Sequence[str]) -> tuple[tuple[str, str, str], ...]:
    before, now = (_made_with(run, names) for run in (first, again))
    return tuple(
        (name, before.get(name, NOT_RECORDED), now.get(name, NOT_RECORDED))
        for name in dict.fromkeys((*before, *now))
        if before.get(name, NOT_RECORDED) != now.get(name, NOT_RECORDED)
    )


def _made_with(run: Run, names: Iterable[str]) -> Mapping[str, str]:
    """Machine, packages and the rest that the students' results name; several values in one where they differ."""
    values: dict[str, set[str]] = defaultdict(set)
    for name in names:
        result = run.results[name]
        machine = TrainFolder(run.folder.student(name)).machine()
        for what, value in {"cpu": result.get("cpu"), **machine, **result.get("made_with", {})}.items():
            values[what].add(NOT_RECORDED if value is None else str(value))
    return {what: ", ".join(sorted(each)) for what, each in values.items()}
