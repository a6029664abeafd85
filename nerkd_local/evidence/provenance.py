"""Where a run's numbers come from: digests of what went in, who labelled it, software and machines, and commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import read_json, read_json_lines
from nerkd_local.train.folder import TrainFolder

NOT_RECORDED = "not recorded"
"""What stands for what an earlier version did not write down."""


@dataclass(frozen=True, slots=True)
class Digest:
    """One thing that went into the run, with its SHA-256: of a file's bytes, or of a folder's names and contents."""

    what: str
    sha256: str
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation's origin, by the words of its ledger. What is not on record is `not recorded`."""

    name: str
    annotator: str
    engine: str
    model_sha256: str
    software: str
    prompt: str
    prompt_sha256: str
    format: str
    sampling: str
    labels_sha256: str
    machine: str


@dataclass(frozen=True, slots=True)
class StudentOrigin:
    """What one student was made from, as digests; empty for a source that it does not read."""

    name: str
    seed: int
    plan: str
    encoder: str
    original: str
    distilled: str
    evaluation: str


def corpus_digests(run: Run) -> list[Digest]:
    """The corpora that preparation read, by their paths below the data's root, and the encoder. One that was not there
    any more when the files were made is left out."""
    found = []
    if run.folder.preparation.exists():
        content = read_json(run.folder.preparation)["made_from"]["content"]
        for (what, path), sha256 in zip(_corpora(run.settings), content, strict=False):
            if sha256 is not None:
                # one without a suffix is a folder of texts, wherever it was
                found.append(Digest(f"{what}: {below_root(path)}", sha256, folder=not path.suffix))
    encoders = {result["made_from"]["training"]["student"] for result in run.results.values()}
    name = "/".join(run.settings.student.parts[-2:]).lstrip("/")
    found += [Digest(f"encoder: {name}", sha256, folder=True) for sha256 in sorted(encoders)]
    return found


def annotation_origins(run: Run) -> list[Annotation]:
    """Every annotation of the run, sources first, as their ledgers have it."""
    ledgers = sorted(run.folder.root.glob("annotations/*/ledger.json"))
    order = [source.name for source in run.settings.distilled]
    ledgers.sort(key=lambda path: (path.parent.name not in order, path.parent.name))
    return [_annotation(path, run.settings) for path in ledgers]


def student_origins(run: Run) -> list[StudentOrigin]:
    """Every finished student, in the run's order."""
    found = []
    for name, result in run.results.items():
        training = result["made_from"]["training"]
        found.append(
            StudentOrigin(
                name,
                result["seed"],
                training["plan"],
                training["student"],
                training["original"] or "",
                training["distilled"] or "",
                ", ".join(dict.fromkeys(result["made_from"]["evaluation"].values())),
            )
        )
    return found


def left_out(run: Run) -> list[tuple[str, int]]:
    """How many sentences preparation excluded, by corpus; none where that is not on record."""
    if not run.folder.preparation.exists():
        return []
    report = read_json(run.folder.preparation)
    return [(name, part["excluded"]) for name, part in (("original", report["original"]), *report["distilled"].items())]


def made_with(run: Run) -> list[tuple[str, str, int]]:
    """Machines, number formats and package versions of the students: what, value, and how many students have it."""
    counts: dict[str, Counter[str]] = {}
    for name, result in run.results.items():
        # what an earlier version wrote down stands in the trainer's own file, where that was kept
        known = {"cpu": result.get("cpu"), **TrainFolder(run.folder.student(name)).machine()}
        known |= result.get("made_with", {})
        for what in dict.fromkeys((*_MADE_WITH, *known)):
            value = known.get(what)
            counts.setdefault(what, Counter())[NOT_RECORDED if value is None else str(value)] += 1
    return [(what, value, count) for what, values in counts.items() for value, count in sorted(values.items())]


_MADE_WITH = ("cpu", "device", "precision", "threads", "world_size", "nerkd-local", "commit", "python", "torch")
"""What every student should tell."""


def commands(run: Run) -> str:
    """The lines that run, reproduce and report it, with capitals for places on a machine."""
    settings = run.settings
    places = ["data_root=DATA", "student=ENCODER"]
    places += [f"{key}.engine.{field}={_CAPITALS[field]}" for key, field in _engine_places(settings)]
    # settings of a run from before there were near duplicates do not say it
    near = ["near_duplicates.allow=true"] if settings.near_duplicates.allow else []
    return "\n".join(
        [
            "# what is missing of it, in its own folder",
            _command("nerkd run RUN/settings.yaml", ["output=RUN", *places, *near]),
            "# all of it again, in RUN-reproduced, and what came out the same",
            _command("nerkd reproduce RUN", places),
            "# some students, on the labels that are there",
            _command("nerkd reproduce RUN --students 'PATTERN' --reuse-annotations", places[:2]),
            "# this report",
            "nerkd report RUN",
        ]
    )


