from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.paths import collision, path_problem


@pytest.mark.parametrize(
    "path", ["a", "data/dev.txt", ".hidden", "a/.b", "a b/c", "é/ß/字.txt", "a...b", "x" * 200, "..a", "a/..b"]
)
def test_ordinary_paths_are_possible(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "empty"),
        ("/", "absolute"),
        ("/etc/passwd", "absolute"),
        ("..", "'..'"),
        ("a/../b", "'..'"),
        ("./a", "'.'"),
        ("a/.", "'.'"),
        ("a//b", "''"),
        ("a/", "''"),
        ("a\\b", "backslash"),
        ("..\\a", "backslash"),
        ("C:/a", "< > :"),
        ("a|b", "< > :"),
        ("a\x00", "control"),
        ("a\n", "control"),
        ("a\x1b[2J", "control"),
        ("a\x85b", "control"),
        ("e\u0301", "NFC"),
        ("\u212b", "NFC"),
        ("a.", "ends in a dot"),
        ("a /b", "ends in a dot or a space"),
        ("...", "ends in a dot"),
        ("\ud800", "surrogate"),
        ("x" * 201, "201 bytes"),
        ("é" * 101, "202 bytes"),
    ],
)
def test_what_is_another_file_somewhere_is_named(path: str, said: str) -> None:
    problem = path_problem(path)
    assert problem is not None
    assert said in problem


@given(st.text(max_size=30) | st.text("./\\ aAé:\x00", max_size=12))
def test_a_path_that_is_possible_stays_below_its_folder_on_every_system(path: str) -> None:
    if path_problem(path) is None:
        for system in (PurePosixPath(path), PureWindowsPath(path)):
            assert not system.is_absolute()
            assert not system.drive
            assert ".." not in system.parts
            assert list(system.parts) == path.split("/")
        assert unicodedata.normalize("NFC", path) == path
        assert len(path.encode()) <= 200


@pytest.mark.parametrize(
    ("paths", "pair"),
    [
        ([], None),
        (["a", "b", "c/a"], None),
        (["a/b", "a/c"], None),
        (["a", "A"], ("a", "A")),
        (["Straße", "STRASSE"], ("Straße", "STRASSE")),
        (["a", "a"], ("a", "a")),
        (["a", "b", "a/b"], ("a", "a/b")),
        (["A", "a/b/c"], ("A", "a/b/c")),
        (["ſ", "s"], ("ſ", "s")),
        (["é", "É"], ("é", "É")),
    ],
)
def test_two_paths_that_are_one_are_found(paths: list[str], pair: tuple[str, str] | None) -> None:
    assert collision(paths) == pair


@given(st.lists(st.text("aAbB/", min_size=1, max_size=4).filter(lambda path: path_problem(path) is None), unique=True))
def test_without_a_collision_every_path_can_be_made_where_case_does_not_count(paths: list[str]) -> None:
    if collision(paths) is None:
        made = {path.casefold() for path in paths}
        assert len(made) == len(paths)
        parents = {"/".join(path.split("/")[:depth]) for path in made for depth in range(1, path.count("/") + 1)}
        assert not parents & made
