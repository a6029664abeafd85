"""Whether the weights are what they say: each safetensors file's header, and the index over several files.

Only headers are read. What they declare must fill the file to the byte: no tensor outside it, none over another, no
gap in which something else travels. The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import parse_json, read_json
from nerkd_local.models.names import LEAVE_OUT, ModelFolder
from nerkd_local.models.problems import Kind, Problem

_MAX_HEADER = 32 << 20  # the library reads three times that, which would take GBs here; models need a tenth
_INDEX = ".safetensors.index.json"
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_DAMAGED = "take another copy of the model, and compare its hash with the origin's"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file: number format, shape, and where its bytes are (half-open, after the header)."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def check_weights(folder: ModelFolder) -> list[Problem]:
    """What is wrong with the weights as a whole and with each file. Reads headers, no weights."""
    names = [name for name in folder.readable if name.endswith(".safetensors")]
    if not names:
        what = "holds no safetensors weights; other formats are not loaded"
        return [Problem("weights", "broken", ".", what, "convert the weights to safetensors first")]
    held: dict[str, set[str]] = {}
    problems = []
    for name in names:
        try:
            held[name] = set(read_header(folder.path / name))
        except InputError as error:
            problems.append(Problem("weights", "broken", name, error.problem, _DAMAGED))
    indexes = [name for name in folder.readable if name.endswith(_INDEX)]
    if len(indexes) > 1:
        what = f"is one of {len(indexes)} indexes; loaders would not agree on the weights"
        problems.append(Problem("weights", "broken", indexes[1], what, "keep the one that config.json belongs to"))
    elif indexes:
        problems += _check_index(folder.path / indexes[0], set(names), held)
    elif "model.safetensors" in names:
        what = "holds weights beside model.safetensors, such as a second copy in another layout"
        problems += [
            Problem("weights", "broken", each, what, LEAVE_OUT) for each in names if each != "model.safetensors"
        ]
    elif len(names) > 1:
        what = f"is one of {len(names)} files of weights without an index that says what is where"
        problems.append(Problem("weights", "broken", names[1], what, "leave out what is no part of the model"))
    return problems


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises InputError for a header that does not fit the file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > _MAX_HEADER or 8 + length > size:
            raise InputError(f"is cut off, or no safetensors file: a header of {length:,} bytes in {size:,}", path=path)
        raw = stream.read(length)
    try:
        header = parse_json(raw.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"its header is not valid JSON ({error})", path=path) from None
    if not isinstance(header, dict):
        raise InputError(f"its header is a JSON {type(header).__name__}, not an object", path=path)
    told = header.pop("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise InputError("its metadata is not text by name", path=path)
    tensors = {name: _tensor(path, name, value) for name, value in header.items()}
    _check_layout(path, tensors, size - 8 - length)
    return tensors


def _tensor(path: Path, name: str, value: Any) -> Tensor:
    shown = repr(name[:80])
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise InputError(f"its header describes {shown} in a way that cannot be read", path=path)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if dtype not in _BITS:
        raise InputError(f"its header gives {shown} the unknown number format {dtype!r}", path=path)
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        raise InputError(f"its header gives {shown} a shape or place that cannot be read", path=path)
    tensor = Tensor(dtype, tuple(shape), *offsets)
    if (tensor.end - tensor.begin) * 8 != math.prod(tensor.shape) * _BITS[dtype]:
        taken = tensor.end - tensor.begin
        raise InputError(f"its header gives {shown} {taken:,} bytes, which its shape does not fill", path=path)
    return tensor


def _counts(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= 64 and all(type(each) is int and each >= 0 for each in values)


def _check_layout(path: Path, tensors: dict[str, Tensor], size: int) -> None:
    at = 0
    for name, tensor in sorted(tensors.items(), key=lambda pair: (pair[1].begin, pair[1].end)):
        if tensor.begin != at:
            what = "lies over the one before it" if tensor.begin < at else "leaves a gap before it"
            raise InputError(f"its tensor {name[:80]!r} {what}", path=path)
        at = tensor.end
    if at != size:
        raise InputError(f"its tensors end after {at:,} bytes, and it holds {size:,}: cut off, or added to", path=path)


def _check_index(path: Path, there: set[str], held: Mapping[str, set[str]]) -> Iterator[Problem]:
    """What is wrong with an index, given the files of weights, and the tensors of each that could be read."""
    try:
        value = read_json(path)
    except InputError as error:
        yield _wrong(path, error.problem)
        return
    places = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        yield _wrong(path, "says in no way that can be read which weight is in which file")
        return
    for file in sorted(set(places.values()) - there):
        if Path(file).name != file:
            yield _wrong(path, f"leads out of the folder: {file!r}", "unsafe")
        else:
            yield _wrong(path, f"names {file}, which is not there")
    for file in sorted(there - set(places.values())):
        what = f"holds weights that {path.name} does not name"  # such as a second copy in another layout
        yield Problem("weights", "broken", file, what, LEAVE_OUT)
    for file, tensors in held.items():
        named = {tensor for tensor, place in places.items() if place == file}
        if file in places.values() and named != tensors:
            first = min(named ^ tensors)
            yield _wrong(path, f"and {file} do not agree on {len(named ^ tensors)} weights (first: {first[:80]!r})")


def _wrong(path: Path, what: str, kind: Kind = "broken") -> Problem:
    return Problem("weights", kind, path.name, what, _DAMAGED)
