"""Reading text strictly and writing files whole or not at all."""

from __future__ import annotations

import codecs
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import IO, Any

from nerkd_local.errors import InputError

_PIECE = 1 << 20


def existing_file(path: Path) -> Path:
    """The path itself, if it is a readable file. Raises InputError otherwise."""
    if path.is_dir():
        raise InputError("is a folder; a file is needed here", path=path)
    if not path.exists():
        raise InputError("no such file; check the path", path=path)
    return path


def local_model(path: Path | str) -> Path:
    """The path itself, if it is a local model folder (one with a config.json).

    Raises InputError for anything else, and says so plainly for a hub name: nothing is ever fetched.
    """
    folder = Path(path)
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise InputError("is a folder without a config.json; a model folder is needed here", path=folder)
    if folder.exists():
        raise InputError("is a file; a model folder is needed here", path=folder)
    hub_like = not folder.is_absolute() and 1 <= len(folder.parts) <= 2 and not str(path).startswith(".")
    hint = "looks like a hub name; nothing is downloaded here: " if hub_like else "no such folder; "
    raise InputError(f"{hint}give the path of a local model folder", path=path)


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    r"""Each line with its number (from 1), without its line break; memory holds one piece of the file.

    Only `\n` and `\r\n` end a line (`str.splitlines` also breaks on U+2028 and U+0085, which occur in
    news text). A byte order mark at the start is removed. Raises InputError with file, line and byte
    offset for bytes the encoding cannot read and for NUL characters, and names an unknown encoding.
    """
    for number, line in read_whole_lines(path, encoding):
        yield number, (line.removeprefix("\ufeff") if number == 1 else line).removesuffix("\r")


def read_whole_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    r"""As `read_lines`, but a `\r` before the `\n` and a byte order mark stay.

    So the lines joined by `\n` are the decoded file, without the newline at its very end: what offsets into the
    file are counted in.
    """
    for number, line in enumerate(_decoded_lines(path, encoding), start=1):
        if "\0" in line:
            raise InputError(
                "holds a NUL character; is this a text file in the declared encoding?", path=path, line=number
            )
        yield number, line


def _decoded_lines(path: Path, encoding: str) -> Iterator[str]:
    existing_file(path)
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}; use a name such as utf-8 or latin-1") from None
    rest, lines_before, offset = "", 0, 0
    with path.open("rb") as stream:
        while True:
            piece = stream.read(_PIECE)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                line = lines_before + 1 + error.object[: error.start].count(b"\n")
                bad = error.object[error.start : error.start + 1].hex()
                raise InputError(
                    f"byte 0x{bad} at offset {offset - pending + error.start} is not {encoding}; "
                    "declare the file's encoding (for example latin-1) or convert the file",
                    path=path,
                    line=line,
                ) from None
            offset += len(piece)
            lines = (rest + text).split("\n")
            rest = lines.pop()
            lines_before += len(lines)
            yield from lines
            if not piece:
                if rest:
                    yield rest
                return


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A whole text file with its line breaks as newlines; the same checks and errors as `read_lines`."""
    return "\n".join(line for _, line in read_lines(path, encoding))


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's JSON object with its line number; blank lines are passed over.

    Raises InputError with file and line for text that is not one JSON object, for repeated keys and for NaN.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except ValueError as error:
            raise InputError(f"not valid JSON ({error}); one object a line is needed", path=path, line=number) from None
        if not isinstance(value, dict):
            raise InputError(f"a JSON {type(value).__name__}; one object a line is needed", path=path, line=number)
        yield number, value


def read_json(path: Path) -> Any:
    """A whole JSON file, strictly. Raises InputError with the file for anything else."""
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise InputError(f"not valid JSON ({error})", path=path) from None


def parse_json(text: str) -> Any:
    """JSON, strictly: repeated keys, NaN, infinities and lone surrogates (escaped or not) raise ValueError.

    So do numbers of more digits than Python reads (4,300), and what is nested too deeply for it.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite_float)
        # an escape can smuggle half a character in that the text itself does not hold
        (json.dumps(value, ensure_ascii=False) if "\\u" in text else text).encode("utf-8")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate, half a character, stands in a string") from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is repeated")
    return value


def _finite_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError(f"{digits} is too large a number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text stream that becomes `path` when the block ends well, and leaves nothing otherwise.

    The content is on the disk (fsync of file and folder) before the name changes over.
    """
    with _atomic_stream(path, mode="w", encoding="utf-8", newline="\n") as stream:
        yield stream


@contextmanager
def atomic_binary_writer(path: Path) -> Iterator[BufferedRandom]:
    """As `atomic_writer`, for bytes, which can be read again from the stream before the block ends."""
    with _atomic_stream(path, mode="w+b") as stream:
        assert isinstance(stream, BufferedRandom)
        yield stream


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically."""
    with atomic_binary_writer(path) as stream:
        stream.write(content)


@contextmanager
def _atomic_stream(path: Path, **how: Any) -> Iterator[IO[Any]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with open(handle, **how) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def link_or_copy(source: Path, target: Path, *, copy: bool = False) -> None:
    """Have a file's content under a second name: by a hard link, or, where the file system has none, as a copy.

    With `copy`, as a copy in any case: for a file that is still written to.
    """
    if not copy:
        try:
            os.link(source, target)
            return
        except OSError:
            pass
    shutil.copyfile(source, target)


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_writer(path) as stream:
        stream.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically. Raises ValueError for NaN."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def json_line(value: Mapping[str, Any]) -> str:
    """One compact JSON line with its newline; non-ASCII is kept, lone surrogates and NaN raise ValueError."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    line.encode("utf-8")
    return line


def write_json_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> int:
    """Write JSON lines atomically, as they come; returns how many."""
    count = 0
    with atomic_writer(path) as stream:
        for value in values:
            stream.write(json_line(value))
            count += 1
    return count
