"""A raw answer becomes labels and one state for everything in it."""

from __future__ import annotations

import pytest

from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reading import Reading, read_answer
from nerkd_local.records import Span, from_words

LABELS = {"PER": "people", "LOC": "places"}
PROMPT = Prompt("standard", LABELS, answer_format("lines"))
DOCUMENT = from_words("s:0", ["Ann", "saw", "Bonn"])
ANN = Span(0, 3, "PER")


@pytest.mark.parametrize(
    ("answer", "reason", "reading"),
    [
        ("PER\tAnn", "stop", Reading("annotated", (ANN,), {"accepted": 1})),
        ("NONE", "stop", Reading("annotated")),
        ("PER\tAnn\nwell", "stop", Reading("annotated", (ANN,), {"accepted": 1, "malformed": 1})),
        ("well, well", "stop", Reading("malformed", (), {"malformed": 1})),
        ("PER\tAnn\nLOC\tBo", "length", Reading("truncated", (), {"truncated": 2})),
        ("NONE", "length", Reading("truncated")),
        ("PER\tAnn\nPER\tAnn\nwell", "loop", Reading("looped", (), {"truncated": 3})),
        ("", "too_long", Reading("too_long")),
        ("", "failed", Reading("quarantined")),
    ],
)
def test_each_end_has_its_state(answer: str, reason: str, reading: Reading) -> None:
    assert read_answer(DOCUMENT, answer, reason, PROMPT, LABELS, constrained=True) == reading