def _command(line: str, sets: Sequence[str]) -> str:
    return " \\\n    ".join([line, *(f"--set {each}" for each in sets)])


CHECKING = """\
# a file
sha256sum DATA/FILE RUN/corpus/evaluation.jsonl RUN/annotations/SOURCE/annotations.jsonl
# a folder, by the names and contents of its files
python -c "import sys; from pathlib import Path; from nerkd_local.fingerprints import digest_folder; \\
    print(digest_folder(Path(sys.argv[1])))" FOLDER"""
"""How to check the digests."""

_CAPITALS = {"answers": "ANSWERS", "model": "MODEL", "base_url": "URL"}


def below_root(path: PurePath) -> str:
    """A path without what belongs to a machine: whole if it is relative, else its last two parts."""
    return "/".join(path.parts[-2:]).lstrip("/") if path.is_absolute() else path.as_posix()


def _corpora(settings: ExperimentSettings) -> Iterator[tuple[str, Path]]:
    """In the order in which preparation took their digests."""
    yield "original", settings.original.corpus.path
    if settings.evaluation is not None:
        yield "evaluation", settings.evaluation.path
    for source in settings.distilled:
        yield f"distilled, {source.name}", source.corpus.path


def _engine_places(settings: ExperimentSettings) -> Iterator[tuple[str, str]]:
    """The settings that say where an annotator's model or answers are."""
    annotators = {"annotator": settings.annotator}
    annotators |= {f"other_annotators.{name}": each for name, each in settings.other_annotators.items()}
    for key, annotator in annotators.items():
        for field in _CAPITALS:
            value = getattr(annotator.engine, field, None)
            if isinstance(value, Path) or (value is not None and field == "base_url"):
                yield key, field


def _annotation(path: Path, settings: ExperimentSettings) -> Annotation:
    ledger = read_json(path)
    run = ledger["inputs"]["run"]
    engine: Mapping[str, Any] = run.get("engine", {})
    name = path.parent.name
    of = _annotators(settings).get(name)
    if settings.annotator_study and name.startswith("study-") and name not in _annotators(settings):
        of = settings.annotator_study.annotator
    return Annotation(
        name=name,
        annotator=settings.annotator_of(of).name,
        engine=str(engine.get("kind", NOT_RECORDED)),
        model_sha256=str(
            engine.get("model_sha256") or engine.get("answers_sha256") or engine.get("revision") or NOT_RECORDED
        ),
        software=_software(engine, path.with_name("speed.jsonl")),
        prompt=str(run.get("prompt", NOT_RECORDED)),
        prompt_sha256=str(run.get("prompt_sha256", NOT_RECORDED)),
        format=str(run.get("format", NOT_RECORDED)),
        sampling=", ".join(f"{key} {value:g}" for key, value in run.get("sampling", {}).items()),
        labels_sha256=str(ledger.get("annotations_sha256", NOT_RECORDED)),
        machine=_machine(path.with_name("speed.jsonl")),
    )


def _annotators(settings: ExperimentSettings) -> dict[str, str | None]:
    """By an annotation's folder, the key of the annotator that made it: of calibrations and sources."""
    folder = RunFolder(Path())
    calibrated = {folder.calibration(key).name: key for key in settings.other_annotators}
    return calibrated | {source.name: source.annotator for source in settings.distilled}


def _sessions(speed: Path) -> list[Mapping[str, Any]]:
    return [row for _, row in read_json_lines(speed)] if speed.exists() else []


def _software(engine: Mapping[str, Any], speed: Path) -> str:
    versions = [str(engine["vllm"])] if engine.get("vllm") else []
    for session in _sessions(speed):
        made = session.get("made_with", {})
        versions += [f"{name} {made[name]}" for name in _ASKED_WITH if made.get(name)]
    return ", ".join(dict.fromkeys(versions)) or NOT_RECORDED


_ASKED_WITH = ("nerkd-local", "commit", "torch", "transformers")


def _machine(speed: Path) -> str:
    found = []
    for session in _sessions(speed):
        if session.get("cpu"):
            gpus = f", {session['gpus']} GPUs" if session.get("gpus") else ""
            found.append(f"{session['cpu']}{gpus}")
    return "; ".join(dict.fromkeys(found)) or NOT_RECORDED
