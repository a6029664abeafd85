"""The page that goes with results tells the treatment plainly, and no name in it can be markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.export.leaks import Looked
from nerkd_local.bundle.export.readme import Told, write_readme
from nerkd_local.bundle.manifest import Text

STUDENT = "linear-n10-news-seed0"


def page(text: Text, *, annotations: bool = False, students: tuple[str, ...] = (STUDENT,), run: str = "Demo") -> str:
    looked = None if text == "full" else Looked(1200, 3)
    return write_readme(Told(run, text, annotations, students, looked))


@pytest.mark.parametrize(
    ("text", "said", "unsaid"),
    [
        ("none", ("No sentence, no word", "1,200 different sentences", "none was found"), ("SHA-256 of their text",)),
        ("hashes", ("can be guessed, and the guess confirmed", "`hashes/`"), ("as they are in the run",)),
        ("full", ("treat it as you treat the corpora", "Nothing was looked for"), ("none was found", "`hashes/`")),
    ],
)
def test_each_treatment_in_plain_words(text: Text, said: tuple[str, ...], unsaid: tuple[str, ...]) -> None:
    shown = page(text)
    assert f"**Text of the corpora: {text}.**" in shown
    assert all(each in shown for each in said)
    assert not any(each in shown for each in unsaid)


def test_weights_are_said_to_tell_something_where_there_are_any() -> None:
    told = "whoever has the encoder can tell which pieces occurred"
    assert told in page("none")
    assert told not in page("none", students=())
    assert "no student's weights" in page("none", students=())


@pytest.mark.parametrize("text", ["none", "hashes", "full"])
def test_what_paths_and_definitions_and_an_own_vocabulary_tell_is_said(text: Text) -> None:
    shown = page(text)
    assert "`anna/corpora` of `/home/anna/corpora`" in shown
    assert "any example that somebody put into them" in shown
    assert "unless the encoder was itself made from texts" in shown


def test_a_run_without_texts_is_not_said_to_have_been_searched() -> None:
    shown = write_readme(Told("Demo", "none", False, (), Looked(0, 0)))
    assert "the run's folder holds none" in shown
    assert "none was found" not in shown


@given(st.text(max_size=30))
def test_a_name_stays_code_whatever_is_in_it(name: str) -> None:
    (line,) = (line for line in page("none", run=name).split("\n") if line.startswith("The run is called "))
    found = re.match(
        r"The run is called (?P<fence>`+)(?P<name>.*?)(?P=fence)(?!`)\. \*\*Text of the corpora: none", line
    )
    assert found is not None
    # a run of as many backticks inside would end the code there
    assert found["fence"] not in found["name"]
    assert " ".join(name.split()) in found["name"]
