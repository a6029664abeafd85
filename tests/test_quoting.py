from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.quoting import LOG_TEXT, quoted, shows_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "asked", "shown"),
    [
        (Terminal(), "", True),
        (io.StringIO(), "", False),
        (io.StringIO(), "1", True),
        (io.StringIO(), "0", False),
        (None, "", False),
        (None, "1", True),
    ],
)
def test_text_is_for_a_terminal_or_who_asks(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None, asked: str, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv(LOG_TEXT, asked)
    assert shows_text() == shown
    assert (quoted("Zorvildur") == "'Zorvildur'") == shown


def test_a_stream_that_was_closed_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    monkeypatch.delenv(LOG_TEXT, raising=False)
    assert not shows_text()


def test_long_texts_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_TEXT, "1")
    assert quoted("a" * 100, 3) == "'aaa'"


@given(st.text(st.characters(categories=["Lo"])))
def test_what_is_left_out_has_only_its_length(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", io.StringIO())
        patch.delenv(LOG_TEXT, raising=False)
        assert quoted(text) == f"[{len(text)} characters; {LOG_TEXT}=1 shows them]"
