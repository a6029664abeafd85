"""Where a mention and its type stand in the answer is known, in every format and behind whatever came before."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.prompts import Prompt

LABELS = {"PER": "people", "LOC": "places"}
STEPS = "1. a\n2. b\n3. c PER\tno\n4. d\nAnswer:\n"


def pieces(text: str, mentions: tuple[Mention, ...]) -> list[tuple[str, str]]:
    """Each mention and its type, cut out of the answer."""
    found = []
    for mention in mentions:
        assert mention.written is not None
        (start, end), (label_start, label_end) = mention.written
        found.append((text[start:end], text[label_start:label_end]))
    return found


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lines", "PER\tAnn Lee\nLOC\tBonn", [("Ann Lee", "PER"), ("Bonn", "LOC")]),
        ("lines", "\n PER \t  Ann \r\nwell\n\nLOC\tBonn\n", [("Ann", "PER"), ("Bonn", "LOC")]),
        ("lines", "PER\tAnn\tLee", [("Ann\tLee", "PER")]),
        ("json", '{"entities": [{"text": "Ann", "type": "PER"}]}', [("Ann", "PER")]),
        (
            "json",
            '{"entities":[{"type":"PER","text":"Ann"},{"text":"Bonn","type":"LOC"}]}',
            [("Ann", "PER"), ("Bonn", "LOC")],
        ),
        ("json", '```json\n{"entities": [{"text": "Ann", "type": "PER"}]}\n```', [("Ann", "PER")]),
        (
            "json",
            '{"a": ["x", {"text": "y"}], "entities": ["z", {"text": 1, "type": "PER"}, '
            '{"id": {"text": "no"}, "text": "Ann", "why": ["type", "q"], "type": "PER"}], "b": "c"}',
            [("Ann", "PER")],
        ),
        ("json", r'{"entities": [{"text": "\"Q\" \u00e9", "type": "PER"}]}', [(r"\"Q\" \u00e9", "PER")]),
    ],
)
def test_a_mention_knows_where_it_was_written(name: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(text, answer_format(name).parse(text).mentions) == expected


@pytest.mark.parametrize(
    ("thinking", "before"),
    [("none", ""), ("none", "<think>PER\tno</think>\n\n"), ("tags", "PER\tno, so</think>\n")],
)
def test_places_count_from_the_beginning_of_the_whole_answer(thinking: str, before: str) -> None:
    for name in ("standard", "cot"):
        prompt = Prompt(name, LABELS, answer_format("lines"), thinking=thinking)  # type: ignore[arg-type]
        text = before + (STEPS if name == "cot" else "") + "PER\tAnn\nLOC\tBonn"
        assert pieces(text, prompt.read(text, constrained=True).mentions) == [("Ann", "PER"), ("Bonn", "LOC")]


def test_where_it_was_written_is_no_part_of_a_mention() -> None:
    (read,) = answer_format("lines").parse("PER\tAnn").mentions
    assert read == Mention("Ann", "PER")
    assert hash(read) == hash(Mention("Ann", "PER"))
    assert Mention("Ann", "PER").shifted(3).written is None


words = st.text(
    st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8
).filter(lambda text: text == text.strip() and "\n" not in " ".join(text.splitlines()))


@given(st.lists(st.builds(Mention, words, st.sampled_from(["PER", "LOC"])), max_size=5))
def test_what_a_perfect_model_writes_is_found_where_it_is(mentions: list[Mention]) -> None:
    for name in ("lines", "json"):
        text = answer_format(name).write(mentions)
        cut = pieces(text, answer_format(name).parse(text).mentions)
        expected = [(mention.text, mention.label) for mention in mentions]
        assert [(json.loads(f'"{a}"') if name == "json" else a, b) for a, b in cut] == expected
