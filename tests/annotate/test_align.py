"""From mentions as written to places in the text: hand-made tables, and properties over any input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.align import MENTION_STATES, align
from nerkd_local.annotate.formats import Mention
from nerkd_local.records import Document, from_words

LABELS = ("PER", "LOC", "ORG")


def aligned(words: str, *mentions: str) -> tuple[list[str], list[str]]:
    """Mentions are written `LABEL:text`; spans come back the same way, with their start."""
    document = from_words("d", words.split(" "))
    parsed = [Mention(text, label) for label, _, text in (mention.partition(":") for mention in mentions)]
    result = align(document, parsed, LABELS)
    spans = [f"{s.start}:{s.label}:{document.text[s.start : s.end]}" for s in result.spans]
    return spans, list(result.states)


@pytest.mark.parametrize(
    ("words", "mentions", "spans", "states"),
    [
        ("Bonn met Paris", ["LOC:Bonn", "LOC:Paris"], ["0:LOC:Bonn", "9:LOC:Paris"], ["accepted"] * 2),
        # every occurrence, in order: each mention gets its own place
        ("Ajax v Ajax", ["ORG:Ajax", "ORG:Ajax"], ["0:ORG:Ajax", "7:ORG:Ajax"], ["accepted"] * 2),
        ("Ajax v Ajax", ["ORG:Ajax"] * 3, ["0:ORG:Ajax", "7:ORG:Ajax"], ["accepted", "accepted", "duplicate"]),
        # what comes before pins the place: the second Jordan is meant
        (
            "Jordan : Ann met Jordan",
            ["PER:Ann", "PER:Jordan"],
            ["9:PER:Ann", "17:PER:Jordan"],
            ["accepted"] * 2,
        ),
        # out of order: placed, and said so
        ("Bonn met Paris", ["LOC:Paris", "LOC:Bonn"], ["0:LOC:Bonn", "9:LOC:Paris"], ["accepted", "repaired"]),
        # the longest ordered chain wins over the first mention
        (
            "a Bonn Kiel Ulm b Rom",
            ["LOC:Rom", "LOC:Bonn", "LOC:Kiel", "LOC:Ulm"],
            ["2:LOC:Bonn", "7:LOC:Kiel", "12:LOC:Ulm", "18:LOC:Rom"],
            ["repaired", "accepted", "accepted", "accepted"],
        ),
        ("West Ham", ["ORG:West Ham", "LOC:West"], ["0:ORG:West Ham"], ["accepted", "overlap"]),
        ("Bonn", ["LOC:Bonn", "ORG:Bonn"], ["0:LOC:Bonn"], ["accepted", "overlap"]),
        ("Bonn", ["LOC:Berlin"], [], ["hallucinated"]),
        ("Bonn", ["CITY:Bonn"], [], ["bad_type"]),
        # folded: case, quotes, white space
        ("BONN said", ["LOC:Bonn"], ["0:LOC:BONN"], ["repaired"]),
        ("O’Neil won", ["PER:O'Neil"], ["0:PER:O’Neil"], ["repaired"]),
        ("New York won", ["LOC:New  York"], ["0:LOC:New York"], ["repaired"]),
        # widened to whole tokens, but never from inside a word
        ("Germany's team", ["LOC:Germany"], ["0:LOC:Germany's"], ["repaired"]),
        ("RUSSIA won", ["LOC:US"], [], ["hallucinated"]),
        ("Indians won", ["LOC:Indian"], [], ["hallucinated"]),
        ("xBonn Kiel", ["LOC:Bonn Kiel"], [], ["hallucinated"]),
        # verbatim on token borders goes before widening
        ("Bonn-based Bonn", ["LOC:Bonn"], ["11:LOC:Bonn"], ["accepted"]),
        ("x", [], [], []),
    ],
)
def test_mentions_are_placed_as_derived_by_hand(
    words: str, mentions: list[str], spans: list[str], states: list[str]
) -> None:
    assert aligned(words, *mentions) == (spans, states)


def test_offsets_survive_characters_that_change_length_when_folded() -> None:
    # a dotted capital I lower-cases to two characters; text.lower().find() would be one off behind it
    document = from_words("d", ["İİİ", "in", "BONN"])
    result = align(document, [Mention("Bonn", "LOC")], LABELS)
    assert [(s.start, s.end) for s in result.spans] == [(7, 11)]


def test_composed_and_decomposed_accents_meet() -> None:
    document = from_words("d", ["Zu\u0308rich"])
    assert align(document, [Mention("Zürich", "LOC")], LABELS).states == ("repaired",)


def test_a_document_without_tokens_takes_no_mention() -> None:
    assert align(Document("d", "Bonn", ()), [Mention("Bonn", "LOC")], LABELS).states == ("hallucinated",)


words = st.lists(
    st.sampled_from(["a", "B", "b", "ab", "A-b", "é", "É", "İ", "İi", "ﬁ", "fi", "'"]), min_size=1, max_size=12
)
mentions = st.lists(
    st.builds(
        Mention,
        st.one_of(
            st.lists(st.sampled_from(["a", "b", "ab", "É", "fi", "i", "-b", "’"]), min_size=1, max_size=3).map(
                " ".join
            ),
            st.text(min_size=1, max_size=3),
        ),
        st.sampled_from([*LABELS, "ODD"]),
    ),
    max_size=12,
)


@given(words, mentions)
def test_every_mention_has_one_state_and_every_span_a_mention(words: list[str], mentions: list[Mention]) -> None:
    document = from_words("d", words)
    result = align(document, mentions, LABELS)
    assert len(result.states) == len(mentions)
    assert set(result.states) <= set(MENTION_STATES)
    assert len(result.spans) == sum(state in ("accepted", "repaired") for state in result.states)
    # Document refuses spans that overlap, are out of order or off token borders
    Document("d", document.text, document.tokens, result.spans)
    texts = {(document.text[s.start : s.end], s.label) for s in result.spans}
    for mention, state in zip(mentions, result.states, strict=True):
        if state == "accepted":
            assert (mention.text, mention.label) in texts
        assert (state == "bad_type") == (mention.label not in LABELS)


@st.composite
def documents_with_gold(draw: st.DrawFn) -> tuple[Document, list[Mention]]:
    words = draw(
        st.lists(st.sampled_from(["Bonn", "Ann", "in", "the", "U.S.", "New", "York"]), min_size=1, max_size=15)
    )
    flat = from_words("d", words)
    mentions, position = [], 0
    while position < len(words):
        length = draw(st.integers(0, 2))
        if length and position + length <= len(words):
            start, end = flat.tokens[position][0], flat.tokens[position + length - 1][1]
            mentions.append((start, end, draw(st.sampled_from(LABELS))))
        position += max(length, 1)
    return flat, [Mention(flat.text[s:e], label) for s, e, label in mentions]


@given(documents_with_gold())
def test_a_perfect_answer_loses_no_mention(example: tuple[Document, list[Mention]]) -> None:
    document, mentions = example
    assert set(align(document, mentions, LABELS).states) <= {"accepted"}
