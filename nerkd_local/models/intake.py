"""Taking a model in: looked at, copied, tried out, hashed, and only then under its name and in the manifest."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from nerkd_local import __version__
from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.errors import InputError
from nerkd_local.files import sync_folder
from nerkd_local.fingerprints import digest_hashes
from nerkd_local.models.check import check_cheaply
from nerkd_local.models.config import architectures, read_config, role_of
from nerkd_local.models.dry import try_out
from nerkd_local.models.licence import find_licence
from nerkd_local.models.manifest import Model, ModelFile, model_name, read_models, write_models
from nerkd_local.models.names import LEAVE_OUT, ModelFolder
from nerkd_local.models.problems import DEEP, Part, Problem, Role, refusals
from nerkd_local.software import package_version

_LOCK = ".lock"
_PIECE = 8 << 20
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person says of a model; None where its folder, or an earlier intake, is to say it."""

    licence: str | None = None
    origin: str | None = None
    revision: str | None = None
    role: Role | None = None


def add_model(
    source: Path,
    models: Path,
    *,
    name: str | None = None,
    facts: Facts = Facts(),
    leave_out: Sequence[str] = (),
    in_place: bool = False,
    trials: Collection[Part] = DEEP,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[str, Model, list[Problem]]:
    """Copy a model's folder into `models` and enter it in the manifest; returns its name, its entry, and what is worth
    knowing of it.

    What the check refuses is told at once and leaves nothing behind. The trials (of `DEEP`) are made with the copy, so
    what is kept is what was tried. The same folder a second time changes nothing but what `facts` say. `in_place`: the
    folder is in `models` already and stays as it is. `leave_out`: patterns of files that are not copied; hidden ones
    never are. Raises InputError.
    """
    if not source.is_dir():
        raise InputError("no such folder; give the path of a local model folder", path=source)
    where = Path(os.path.abspath(source))
    name = _name(name or where.name)
    if in_place:
        _check_in_place(source, models, name, leave_out)
    kept = ModelFolder.of(source, leave_out)
    problems = check_cheaply(kept)
    _refuse(source, problems)
    models.mkdir(parents=True, exist_ok=True)
    with FileLock(models / _LOCK):
        entries = read_models(models)
        target = models / name
        role = facts.role or role_of(read_config(source))
        if in_place or target.exists():
            hashes = _same(kept, target) if not in_place else _hash(kept)
            problems += _tried(target, role, trials, source)
        else:
            say(f"copying {kept.size() / 2**20:,.0f} MiB")
            with _staging(models, name) as staging:
                _check_room(models, kept.size())
                hashes = {each: _copy(source / each, staging / each) for each in kept.names}
                _refuse(source, check_cheaply(ModelFolder.of(staging)))  # a disk can give other bytes the second time
                problems += _tried(staging, role, trials, source)
                staging.chmod(0o755)
                sync_folder(staging)
                staging.rename(target)
                sync_folder(models)
        model = _entry(target, role, facts, entries.get(name), hashes, leave_out)
        write_models(models, {**entries, name: model})
    return name, model, problems


def _name(name: str) -> str:
    try:
        return model_name(name)
    except ValueError as error:
        raise InputError(f"{error} (--name)") from None


def _check_in_place(source: Path, models: Path, name: str, leave_out: Sequence[str]) -> None:
    if source.resolve().parent != models.resolve() or source.resolve().name != name:
        raise InputError(f"is not {name} in {models}; without --in-place it is copied there", path=source)
    if leave_out:
        raise InputError("nothing can be left out of a folder in place; remove those files, or have it copied")


def _refuse(source: Path, problems: Sequence[Problem]) -> None:
    refused = refusals(problems)
    if refused:
        count = "1 problem" if len(refused) == 1 else f"{len(refused)} problems"
        lines = [f"is not taken in: {count}", *map(str, refused)]
        spare = list(dict.fromkeys(_pattern(problem.file) for problem in refused if problem.fix == LEAVE_OUT))
        if spare:
            options = " ".join(f"--leave-out {shlex.quote(name)}" for name in spare[:_SHOWN])
            lines.append(f"to leave out what nothing here reads: {options}{' …' if len(spare) > _SHOWN else ''}")
        raise InputError("\n  ".join(lines), path=source)


def _pattern(name: str) -> str:
    """What leaves a file out: with all of its folder, of which nothing is ever read."""
    folder, slash, _ = name.partition("/")
    return f"{folder}/*" if slash else name


def _tried(folder: Path, role: Role, trials: Collection[Part], source: Path) -> list[Problem]:
    """What the trials found that is no reason to refuse it; their messages speak of the folder that was given."""
    found = try_out(folder, role, trials)
    problems = [replace(each, what=each.what.replace(str(folder.absolute()), str(source))) for each in found]
    _refuse(source, problems)
    return problems


@contextmanager
def _staging(models: Path, name: str) -> Iterator[Path]:
    """A folder to copy to. One that a killed intake left is removed first, and this one where the block fails."""
    for left in models.glob(f".{name}.*.partial"):
        shutil.rmtree(left)
    staging = Path(tempfile.mkdtemp(dir=models, prefix=f".{name}.", suffix=".partial"))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_room(models: Path, needed: int) -> None:
    free = shutil.disk_usage(models).free
    if needed > free:
        raise InputError(f"has {free / 2**30:.1f} GiB free, and the model needs {needed / 2**30:.1f} GiB", path=models)


def _copy(source: Path, target: Path) -> ModelFile:
    """Copy one file, read once: its size and hash are those of the bytes that were written."""
    state, size = hashlib.sha256(), 0
    with source.open("rb") as reading, target.open("xb") as writing:
        while piece := reading.read(_PIECE):
            state.update(piece)
            size += writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
    target.chmod(0o644)
    return ModelFile(size=size, sha256=state.hexdigest())


def _hash(folder: ModelFolder) -> dict[str, ModelFile]:
    found = {}
    for name in folder.names:
        with (folder.path / name).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            found[name] = ModelFile(size=stream.tell(), sha256=sha256)
    return found


def _same(kept: ModelFolder, target: Path) -> dict[str, ModelFile]:
    """The files of a folder that is there already, if they are those of the source."""
    there = _hash(ModelFolder.of(target))
    if there != _hash(kept):
        raise InputError(
            f"is there already, with other files than {kept.path}; give this one another name (--name), or move that "
            "one away",
            path=target,
        )
    return there


def _entry(
    folder: Path,
    role: Role,
    facts: Facts,
    earlier: Model | None,
    files: Mapping[str, ModelFile],
    leave_out: Sequence[str],
) -> Model:
    config = read_config(folder)
    sha256 = digest_hashes({name: files[name].sha256 for name in sorted(files)})
    same = earlier if earlier is not None and earlier.sha256 == sha256 else None
    checked_with = {"nerkd-local": __version__} | {
        name: package_version(name) for name in ("transformers", "tokenizers")
    }
    return Model(
        role=role,
        model_type=str(config.get("model_type")),
        architectures=tuple(architectures(config)),
        licence=facts.licence or (same and same.licence) or find_licence(folder),
        origin=facts.origin or (same and same.origin) or None,
        revision=facts.revision or (same and same.revision) or None,
        sha256=sha256,
        left_out=tuple(leave_out) or (same.left_out if same else ()),
        checked_with=checked_with | ({"vllm": vllm_version()} if role == "annotator" else {}),
        files=files,
    )
