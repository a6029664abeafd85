from __future__ import annotations

import json
import re
import unicodedata

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.records import CONFIDENCES, Document, Span, from_words
from nerkd_local.report.highlight import highlight, highlight_corpus, visible

TEXT = "Ada Lovelace lived in London."
TOKENS = ((0, 3), (4, 12), (13, 18), (19, 21), (22, 28), (28, 29))
SPANS = (Span(0, 12, "PER"), Span(22, 28, "LOC"))


def document(*confidences: object, name: str | None = "a.txt") -> Document:
    return Document("a", TEXT, TOKENS, SPANS, {"document": name, CONFIDENCES: list(confidences)})


def test_mentions_stand_in_brackets_with_label_and_confidence() -> None:
    assert highlight(document(0.984, 0.5), color=False) == "[PER Ada Lovelace .98] lived in [LOC London .50]."


@pytest.mark.parametrize(
    ("confidence", "shown"), [(0.0, ".00"), (0.004, ".00"), (0.126, ".13"), (0.994, ".99"), (0.999, ".99"), (1, ".99")]
)
def test_a_confidence_has_two_decimals_and_is_never_one(confidence: float, shown: str) -> None:
    assert highlight(document(confidence, 0.5), color=False).startswith(f"[PER Ada Lovelace {shown}]")


@pytest.mark.parametrize("confidences", [(), (0.5,), (0.1, 0.2, 0.3), ("x", None)])
def test_spans_without_a_confidence_of_their_own_show_their_label(confidences: tuple[object, ...]) -> None:
    assert highlight(document(*confidences), color=False) == "[PER Ada Lovelace] lived in [LOC London]."


def test_colours_stand_for_the_brackets_and_differ_between_the_usual_labels() -> None:
    shown = highlight(document(0.984, 0.5), color=True)
    assert click.unstyle(shown) == "Ada Lovelace PER .98 lived in London LOC .50."
    assert shown.startswith("\x1b[")
    colours = set()
    for label in ("PER", "LOC", "ORG", "MISC"):
        match = re.match(r"\x1b\[(\d+)m", highlight(from_words("a", ["x"], (Span(0, 1, label),)), color=True))
        assert match
        colours.add(match[1])
    assert len(colours) == 4


def test_no_entity_is_the_text_alone() -> None:
    assert highlight(from_words("a", ["So", "what", "?"]), color=True) == "So what ?"


# clear the screen; set the window title; 8-bit CSI; backspace; reading direction; line separator; carriage return
ATTACKS = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "rm\x08\x08", "\u202egnp", "\u2066", "a\u2028b", "ok\rno", "\x7f"]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("color", [True, False])
def test_what_a_terminal_would_act_on_is_written_out(attack: str, color: bool) -> None:
    text = f"{attack} {attack}"
    half = len(attack)
    hostile = Document("a", text, ((0, half), (half + 1, len(text))), (Span(0, half, f"L{attack}"),))
    plain = click.unstyle(highlight(hostile, color=color))
    assert plain.isprintable()
    written = json.dumps(attack)[1:-1]
    expected = f"{written} L{written} {written}" if color else f"[L{written} {written}] {written}"
    assert plain == expected
    (heading, _) = highlight_corpus([from_words("a", ["x"], meta={"document": attack})], color=False)
    assert heading == f"==> {written} <==\n"


@given(st.text())
def test_nothing_that_acts_is_left_and_the_rest_is_as_it_was(text: str) -> None:
    shown = visible(text)
    # characters that Unicode has not assigned yet do nothing, and count as unprintable
    quiet = [character for character in shown if character < "\u200c" and unicodedata.category(character) != "Cn"]
    assert all(character.isprintable() or character.isspace() for character in quiet)
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", shown
    )
    # what is written out reads back as JSON reads it
    assert json.loads(f'"{shown}"' if not re.search(r'["\\]', text) else json.dumps(text)) == text


@pytest.mark.parametrize(
    "text", ["Zürich 北京 😀 été", "می\u200cخواهم", "👩\u200d🚀", "10\u00a0000", "\u3000x", "a\\b [x]"]
)
def test_ordinary_writing_stays(text: str) -> None:
    assert visible(text) == text


def test_what_is_to_be_kept_is_kept() -> None:
    assert visible("a\tb\n\x1b", keep="\n\t") == "a\tb\n\\u001b"


def test_each_document_is_headed_by_its_name() -> None:
    sentences = [from_words(str(n), ["x"], meta={"document": name}) for n, name in enumerate("aab")]
    assert "".join(highlight_corpus(sentences, color=False)) == "==> a <==\nx\nx\n\n==> b <==\nx\n"
    assert "".join(highlight_corpus([from_words("0", ["x"])], color=False)) == "x\n"
