"""What tokens say of mentions, by hand."""

from __future__ import annotations

import math

import pytest

from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reading import read_answer
from nerkd_local.annotate.signals import answer_logprob, confidence_of, signals_of
from nerkd_local.annotate.token_logprobs import TokenLogprobs
from nerkd_local.records import from_words

LABELS = {"PER": "people", "LOC": "places"}


def tokens(*pieces: tuple[str, float], end: float | None = None, masked: bool = False) -> TokenLogprobs:
    return TokenLogprobs(masked, pieces, end)


LINES = tokens(
    ("PER", -0.1), ("\t", -0.2), ("Ann", -0.3), (" Lee", -0.4), ("\n", -0.5), ("LO", -0.6), ("C\tBo", -0.7),
    ("nn", -0.8), end=-0.9,
)  # fmt: skip


def test_signals_in_lines() -> None:
    text = "".join(piece for piece, _ in LINES.tokens)
    assert text == "PER\tAnn Lee\nLOC\tBonn"
    sentence = round(-(0.1 + 0.2 + 0.3 + 0.4 + 0.5 + 0.6 + 0.7 + 0.8 + 0.9) / 9, 4)
    assert signals_of(answer_format("lines").parse(text).mentions, LINES) == [
        {"mention": -0.7, "mention_mean": -0.35, "mention_min": -0.4, "label": -0.1, "sentence": sentence},
        # the token between is partly the type, partly the mention, and counts for both
        {"mention": -1.5, "mention_mean": -0.75, "mention_min": -0.8, "label": -1.3, "sentence": sentence},
    ]


def test_signals_in_json_behind_reasoning() -> None:
    kept = tokens(
        ("1. Ann\n2. b\n3. c\n4. d\nAnswer:\n", -9.0), ('{"entities": [{"text": "', 0.0), ("An", -0.25), ("n", -0.5),
        ('", "', 0.0), ('type": "', 0.0), ("PER", -0.125), ('"}]}', 0.0), end=-0.125, masked=True,
    )  # fmt: skip
    text = "".join(piece for piece, _ in kept.tokens)
    prompt = Prompt("cot", LABELS, answer_format("json"))
    reading = read_answer(from_words("d", ["Ann", "left"]), text, "stop", prompt, LABELS, constrained=True)
    (found,) = signals_of(reading.sources, kept, tell_masked=True)
    assert found == {
        "mention": -0.75,
        "mention_mean": -0.375,
        "mention_min": -0.5,
        "label": -0.125,
        "sentence": round(-10 / 9, 4),
        "masked": 1.0,
    }


def test_each_span_has_the_signals_of_the_mention_it_was_read_from() -> None:
    # Lee is placed late and stands first in the text; Atlantis stands nowhere
    kept = tokens(
        ("PER\tBob", -0.1), ("\nLOC\tAtlantis", -0.2), ("\nPER\tLee", -0.3), end=0.0,
    )  # fmt: skip
    text = "".join(piece for piece, _ in kept.tokens)
    document = from_words("d", ["Lee", "met", "Bob"])
    reading = read_answer(
        document, text, "stop", Prompt("standard", LABELS, answer_format("lines")), LABELS, constrained=True
    )
    assert [document.text[span.start : span.end] for span in reading.spans] == ["Lee", "Bob"]
    assert [of_span["mention"] for of_span in signals_of(reading.sources, kept)] == [-0.3, -0.1]


def test_the_mean_over_an_answer_counts_its_end() -> None:
    assert answer_logprob(tokens(("NONE", -0.3), end=-0.1)) == -0.2
    assert answer_logprob(tokens(("NONE", -0.3))) == -0.3
    assert answer_logprob(tokens()) == 0.0


@pytest.mark.parametrize(
    ("signals", "confidence"),
    [
        ({}, 0.5),
        ({"mention": math.log(0.5), "label": math.log(0.8)}, 0.4),
        ({"mention": math.log(0.5), "label": math.log(0.8), "verified": 0.5}, 0.2),
        ({"mention": -1.0, "label": -1.0, "votes": 0.8, "type_votes": 0.75}, 0.6),
        ({"votes": 0.8, "type_votes": 0.75, "verified": 0.0}, 0.0),
        ({"verified": 0.9}, 0.9),
        ({"sentence": -1.0}, 0.5),
    ],
)
def test_one_confidence_is_made_of_them(signals: dict[str, float], confidence: float) -> None:
    assert confidence_of(signals) == pytest.approx(confidence, abs=1e-6)


def test_a_mention_of_no_answer_has_none() -> None:
    assert signals_of([Mention("Ann", "PER")], LINES) == [{}]
