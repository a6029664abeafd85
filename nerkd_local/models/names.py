"""Which files a model folder may hold: an allow-list by name, and a look at what a file really is.

Weights come as safetensors, and nothing else may be there that a library could run, unpickle or follow out of the
folder. A name that is not on the list is refused, not skipped: what nobody here knows, somebody else's loader might.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from nerkd_local.models.problems import Problem

LEAVE_OUT = "leave it out"
"""What is to be done about a file without which the model is complete."""

_ALLOWED = re.compile(
    r"""
    [\w.-]+\.safetensors | [\w.-]+\.safetensors\.index\.json
    | config\.json | generation_config\.json | nerkd\.json
    | tokenizer\.json | tokenizer_config\.json | special_tokens_map\.json | added_tokens\.json
    | tokenizer\.model(?:\.v\d+)? | spiece\.model | spm\.model | sentencepiece\.bpe\.model
    | tekken\.json | tiktoken\.model | [\w.-]+\.tiktoken
    | vocab\.txt | vocab\.json | merges\.txt
    | chat_template\.jinja | chat_template\.json
    | (?:video_)?preprocessor_config\.json | processor_config\.json
    | (?:hf_)?quant_config\.json | quantize_config\.json
    | (?:README|LICEN[CS]E|NOTICE|COPYING|USE_POLICY|MODEL_CARD)(?:[_-]\w+)*(?:\.(?:md|txt|rst))?
    """,
    re.VERBOSE | re.ASCII,
)
_RUNS = re.compile(r".*\.(?:py[cdiowxz]?|ipynb|so(?:\.\d+)*|dll|dylib|pyd|exe|sh|bash|js|wasm|jar|whl|egg|pth)", re.I)
_PICKLED = re.compile(r".*\.(?:bin|pt|pth|ckpt|pkl|pickle|joblib|npy|npz|msgpack|h5|keras|mar|nemo|dill)", re.I)
_OTHER_WEIGHTS = re.compile(r".*\.(?:gguf|ggml|onnx|tflite|pb|engine|mlmodel|mlpackage|ot|xml|onnx_data)", re.I)
_TEXTS = re.compile(r"(?:.*\.(?:json|txt|md|rst|jinja|tiktoken)|[A-Z_]+)")
_MAX_BYTES = 64 << 20
"""Of a file that holds no weights: such files are read whole. The largest tokenizers have half of it."""
_MAGIC = (
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle"),
    (re.compile(rb"PK\x03\x04"), "a zip archive (PyTorch's pickled weights are one)"),
    (re.compile(rb"\x7fELF"), "a program"),
    (re.compile(rb"MZ"), "a program"),
    (re.compile(rb"#!"), "a script"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
    (re.compile(rb"\x89HDF\r\n"), "an HDF5 file"),
    (re.compile(rb"GGUF"), "a GGUF file"),
    (re.compile(rb"\x1f\x8b"), "a compressed file"),
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder, and the files in it that are the model: their paths below it, in order, links among them as links."""

    path: Path
    names: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, leave_out: Sequence[str] = ()) -> ModelFolder:
        """All files of a folder but those that fit one of the patterns (`*.bin`, `onnx/*`), and hidden ones.

        Hidden is what has a dot in front, itself or a folder above it: what a download leaves beside a model. The rest
        are the files that `fingerprints.digest_folder` reads.
        """
        names = sorted(each.relative_to(path).as_posix() for each in _walk(path) if not _is_folder(each))
        return cls(path, tuple(name for name in names if not any(fnmatchcase(name, each) for each in leave_out)))

    @property
    def readable(self) -> tuple[str, ...]:
        """Those that may be opened and read; all others are refused as files, unread."""
        return tuple(name for name in self.names if is_readable(self.path, name))

    def size(self) -> int:
        """Bytes of all of them together."""
        return sum((self.path / name).lstat().st_size for name in self.names)


def check_names(folder: ModelFolder) -> list[Problem]:
    """What may not be in a model folder, by its name, by what it is on the disk, and by its first bytes."""
    problems = []
    seen: dict[str, str] = {}
    for name in folder.names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            what = f"is {shown(other)} on a disk where case does not count"
            problems.append(Problem("files", "unsafe", shown(name), what, "rename or remove one"))
        problem = _problem(folder.path / name, name)
        if problem is not None:
            problems.append(problem)
    return problems


def is_known(name: str) -> bool:
    """Whether a file of that name is one that a model needs here."""
    return _ALLOWED.fullmatch(name) is not None


def is_readable(folder: Path, name: str) -> bool:
    """Whether a file is known, a regular one (a pipe would be waited for, a link leads away), and of a size to read."""
    try:
        status = (folder / name).lstat()
    except OSError:
        return False
    return is_known(name) and stat.S_ISREG(status.st_mode) and not _is_too_large(name, status.st_size)


def shown(name: str) -> str:
    """A file's name as it can be printed on one line, whatever it is made of."""
    return name if name.isascii() and name.isprintable() else ascii(name)


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below a folder but what is hidden; links are not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        yield entry
        if _is_folder(entry):
            yield from _walk(entry)


def _is_too_large(name: str, size: int) -> bool:
    return size > _MAX_BYTES and not name.endswith(".safetensors")


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _problem(path: Path, name: str) -> Problem | None:
    status, name = path.lstat(), shown(name)
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return Problem(
            "files",
            "unsafe",
            name,
            f"is a link to {shown(os.readlink(path))}",
            "copy what it leads to: cp -rL FOLDER COPY",
        )
    if not stat.S_ISREG(mode):
        return Problem("files", "unsafe", name, "is no regular file", "remove it")
    if _RUNS.fullmatch(name):
        return Problem("files", "unsafe", name, "is code, which is never run from a model folder", LEAVE_OUT)
    if _PICKLED.fullmatch(name):
        what = "is no safetensors file; pickled and packed weights can run code when they are read"
        return Problem("files", "unsafe", name, what, LEAVE_OUT)
    if _OTHER_WEIGHTS.fullmatch(name):
        return Problem("files", "unknown", name, "holds weights in a format that nothing here reads", LEAVE_OUT)
    if not is_known(name):
        what = "is in a subfolder" if "/" in name else "is not among the files that a model needs here"
        return Problem("files", "unknown", name, what, LEAVE_OUT)
    if _is_too_large(name, status.st_size):
        what = f"has {status.st_size / 2**20:.0f} MiB, more than any such file needs"
        return Problem("files", "broken", name, what, "look at it, and take another copy of the model")
    return _look_inside(path, name)


def _look_inside(path: Path, name: str) -> Problem | None:
    """A file that is something else than its name says."""
    with path.open("rb") as stream:
        begin = stream.read(4096)
    for magic, what in _MAGIC:
        if magic.match(begin) and not name.endswith(".safetensors"):  # those begin with their header's length
            return Problem("files", "unsafe", name, f"is {what} under another name", "remove it")
    if _TEXTS.fullmatch(name) and b"\0" in begin:
        return Problem("files", "unsafe", name, "is no text, though its name says so", "remove it")
    return None
