"""What servers say, as it may be shown; what they ask for, as it may be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.engines.server_trouble import Secrets, one_line, read_pause


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0), ("nan", 0), ("inf", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("", 0)],
)
def test_a_pause_is_a_number_of_seconds(value: str, seconds: float) -> None:
    assert read_pause({"retry-after": value}) == seconds


def test_without_one_nothing_is_asked() -> None:
    assert read_pause({}) == 0


@given(st.text())
def test_foreign_text_becomes_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 200
    assert line.isprintable()


def test_a_key_is_never_shown_not_even_where_the_text_is_cut() -> None:
    shown = Secrets("sk-secret").show("x" * 195 + "sk-secret")
    assert "sk-" not in shown
    assert Secrets(None).show("sk-secret") == "sk-secret"
