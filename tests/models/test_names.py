"""What may lie in a model folder."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.models.names import ModelFolder, check_names, is_known
from nerkd_local.models.problems import Kind, Problem

RUNNABLE = (
    "py",
    "pyc",
    "so",
    "bin",
    "pt",
    "pth",
    "pkl",
    "ckpt",
    "h5",
    "npz",
    "sh",
    "whl",
    "gguf",
    "onnx",
    "zip",
    "msgpack",
)


def look(folder: Path, *leave_out: str) -> list[Problem]:
    return check_names(ModelFolder.of(folder, leave_out))


def only(problems: list[Problem]) -> Problem:
    (problem,) = problems
    assert problem.part == "files"
    assert problem.what
    assert problem.fix
    return problem


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors", "model-00001-of-00004.safetensors", "model.safetensors.index.json", "config.json",
        "generation_config.json", "nerkd.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
        "tokenizer.model.v3", "sentencepiece.bpe.model", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
        "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "preprocessor_config.json",
        "processor_config.json", "tekken.json", "README.md", "LICENSE", "LICENSE.txt", "LICENCE", "NOTICE", "README",
        "USE_POLICY.md", "LICENSE-APACHE", "quant_config.json", "quantize_config.json", "hf_quant_config.json",
    ],
)  # fmt: skip
def test_what_models_are_made_of_is_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text")
    assert look(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("modeling_custom.py", "unsafe"),
        ("tokenization.pyc", "unsafe"),
        ("kernel.so", "unsafe"),
        ("kernel.so.1", "unsafe"),
        ("install.sh", "unsafe"),
        ("kernels-1.0-py3-none-any.whl", "unsafe"),
        ("x.pth", "unsafe"),  # Python runs such a file where it lies among packages, PyTorch unpickles it
        ("pytorch_model.bin", "unsafe"),
        ("PYTORCH_MODEL.BIN", "unsafe"),
        ("model.ckpt", "unsafe"),
        ("weights.npz", "unsafe"),
        ("tf_model.h5", "unsafe"),
        ("flax_model.msgpack", "unsafe"),
        ("training_args.bin", "unsafe"),
        ("model.gguf", "unknown"),
        ("onnx/model.onnx", "unknown"),
        ("1_Pooling/config.json", "unknown"),
        ("modules.json", "unknown"),
        ("adapter_config.json", "unknown"),
        ("params.json", "unknown"),
        ("config.json.bak", "unknown"),
        ("Config.json", "unknown"),
        ("model.safetensors.tmp", "unknown"),
        ("README.exe.md.html", "unknown"),
        ("config.jsоn", "unknown"),  # its o is Cyrillic
        ("tokenizer.json ", "unknown"),
        ("a\nb.json", "unknown"),
    ],
)
def test_everything_else_is_refused(name: str, kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("text")
    problem = only(look(tmp_path))
    assert problem.kind == kind
    assert problem.file.isascii()
    assert problem.file.isprintable()
    assert look(tmp_path, name.split("/")[0] + "*") == []


@given(st.from_regex(r"[\w. -]{0,12}", fullmatch=True), st.sampled_from(RUNNABLE))
def test_no_name_that_ends_like_code_or_a_pickle_is_known(stem: str, suffix: str) -> None:
    assert not is_known(f"{stem}.{suffix}")
    assert not is_known(f"{stem}.{suffix.upper()}")


@given(st.text(max_size=20))
def test_no_path_that_leads_somewhere_is_known(name: str) -> None:
    if is_known(name):
        assert "/" not in name
        assert "\\" not in name
        assert name.isascii()
        assert name.isprintable()


def test_links_are_refused_wherever_they_lead(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").symlink_to(secret)
    problem = only(look(folder))
    assert (problem.kind, problem.file) == ("unsafe", "config.json")
    assert str(secret) in problem.what
    (folder / "config.json").unlink()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "vocab.json").symlink_to("tokenizer.json")
    assert only(look(folder)).file == "vocab.json"
    (folder / "vocab.json").unlink()
    (folder / "1_Pooling").symlink_to(tmp_path, target_is_directory=True)  # a folder, elsewhere
    assert only(look(folder)).kind == "unsafe"


def test_pipes_and_sockets_are_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    assert only(look(tmp_path)).what == "is no regular file"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.model", pickle.dumps({"a": 1})),
        ("README.md", b"PK\x03\x04rest"),
        ("LICENSE", b"\x7fELF\x02"),
        ("config.json", b"#!/bin/sh\n"),
        ("spiece.model", b"GGUF\x03"),
        ("vocab.txt", b"\x1f\x8b\x08"),
        ("README.md", b"text\0more"),
        ("LICENSE", b"text\0more"),
    ],
)
def test_a_file_that_is_something_else_than_its_name_says_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert only(look(tmp_path)).kind == "unsafe"


def test_weights_may_begin_with_any_length(tmp_path: Path) -> None:
    # a header of 0x280 bytes begins as a pickle of protocol 2 does
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x02\0\0\0\0\0\0")
    assert look(tmp_path) == []


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors.index.json", "README.md"])
def test_a_file_of_gigabytes_is_refused_unread(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as stream:
        stream.truncate(3 << 30)  # no byte of it is read
    assert only(look(tmp_path)).what == "has 3072 MiB, more than any such file needs"
    assert ModelFolder.of(tmp_path).readable == ()


def test_what_a_terminal_would_act_on_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").symlink_to("\x1b[2J")
    problem = Problem("config", "unsafe", "a\x1bb", "key \x1b[2J\u202e\n", "no")
    assert (problem.file, problem.what) == (r"a\x1bb", r"key \x1b[2J\u202e\n")
    assert str(only(look(tmp_path))).isprintable()


def test_two_names_that_are_one_where_case_does_not_count(tmp_path: Path) -> None:
    for name in ("a.safetensors", "A.safetensors"):
        (tmp_path / name).write_text("")
    assert "where case does not count" in only(look(tmp_path)).what


def test_hidden_files_are_no_part_of_the_model(tmp_path: Path) -> None:
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    (tmp_path / ".cache" / "huggingface" / "evil.py").write_text("")
    (tmp_path / ".gitattributes").write_text("")
    (tmp_path / "vocab.txt").write_text("")
    assert ModelFolder.of(tmp_path).names == ("vocab.txt",)
    assert look(tmp_path) == []
