"""Checkpoints that are whole or absent: tensors as safetensors, the rest as JSON, a manifest with hashes.

A checkpoint is a folder `step-00000120`. It is written under another name, put on the disk, and renamed, so a
crash or a power cut leaves the one before it intact; older ones are removed only after that.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nerkd_local.errors import NerkdError
from nerkd_local.files import link_or_copy, read_json, sync_folder, write_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.student.model import replace_folder

_PREFIX = "step-"
_MANIFEST = "manifest.json"
_META = "meta.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on the disk: after how many steps it was taken, and what `meta` its writer gave it."""

    folder: Path
    step: int
    meta: Mapping[str, Any]

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors saved under a name, on the CPU."""
        from safetensors.torch import load_file

        return dict(load_file(self.folder / f"{name}.safetensors"))


def save_checkpoint(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, torch.Tensor]],
    meta: Mapping[str, Any],
    *,
    keep: int,
    spare: int | None = None,
) -> Path:
    """Write `folder/step-N`, each group of tensors in a file of its own; keep only the `keep` newest, and step `spare`.

    The checkpoint is on the disk when the call returns. One process calls it. Shared tensors are written once
    a name. `meta` is plain JSON.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_PREFIX}{step:08d}"
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=f".{target.name}."))
    try:
        for name, group in tensors.items():
            plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in group.items()}
            save_file(plain, staging / f"{name}.safetensors")
        write_json(staging / _META, dict(meta))
        files = {
            path.name: {"size": path.stat().st_size, "sha256": digest_file(path)} for path in sorted(staging.iterdir())
        }
        write_json(staging / _MANIFEST, {"step": step, "files": files})
        staging.chmod(0o755)
        replace_folder(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    for old in checkpoint_folders(folder)[: -max(keep, 1)]:
        if spare is None or old.name != f"{_PREFIX}{spare:08d}":
            shutil.rmtree(old)
    return target


def adopt_checkpoint(found: Checkpoint, folder: Path, meta: Mapping[str, Any]) -> None:
    """Have another run go on from a verified checkpoint: it appears in that run's `folder`, with that run's `meta`.

    The tensors are linked, not written again, where the file system can. Nothing happens where it is there already.
    """
    target = folder / found.folder.name
    if target.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=f".{target.name}."))
    try:
        files = dict(read_json(found.folder / _MANIFEST)["files"])
        for name in files.keys() - {_META}:
            link_or_copy(found.folder / name, staging / name)
        write_json(staging / _META, dict(meta))
        files[_META] = {"size": (staging / _META).stat().st_size, "sha256": digest_file(staging / _META)}
        write_json(staging / _MANIFEST, {"step": found.step, "files": files})
        staging.chmod(0o755)
        replace_folder(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose every file has the size and hash of its manifest; None if there is none.

    A damaged one is renamed to `damaged-step-N`, with a line on stderr that says what is wrong with it, and
    the one before it is tried. What an interrupted write left behind is removed. One process calls this.
    """
    if not folder.is_dir():
        return None
    for leftover in folder.glob(f".{_PREFIX}*"):
        shutil.rmtree(leftover)
    for path in reversed(checkpoint_folders(folder)):
        problem = damage_of(path)
        if problem is None:
            return open_checkpoint(folder, int(path.name.removeprefix(_PREFIX)))
        aside = folder / f"damaged-{path.name}"
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        sync_folder(folder)
        print(f"{path}: {problem}; set aside as {aside.name}", file=sys.stderr)
    return None


def open_checkpoint(folder: Path, step: int) -> Checkpoint:
    """The checkpoint of a step that `newest_checkpoint`, here or in another process, has verified."""
    path = folder / f"{_PREFIX}{step:08d}"
    return Checkpoint(path, step, read_json(path / _META))


def is_whole(folder: Path, step: int) -> bool:
    """Whether the checkpoint of a step is there and every file has the size and hash of its manifest."""
    return damage_of(folder / f"{_PREFIX}{step:08d}") is None


def optimizer_tensors(optimizer: Any, names: list[str]) -> dict[str, torch.Tensor]:
    """An optimizer's state as flat tensors, `exp_avg:NAME` and so on; `names` are its parameters' in order.

    The hyperparameters are not in it: they follow from the settings.
    """
    return {
        f"{kind}:{names[index]}": tensor
        for index, state in optimizer.state_dict()["state"].items()
        for kind, tensor in state.items()
    }


def restore_optimizer(optimizer: Any, names: list[str], tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back a state made by `optimizer_tensors`. Raises KeyError for a parameter not in `names`."""
    numbers = {name: index for index, name in enumerate(names)}
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, name = key.partition(":")
        state.setdefault(numbers[name], {})[kind] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def checkpoint_folders(folder: Path) -> list[Path]:
    """The folders of the checkpoints in `folder`, oldest first; whether they are whole is another question."""
    return sorted(
        (path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdecimal()),
        key=lambda path: int(path.name.removeprefix(_PREFIX)),
    )


def damage_of(path: Path) -> str | None:
    """What is wrong with a checkpoint's folder, in words; None if every file has the size and hash of its manifest."""
    try:
        manifest = read_json(path / _MANIFEST)
        files = manifest["files"]
        if manifest["step"] != int(path.name.removeprefix(_PREFIX)):
            return f"its manifest speaks of step {manifest['step']}"
        present = {entry.name for entry in path.iterdir()} - {_MANIFEST}
        if present != set(files):
            return f"its files are not those of its manifest: {', '.join(sorted(present ^ set(files)))}"
        for name, expected in files.items():
            if (path / name).stat().st_size != expected["size"]:
                return f"{name} has another size than its manifest says"
            if digest_file(path / name) != expected["sha256"]:
                return f"{name} has other content than its manifest says"
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return f"its manifest cannot be read ({type(error).__name__})"
    except NerkdError as error:
        return str(error)
    return None
