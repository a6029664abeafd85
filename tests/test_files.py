"""Reading is strict and says where; writing is whole or not at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.files import (
    atomic_writer,
    local_model,
    parse_json,
    read_json_lines,
    read_lines,
    read_whole_lines,
    write_text,
)


def lines(path: Path, encoding: str = "utf-8") -> list[str]:
    return [line for _, line in read_lines(path, encoding)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\n", ["a", "b"]),
        (b"\na\n\n", ["", "a", ""]),
        ("\ufeffa\n\ufeffb".encode(), ["a", "\ufeffb"]),
        ("a\u2028b\x85c\x0bd".encode(), ["a\u2028b\x85c\x0bd"]),
        (b"a\rb", ["a\rb"]),
    ],
)
def test_only_newlines_end_lines(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    assert lines(path) == expected


@given(text=st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])), piece=st.integers(1, 5))
def test_pieces_do_not_show(tmp_path_factory: pytest.TempPathFactory, text: str, piece: int) -> None:
    path = tmp_path_factory.mktemp("f") / "f"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nerkd_local.files._PIECE", piece)
        assert "\n".join(lines(path)) == text.removeprefix("\ufeff").removesuffix("\n")
        assert "\n".join(line for _, line in read_whole_lines(path)) == text.removesuffix("\n")


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_a_wrong_byte_is_named_with_line_and_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("nerkd_local.files._PIECE", piece)
    path = tmp_path / "f.txt"
    path.write_bytes("é\nfee \xa315m".encode("latin-1"))
    with pytest.raises(InputError, match=r"f\.txt:1: byte 0xe9 at offset 0 is not utf-8; declare"):
        lines(path)
    assert lines(path, "latin-1") == ["é", "fee £15m"]
    path.write_bytes("é\nfee ".encode() + b"\xa3")
    with pytest.raises(InputError, match=r"f\.txt:2: byte 0xa3 at offset 7 is not utf-8"):
        lines(path)


def test_a_nul_an_unknown_encoding_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\nb\0\n")
    with pytest.raises(InputError, match=r"f:2: holds a NUL"):
        lines(path)
    with pytest.raises(InputError, match="unknown encoding 'utf-9'"):
        lines(path, "utf-9")
    with pytest.raises(InputError, match="no such file"):
        lines(tmp_path / "absent")
    with pytest.raises(InputError, match="is a folder"):
        lines(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("{", '{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', "[" * 10**5, "1" * 5_000),
        *('"\\ud800"', '"\\ude00\\ud83d"', '"\ud800"', '{"\\ud800": 1}'),
    ],
)
def test_json_that_json_itself_leaves_open_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (which text it has is the parser's business)
        parse_json(text)


def test_json_lines_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"a": 1}\n\n[1]\n')
    with pytest.raises(InputError, match=r"f\.jsonl:3: a JSON list; one object a line"):
        list(read_json_lines(path))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "old")

    def fail() -> None:
        with atomic_writer(path) as stream:
            stream.write("new")
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert-base-cased", "looks like a hub name; nothing is downloaded here"),
        ("google/bert", "looks like a hub name"),
        ("./absent", "no such folder"),
        ("/absent/folder", "no such folder"),
    ],
)
def test_a_model_is_a_local_folder(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        local_model(name)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without a config\.json"):
        local_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert local_model(tmp_path) == tmp_path
    with pytest.raises(InputError, match="is a file"):
        local_model(tmp_path / "config.json")
