"""The last look at what goes out: no sentence of the run stands in it, and no place of this machine.

A second line of defence, and a plain one: everything that is made without texts is made so that none can be in it.
Looked for are whole sentences by their letters and digits alone, so that neither markup, escapes, line breaks nor case
hide one. A sentence of fewer than 24 of them is not looked for: the tool's own words could hold it. What a corpus
calls sentences and documents is looked for too where it has as many letters: such an id is words itself. Of weights
the header alone is looked into, and pictures are not; a part of a sentence is not found.
"""

from __future__ import annotations

import gzip
import html
import io
import re
import zipfile
from base64 import b64decode
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import CheckFailed

SHORTEST = 24
"""Letters and digits of a sentence that is looked for."""
_PICTURE = ".png"
_WEIGHTS = ".safetensors"
_LENGTH_BYTES = 8
_VOCABULARY = frozenset(("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt"))
"""Of the encoder: longer than everything else together, and the same whatever it is trained on."""
_HEX = re.compile(r"[0-9a-f]+")
"""A digest: as many letters by chance, and in results it may be that of the text."""
_NOT_LETTERS = re.compile(r"[\W_]+")
_ESCAPES = re.compile(r"\\[nrtbf]")
"""White space as JSON writes it: its letter is none of the sentence's."""
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
"""Any other character as JSON may write it."""
_PACKED = re.compile(rb"[A-Za-z0-9+/]{64,}={0,2}")


@dataclass(frozen=True, slots=True)
class Looked:
    """How many different sentences were looked for, and how many were too short for that."""

    sentences: int
    too_short: int


def check_no_sentence(files: Mapping[str, Path], sentences: Iterable[Path]) -> Looked:
    """Look in `files`, by their names, for every sentence of the JSON lines in `sentences`.

    Raises CheckFailed where one stands in a file, with the place of the sentence and not its words. Time grows with the
    sizes of both, not with their product.
    """
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    ids: dict[str, dict[str, str]] = defaultdict(dict)
    short: set[str] = set()
    for path in sentences:
        for number, document in enumerate(read_documents(path), start=1):
            where = f"sentence {number:,} of {path.parent.name}/{path.name}"
            for id in (document.id, document.meta.get("document")):
                name = _letters(id) if isinstance(id, str) else ""
                if sum(map(str.isalpha, name)) >= SHORTEST and not _HEX.fullmatch(name):
                    ids[name[:SHORTEST]].setdefault(name, f"an id of {where}")
            letters = _letters(document.text)
            if len(letters) < SHORTEST:
                short.add(letters)
            else:
                wanted[letters[:SHORTEST]].setdefault(letters, where)
    for name, path in files.items():
        if path.name in _VOCABULARY:
            continue
        for content in _contents(path):
            for reading in _readings(content):
                letters = _letters(reading)
                found = _find(letters, wanted) or _find(letters, ids)
                if found is not None:
                    raise CheckFailed(
                        f"{name}: holds {found}, which --text full alone lets out; nothing was written. If it is in "
                        "the settings, take it out of them there; otherwise this is a fault of the tool"
                    )
    return Looked(sum(map(len, wanted.values())), len(short))


def check_no_place(files: Mapping[str, Path], places: Iterable[Path]) -> None:
    """Look in `files`, by their names, for absolute paths of this machine. Raises CheckFailed where one stands in one.

    A path of fewer than two parts is not looked for: `/data` is no secret, and is in many words.
    """
    wanted = {str(place) for place in places if place.is_absolute() and len(place.parts) > 2}
    for name, path in files.items():
        for content in _contents(path):
            readings = _readings(content)
            found = next((place for place in sorted(wanted) if any(place in each for each in readings)), None)
            if found is not None:
                raise CheckFailed(f"{name}: names {found}, a place of this machine; nothing was written")


def _find(letters: str, wanted: Mapping[str, Mapping[str, str]]) -> str | None:
    """What stands in the letters, if anything does."""
    if not wanted:
        return None
    for start in range(len(letters) - SHORTEST + 1):
        for sentence, where in wanted.get(letters[start : start + SHORTEST], {}).items():
            if letters.startswith(sentence, start):
                return where
    return None


def _readings(content: str) -> Collection[str]:
    """The content, and what it says where it is a page or JSON."""
    return dict.fromkeys((content, html.unescape(content), _UNICODE.sub(_character, _ESCAPES.sub(" ", content))))


def _character(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16))


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text).casefold()


def _contents(path: Path) -> Iterator[str]:
    """What a file says: its own text, and that of what is packed in it (archives, base64, gzip)."""
    if path.suffix == _PICTURE:
        return
    if path.suffix == _WEIGHTS:
        yield _header(path)
        return
    content = path.read_bytes()
    if path.suffix == ".npz":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [archive.read(name) for name in archive.namelist()]
        # numpy stores text as UTF-32
        yield from (text for each in members for text in (each.decode("latin-1"), each.decode("utf-32-le", "ignore")))
        return
    yield content.decode("utf-8", "replace")
    for packed in _PACKED.finditer(content):
        yield from _unpacked(packed.group())


def _header(path: Path) -> str:
    """What weights say of themselves: names of arrays, and whatever else somebody wrote there."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        return stream.read(min(length, path.stat().st_size)).decode("utf-8", "replace")


def _unpacked(packed: bytes) -> Iterator[str]:
    try:
        content = b64decode(packed, validate=True)
    except ValueError:
        return
    if content.startswith(b"\x1f\x8b"):
        try:
            yield gzip.decompress(content).decode("utf-8", "replace")
        except (OSError, EOFError):
            return
    elif not content.startswith(b"\x89PNG"):
        yield content.decode("utf-8", "replace")
