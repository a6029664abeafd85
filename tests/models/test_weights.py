"""Safetensors headers and indexes: what the library writes is sound, and nothing that it would refuse is accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from nerkd_local.errors import InputError
from nerkd_local.models.names import LEAVE_OUT, ModelFolder
from nerkd_local.models.problems import Problem
from nerkd_local.models.weights import check_weights, read_header
from tests.models.folders import write_safetensors

TWO = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "U8", "shape": [4], "data_offsets": [8, 12]},
}


def look(folder: Path) -> list[Problem]:
    return check_weights(ModelFolder.of(folder))


def library_reads(path: Path) -> bool:
    try:
        with safe_open(path, framework="numpy") as file:
            return bool(all(file.get_slice(name) is not None for name in file.keys()))  # noqa: SIM118
    except SafetensorError:
        return False


shapes = st.lists(st.integers(0, 4), max_size=3)
dtypes = st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_, np.float64])


@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name != "__metadata__"), st.tuples(dtypes, shapes)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_library_writes_is_sound(tmp_path: Path, described: dict[str, Any]) -> None:
    arrays = {name: np.ones(shape, dtype) for name, (dtype, shape) in described.items()}
    path = tmp_path / "model.safetensors"
    save_file(arrays, path, metadata={"format": "pt"})
    found = read_header(path)
    assert {name: tensor.shape for name, tensor in found.items()} == {name: each.shape for name, each in arrays.items()}


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        (TWO, 11, "end after 12 bytes, and it holds 11: cut off"),
        (TWO, 13, "added to"),
        ({**TWO, "b": TWO["b"] | {"data_offsets": [6, 10]}}, 12, "'b' lies over the one before it"),
        ({**TWO, "b": TWO["b"] | {"data_offsets": [10, 14]}}, 14, "'b' leaves a gap before it"),
        ({"a": TWO["a"] | {"shape": [3]}}, 8, "which its shape does not fill"),
        ({"a": TWO["a"] | {"dtype": "F128"}}, 8, "unknown number format 'F128'"),
        ({"a": TWO["a"] | {"shape": [-2]}}, 8, "a shape or place that cannot be read"),
        ({"a": TWO["a"] | {"shape": [2.0]}}, 8, "a shape or place that cannot be read"),
        ({"a": TWO["a"] | {"shape": [True, 2]}}, 8, "a shape or place that cannot be read"),
        ({"a": TWO["a"] | {"data_offsets": [0, 8, 8]}}, 8, "a shape or place that cannot be read"),
        ({"a": TWO["a"] | {"data_offsets": [8, 0]}}, 8, "which its shape does not fill"),
        ({"a": TWO["a"] | {"code": "x"}}, 8, "in a way that cannot be read"),
        ({"a": 7}, 0, "in a way that cannot be read"),
        ({"__metadata__": {"a": 1}}, 0, "metadata is not text by name"),
        ([], 0, "its header is a JSON list"),
        (b'{"a": 1, "a": 2}', 0, "a key is repeated"),
        (b"\x80\x04.", 0, "not valid JSON"),
    ],
)
def test_a_header_that_does_not_fit_its_file_is_refused(header: Any, data: int, said: str, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", header, bytes(data))
    (problem,) = look(tmp_path)
    assert (problem.kind, problem.file) == ("broken", "model.safetensors")
    assert said in problem.what


@pytest.mark.parametrize(
    "content", [b"", b"1234567", (1 << 40).to_bytes(8, "little"), (9).to_bytes(8, "little") + b"{}"]
)
def test_a_file_without_its_header_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="cut off, or no safetensors file"):
        read_header(tmp_path / "model.safetensors")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_the_library_accepts_too(tmp_path: Path, data: st.DataObject) -> None:
    """Random damage to a sound file: this check may refuse more than the library, never less."""
    path = tmp_path / "model.safetensors"
    write_safetensors(path, TWO, bytes(12))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "drop"])):
            case "flip":
                content[at] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del content[max(at, 1) :]
            case "insert":
                content.insert(at, data.draw(st.integers(0, 255)))
            case _ if len(content) > 1:
                del content[at]
    path.write_bytes(bytes(content))
    try:
        read_header(path)
    except InputError:
        return
    assert library_reads(path)


def two_files(folder: Path, weight_map: Any) -> list[Problem]:
    write_safetensors(folder / "one.safetensors", {"a": TWO["a"]}, bytes(8))
    write_safetensors(folder / "two.safetensors", {"b": TWO["b"] | {"data_offsets": [0, 4]}}, bytes(4))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return look(folder)


WHOLE = {"a": "one.safetensors", "b": "two.safetensors"}


def test_several_files_with_their_index_are_sound(tmp_path: Path) -> None:
    assert two_files(tmp_path, WHOLE) == []


@pytest.mark.parametrize(
    ("weight_map", "said"),
    [
        ({**WHOLE, "c": "../../etc/x.safetensors"}, "leads out of the folder: '../../etc/x.safetensors'"),
        ({**WHOLE, "c": "/abs.safetensors"}, "leads out of the folder: '/abs.safetensors'"),
        ({**WHOLE, "c": "three.safetensors"}, "names three.safetensors, which is not there"),
        ({"a": "two.safetensors", "b": "one.safetensors"}, "do not agree on 2 weights (first: 'a')"),
        ({**WHOLE, "c": "one.safetensors"}, "do not agree on 1 weights (first: 'c')"),
        (["one.safetensors"], "in no way that can be read"),
        ({"a": 1}, "in no way that can be read"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(weight_map: Any, said: str, tmp_path: Path) -> None:
    problems = two_files(tmp_path, weight_map)
    assert problems
    assert {each.file for each in problems} == {"model.safetensors.index.json"}
    assert any(said in each.what for each in problems)
    assert any(each.kind == "unsafe" for each in problems) == ("leads out" in said)


def test_a_second_copy_of_the_weights_can_be_left_out(tmp_path: Path) -> None:
    (problem,) = two_files(tmp_path, {"a": "one.safetensors"})
    assert (problem.file, problem.fix) == ("two.safetensors", LEAVE_OUT)
    assert "does not name" in problem.what
    assert check_weights(ModelFolder.of(tmp_path, ["two*"])) == []


def test_other_weights_beside_the_one_file_can_be_left_out(tmp_path: Path) -> None:
    two_files(tmp_path, WHOLE)
    (tmp_path / "model.safetensors.index.json").unlink()
    (tmp_path / "two.safetensors").rename(tmp_path / "model.safetensors")
    (tmp_path / "one.safetensors").rename(tmp_path / "consolidated.safetensors")  # as Mistral publishes them
    (problem,) = look(tmp_path)
    assert (problem.file, problem.fix) == ("consolidated.safetensors", LEAVE_OUT)
    assert check_weights(ModelFolder.of(tmp_path, ["consolidated*"])) == []


def test_weights_in_a_subfolder_are_no_business_of_theirs(tmp_path: Path) -> None:
    two_files(tmp_path, WHOLE)
    (tmp_path / "original").mkdir()
    for name in ("one.safetensors", "model.safetensors.index.json"):
        (tmp_path / "original" / name).write_bytes((tmp_path / name).read_bytes())
    assert look(tmp_path) == []  # refused as files


def test_several_files_need_one_index(tmp_path: Path) -> None:
    two_files(tmp_path, WHOLE)
    (tmp_path / "other.safetensors.index.json").write_text("{}")
    assert "is one of 2 indexes" in look(tmp_path)[0].what
    for path in tmp_path.glob("*.index.json"):
        path.unlink()
    assert "without an index" in look(tmp_path)[0].what


def test_no_weights_at_all(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_text("")
    assert "holds no safetensors weights" in look(tmp_path)[0].what
