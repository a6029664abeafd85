"""Names for content: full SHA-256 over ordered, delimited fields, and orders drawn from them.

Everything random that must be the same on every machine and under every library version (which
sentences form a subset, in which order a source is read) is an order by hash, not a generator's state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_LARGE = 16 << 20


def digest(*fields: str | bytes | int) -> str:
    """SHA-256 (hex) of the fields in order. Each is length-prefixed, so ("ab", "c") differs from ("a", "bc")."""
    value: str = _hash(fields).hexdigest()
    return value


def text_key(text: str) -> int:
    """The first 64 bits of a text's SHA-256, as a signed integer: what SQLite and an int64 array can hold.

    Two texts of ten million share one with a chance of three in a million, so where it matters the texts are compared.
    """
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little", signed=True)


def digest_json(value: Any) -> str:
    """SHA-256 (hex) of a JSON value, independent of key order. Raises ValueError for NaN and infinities."""
    return digest(json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def digest_file(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in pieces.

    A large file is not read again while its size and time of change stay: a grid of students asks for the same
    encoder's hash hundreds of times. Small ones could be rewritten within one tick of the file system's clock.
    """
    status = path.stat()
    read = _digest_large_file if status.st_size >= _LARGE else _read_digest
    return read(path.absolute(), status.st_size, status.st_mtime_ns)


def _read_digest(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_digest_large_file = lru_cache(maxsize=64)(_read_digest)


def digest_folder(folder: Path) -> str:
    """SHA-256 (hex) over the names and contents of a folder's files, in name order, hidden files left out."""
    hashes = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in relative.parts):
            hashes[relative.as_posix()] = digest_file(path)
    return digest_hashes(hashes)


def digest_hashes(hashes: Mapping[str, str]) -> str:
    """What `digest_folder` is, of files whose hashes are known: by their paths, in the order of those."""
    return digest(*(field for pair in hashes.items() for field in pair))


def hash_order(ids: Iterable[str], *salt: str | int) -> list[str]:
    """The ids in a pseudo-random order fixed by the salt: sorted by digest of (salt, id).

    The order of two ids does not depend on the other ids, so the first k of a larger set's order
    that are in a smaller set are in the smaller set's order too, and prefixes are nested subsets.
    """
    return sorted(ids, key=lambda id: _hash((*salt, id)).digest())


def _hash(fields: Iterable[str | bytes | int]) -> Any:
    state = hashlib.sha256()
    for value in fields:
        raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(raw))
        state.update(raw)
    return state
