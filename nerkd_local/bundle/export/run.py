"""A finished run as a signed bundle: scores, report and students, its texts treated as declared."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nerkd_local.bundle.create.volumes import Header, Source, Written, write_bundle
from nerkd_local.bundle.export import texts
from nerkd_local.bundle.export.leaks import Looked, check_no_place, check_no_sentence
from nerkd_local.bundle.export.provenance import describe_provenance
from nerkd_local.bundle.export.readme import Told, write_readme
from nerkd_local.bundle.export.students import LEADER, choose_students, student_files
from nerkd_local.bundle.export.treatment import numbered_sentences, without_texts
from nerkd_local.bundle.manifest import FileKind, Text
from nerkd_local.bundle.space import readable
from nerkd_local.errors import InputError
from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.report import PAGE, ReportOptions, write_report_of
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import existing_file, read_json, write_json

_EPOCH = "SOURCE_DATE_EPOCH"
REPORT, PROVENANCE, README = "report.html", "provenance.json", "README.md"
_SEQUENCE = 1  # every export stands for itself: nothing is installed from it, so none is older than another


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`text`: none (scores and report without a sentence), hashes (labelled sentences by the hash of their text) or
    full. `annotations`: also what students and annotators were given, and the annotators' labels. `students`: whose
    weights (see `choose_students`). `name`: of the bundle; made of the run's otherwise."""

    text: Text
    annotations: bool = False
    students: tuple[str, ...] = (LEADER,)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """The bundle; whose weights are in it; what was looked for in it, None with the full texts."""

    written: Written
    students: tuple[str, ...]
    looked: Looked | None
    led: bool = False
    """Whether the tool chose them, by their scores."""


def export_results(
    path: Path, output: Path, key: Path, options: ExportOptions, say: Callable[[str], None] = lambda line: None
) -> Exported:
    """Write the results of the run in `path` as a bundle to `output`, signed with the private `key`.

    Unless `text` is full, every file is searched for sentences of the run before anything is signed, and in any case
    for places of this machine: CheckFailed where one is found. Raises InputError for a run without a finished student,
    for what the run does not hold, and as `write_bundle`; what is wrong with the request is said before the report is
    made.
    """
    output = Path(os.path.abspath(output))  # `.` has no name
    _check_key(key)
    _check_output(output, path)
    run = open_run(path)
    students = choose_students(run, options.students)
    _check_texts(run, options)
    name = _slug(run.settings.name) if options.name is None else _checked_name(options.name)
    header = Header("results", name, _SEQUENCE, _created(), text=options.text)
    with tempfile.TemporaryDirectory(prefix="nerkd-export-") as place:
        folder = Path(place) / "results"
        say("results")
        _write_results(run, folder, students, options, say)
        weights = {_in_student(name, file): file for name in students for file in student_files(run, name)}
        files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
        looked = _look(run, files | weights, options.text, (path, Path(place)), say)
        told = Told(run.settings.name, options.text, options.annotations, students, looked)
        sources = {name: Source(file, _kind(name)) for name, file in files.items()}
        sources |= {name: Source(file, "model", origin=f"run {run.settings.name}") for name, file in weights.items()}
        sources[README] = Source(write_readme(told).encode("utf-8"), "document")
        written = write_bundle(header, sources, output, key, beside={"START-HERE.txt": _START}, say=say)
    return Exported(written, students, looked, led=bool(students) and set(options.students) == {LEADER})


def describe_exported(exported: Exported, key: Path) -> str:
    """What was written, and how whoever gets it checks it."""
    written = exported.written
    manifest = written.manifest
    volumes = len(manifest.numbered())
    students = ", ".join(exported.students) or "no weights"
    lines = [
        f"{'signed' if written.new else 'already there'}: {written.folder}",
        f"  root hash {manifest.root_hash}",
        f"  text      {manifest.text}{_looked_for(exported.looked)}",
        f"  students  {students}{_LEADING if exported.led else ''}",
        f"  volumes   {volumes:,} ({readable(written.carried_bytes)}), {len(manifest.files):,} files",
        "  to check  nerkd bundle verify FOLDER --key PUBLIC.pem",
        "  to read   nerkd bundle unpack FOLDER RESULTS --key PUBLIC.pem",
        f"            (PUBLIC.pem: openssl pkey -in {key} -pubout)",
    ]
    return "\n".join(lines)


_LEADING = " (leader: largest size, best mean F1, the seed nearest that mean; --students names others)"


def _looked_for(looked: Looked | None) -> str:
    if looked is None:
        return ""
    return f"; {looked.sentences:,} sentences looked for, none found ({looked.too_short:,} too short to look for)"


