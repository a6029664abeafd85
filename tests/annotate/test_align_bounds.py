"""The work of an alignment is bounded whatever is answered, and below the bounds the result is the plain one."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.annotate import align as align_module
from nerkd_local.annotate import places as places_module
from nerkd_local.annotate.align import align
from nerkd_local.annotate.formats import LONGEST_ANSWER, Mention
from nerkd_local.records import Document, from_words
from tests.annotate.plain_align import plain_align

LABELS = ("PER", "LOC")

few_words = st.sampled_from(["a", "b", "A", "ab", "a-b", "b's", "é", "e\u0301", "ﬁ", "İ", "'", "a a"])
texts = st.lists(few_words, min_size=1, max_size=10)


@st.composite
def documents_with_answers(draw: st.DrawFn) -> tuple[Document, list[Mention]]:
    """Few different words, so that most mentions have many places; mentions from the text, in order or shuffled."""
    words = draw(texts)
    document = from_words("d", words)
    if draw(st.booleans()):  # tokens that stand side by side, as in "a-b"
        tokens = [(start, start + 1) for start, _ in document.tokens]
        rest = [(s + 1, e) for s, e in document.tokens if e - s > 1 and not document.text[s + 1].isspace()]
        document = Document("d", document.text, tuple(sorted({*tokens, *rest})))
    ranges = st.tuples(st.integers(0, len(words) - 1), st.integers(1, 3))
    cuts = draw(st.lists(ranges, max_size=10))
    if draw(st.booleans()):
        cuts.sort()
    parts = [" ".join(words[start : start + length]) for start, length in cuts]
    parts += draw(st.lists(st.one_of(few_words, st.just("")), max_size=3))
    size = len(document.text)
    pieces = st.tuples(st.integers(0, size), st.integers(0, 4)).map(lambda cut: document.text[cut[0] : sum(cut)])
    parts += draw(st.lists(pieces, max_size=6))
    label = st.sampled_from([*LABELS, *LABELS, *LABELS, "ODD"])
    return document, [Mention(part, draw(label)) for part in parts]


@settings(max_examples=500)
@given(documents_with_answers())
def test_the_result_is_the_plain_one_ties_included(example: tuple[Document, list[Mention]]) -> None:
    document, mentions = example
    result = align(document, mentions, LABELS)
    spans, states = plain_align(document, mentions, LABELS)
    assert list(result.spans) == spans
    assert list(result.states) == states


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=8), st.lists(st.integers(0, 30), max_size=8))
def test_an_answer_in_order_gives_what_the_whole_search_gives(words: list[str], cuts: list[int]) -> None:
    document = from_words("d", words)
    mentions = [Mention(words[cut % len(words)], LABELS[cut % 2]) for cut in sorted(cuts, key=lambda c: c % len(words))]
    result = align(document, mentions, LABELS)
    assert (list(result.spans), list(result.states)) == plain_align(document, mentions, LABELS)


def test_one_name_ten_thousand_times_is_placed_as_often_as_it_stands() -> None:
    document = from_words("d", ["a"] * 400)
    states = Counter(align(document, [Mention("a", "PER")] * 10_000, LABELS).states)
    # 125 mentions of 400 places each are weighed against each other; the other 275 places are filled one by one
    assert align_module.PAIRS_IN_ORDER == 125 * 400
    assert states == {"accepted": 125, "repaired": 275, "duplicate": 9_600}


def test_behind_a_name_too_many_others_are_still_placed_in_order() -> None:
    document = from_words("d", ["a"] * 399 + ["Bonn", "Kiel"])  # 125 * 399 pairs leave room for a few more
    mentions = [Mention("a", "PER")] * 500 + [Mention("Kiel", "LOC"), Mention("Bonn", "LOC"), Mention("a", "LOC")]
    result = align(document, mentions, LABELS)
    assert result.states[500:] == ("repaired", "accepted", "overlap")
    assert len(result.spans) == 401


def test_what_is_not_looked_for_any_more_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "LOOKS", 8)
    document = from_words("d", ["Ann", "met", "Bo", "in", "Ulm", "x", "x", "x", "x", "x"])
    names = ["Bo", "Ann", "x", "Ulm", "Bo", "Berlin"]
    result = align(document, [Mention(name, "PER") for name in names], LABELS)
    # two looks each for Bo and Ann: the place, and that there is no other; x would take six
    assert result.states == ("duplicate", "accepted", "malformed", "malformed", "accepted", "malformed")


HOSTILE = {
    "one name": ["a"] * (LONGEST_ANSWER // 6),
    "every run of words": [" ".join(["a"] * count) for count in range(1, 440)],
    "names that are not there": [f"x{number}" for number in range(10_000)],
    "long ones that nearly fit": ["a " * 49 + f"b{number}" for number in range(900)],
    "inside words": ["aa"] * 9_000,
    "folded": ["A"] * 9_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("text", [["a"] * 5_000, ["a" * 30_000], ["a\u0301" * 20, "a"] * 300])
def test_searching_and_weighing_are_bounded(name: str, text: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    looked = weighed = 0
    find, chain = places_module.Places._find, align_module._Chain

    def count_find(self: places_module.Places, *wanted: object) -> int:
        nonlocal looked
        looked += 1
        return find(self, *wanted)  # type: ignore[arg-type]

    def count_chain(*fields: object) -> object:
        nonlocal weighed
        weighed += 1
        return chain(*fields)  # type: ignore[arg-type]

    monkeypatch.setattr(places_module.Places, "_find", count_find)
    monkeypatch.setattr(align_module, "_Chain", count_chain)
    mentions = [Mention(mention, LABELS[number % 2]) for number, mention in enumerate(HOSTILE[name])]
    document = from_words("d", text)
    result = align(document, mentions, LABELS)
    assert looked <= places_module.LOOKS + 2 * len(mentions)
    assert weighed <= align_module.PAIRS_IN_ORDER
    assert len(result.states) == len(mentions)
    Document("d", document.text, document.tokens, result.spans)