_START = b"""This folder holds results of an experiment, signed by whoever sent it.

Check it with the sender's public key before anything else (openssl 3 or later):
  openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in bundle.json -sigfile bundle.sig
Compare the root hash with the sender, by telephone for example:
  sha256sum bundle.json
Then, where nerkd-local is installed, check every file and lay them out:
  nerkd bundle verify THIS-FOLDER --key PUBLIC.pem
  nerkd bundle unpack THIS-FOLDER RESULTS --key PUBLIC.pem
RESULTS/README.md says what is in it, and how the texts of the corpora were treated.
"""


def _write_results(
    run: Run, folder: Path, students: Sequence[str], options: ExportOptions, say: Callable[[str], None]
) -> None:
    """Everything but weights, in a folder that opens as a run does."""
    full = options.text == "full"
    told = run if full else without_texts(run)
    keep_results(told, folder)
    kept = RunFolder(folder)
    if not full and kept.preparation.exists():
        write_json(kept.preparation, numbered_sentences(read_json(kept.preparation)))
    for file in [] if options.text == "none" else _text_files(run, students, options):
        name = file.relative_to(run.folder.root)
        if full:
            _copy(file, folder / name)
        else:
            texts.write_hashed(file, folder / texts.HASHED / name)
    # of the run in any case: without the texts that it counts, a report could not tell where mistakes are
    _write_page(told, folder, ReportOptions(sentences=full, ids=full), say)
    write_json(folder / PROVENANCE, describe_provenance(told, students))


def _write_page(run: Run, folder: Path, options: ReportOptions, say: Callable[[str], None]) -> None:
    made = write_report_of(run, folder.with_name("report"), options, say).parent
    for entry in made.iterdir():
        shutil.move(entry, folder / (REPORT if entry.name == PAGE else entry.name))


def _text_files(run: Run, students: Sequence[str], options: ExportOptions) -> list[Path]:
    found = [*texts.scored_sentences(run), *texts.found_by(run, students)]
    if options.annotations:
        found += texts.learned_from(run)
        # they call sentences by their ids, which hashes do not have
        found += texts.about_labels(run) if options.text == "full" else []
    return list(dict.fromkeys(found))


def _look(
    run: Run, files: Mapping[str, Path], text: Text, places: Sequence[Path], say: Callable[[str], None]
) -> Looked | None:
    say("looking for what must not be in it")
    home = [] if text == "full" else [Path.home()]  # a corpus may speak of it
    check_no_place(files, [*home, *(place.resolve() for place in places), *_machine_paths(run)])
    return None if text == "full" else check_no_sentence(files, texts.all_sentences(run.folder))


def _machine_paths(run: Run) -> Iterator[Path]:
    """The absolute paths in the run's settings, as they are written there."""
    values: list[object] = [run.settings.model_dump()]
    while values:
        match values.pop():
            case dict() as inner:
                values += inner.values()
            case list() | tuple() as several:
                values += several
            case Path() as path:
                yield path


def _check_texts(run: Run, options: ExportOptions) -> None:
    if options.text == "none":
        if options.annotations:
            raise InputError(
                "--annotations are labels of texts, and --text none lets nothing of them out; --text hashes names each "
                "text by its hash"
            )
    elif not texts.scored_sentences(run):
        raise InputError("holds no corpora, so there are no texts to export; use --text none", path=run.folder.root)


def _check_key(key: Path) -> None:
    """What signing would find only after minutes of work."""
    if b"PRIVATE KEY" not in existing_file(key).read_bytes():
        raise InputError("is no private key (make one: openssl genpkey -algorithm ed25519 -out KEY)", path=key)


def _check_output(output: Path, run: Path) -> None:
    here, there = run.resolve(), output.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise InputError(f"is, holds or is inside the run folder {run}; name another", path=output)
    taken = output.exists() and (not output.is_dir() or any(output.iterdir()))
    # made at another time it is another bundle, so what is there cannot be this one
    if taken and _EPOCH not in os.environ:
        raise InputError("is there already; name a new folder", path=output)


def _in_student(name: str, file: Path) -> str:
    return f"cells/{name}/student/{file.name}"


def _kind(name: str) -> FileKind:
    if name.endswith(".jsonl") and (name.startswith((f"{texts.HASHED}/", "corpus/")) or "/predictions-" in name):
        return "data"
    if name.startswith("annotations/") and not name.endswith(("/ledger.json", "/speed.jsonl")):
        return "data"
    return "config" if name == "settings.yaml" else "result"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _created() -> str:
    """Now, or at SOURCE_DATE_EPOCH, so that an export can be made again to the byte."""
    epoch = os.environ.get(_EPOCH)
    try:
        moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{_EPOCH} is {epoch!r}; seconds since 1970 are needed") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name):
        raise InputError(f"--name is {name!r}; lower case letters, digits, dots and dashes are possible (64 at most)")
    return name


def _slug(name: str) -> str:
    """A name that a bundle can have: lower case letters, digits and dashes of the run's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-") or "results"
