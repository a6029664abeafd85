from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from nerkd_local.corpus.schemes import (
    Scheme,
    TagError,
    detect_scheme,
    spans_to_tags,
    tags_to_spans,
    to_iob2,
)
from nerkd_local.records import Document, Span, from_words

LABELS = st.sampled_from(["PER", "LOC", "creative-work"])
ANY_IOB = st.lists(st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from("BI"), LABELS)))
RUNS = st.lists(st.tuples(st.one_of(st.none(), LABELS), st.integers(1, 4)), max_size=8)

# The same four mentions by hand in each scheme: two words, one touching it, one apart, two touching that.
WRITTEN: dict[Scheme, list[str]] = {
    "IOB1": ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG", "I-ORG"],
    "IOB2": ["B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-ORG", "I-ORG"],
    "BIOES": ["B-PER", "E-PER", "S-PER", "O", "S-LOC", "B-ORG", "E-ORG"],
}


def offsets(count: int) -> list[tuple[int, int]]:
    return [(2 * index, 2 * index + 1) for index in range(count)]


def written(runs: list[tuple[str | None, int]], scheme: Scheme) -> list[str]:
    """Tags of the runs (label or None for outside, length), straight from the definition of the scheme."""
    tags: list[str] = []
    before = None
    for label, length in runs:
        if label is None:
            tags += ["O"] * length
        elif scheme == "IOB1":
            tags += [f"{'B' if before == label else 'I'}-{label}"] + [f"I-{label}"] * (length - 1)
        elif scheme == "IOB2":
            tags += [f"B-{label}"] + [f"I-{label}"] * (length - 1)
        elif length == 1:
            tags += [f"S-{label}"]
        else:
            tags += [f"B-{label}", *[f"I-{label}"] * (length - 2), f"E-{label}"]
        before = label
    return tags


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES"])
def test_each_scheme_is_recognised_and_becomes_the_same_iob2(scheme: Scheme) -> None:
    assert detect_scheme([WRITTEN[scheme]]).scheme == scheme
    assert to_iob2(WRITTEN[scheme], scheme) == WRITTEN["IOB2"]


def test_bilou_is_bioes_with_other_letters() -> None:
    bilou = ["B-PER", "L-PER", "U-PER", "O", "U-LOC", "B-ORG", "L-ORG"]
    assert detect_scheme([bilou]).scheme == "BIOES"
    assert to_iob2(bilou, "BIOES") == WRITTEN["IOB2"]


@given(runs=RUNS, scheme=st.sampled_from(["IOB1", "IOB2", "BIOES"]))
def test_any_mentions_survive_any_scheme(runs: list[tuple[str | None, int]], scheme: Scheme) -> None:
    assert to_iob2(written(runs, scheme), scheme) == written(runs, "IOB2")


@given(runs=RUNS.filter(lambda runs: any(label for label, _ in runs)))
def test_a_single_sentence_with_a_mention_settles_the_scheme(runs: list[tuple[str | None, int]]) -> None:
    for scheme in ("IOB1", "IOB2", "BIOES"):
        assert detect_scheme([written(runs, scheme)]).scheme == scheme


def test_evidence_is_counted_over_all_sentences() -> None:
    # begins: PER in the first, LOC in the second; the second PER touches its like, so both schemes write B-
    detection = detect_scheme([["B-PER", "B-PER", "I-PER"], ["O", "B-LOC"], []])
    assert detection.evidence == {"begin": 2, "orphan": 0, "closed": 0, "open": 3}


def test_sentences_without_mentions_are_called_iob2() -> None:
    assert detect_scheme([["O", "O"], []]).scheme == "IOB2"
    assert detect_scheme([]).scheme == "IOB2"


def test_mixed_iob_is_refused_with_counts_and_the_place_of_the_rarer_kind() -> None:
    with pytest.raises(TagError, match=r"2 mentions begin with B- .* 1 with I-") as caught:
        detect_scheme([["B-PER"], ["O", "B-LOC"], ["O", "O", "I-ORG"]])
    assert (caught.value.sentence, caught.value.index) == (2, 2)


def test_bioes_with_an_unfinished_mention_is_refused_at_that_mention() -> None:
    with pytest.raises(TagError, match=r"2 E- or S- tags .* 1 mentions without such an end") as caught:
        detect_scheme([["S-PER", "O", "S-PER"], ["O", "B-LOC", "I-LOC", "O"]])
    assert (caught.value.sentence, caught.value.index) == (1, 2)


@pytest.mark.parametrize("tag", ["PER", "B", "B-", "X-PER", "", "o", "B_PER", "B--PER", "B-PER-"])
def test_what_is_no_tag_is_refused_with_its_place(tag: str) -> None:
    with pytest.raises(TagError, match="is no IOB1, IOB2 or BIOES tag") as caught:
        detect_scheme([["O"], ["O", tag]])
    assert (caught.value.sentence, caught.value.index) == (1, 1)


@pytest.mark.parametrize(
    ("tags", "scheme", "index"),
    [
        (["O", "I-PER"], "IOB2", 1),  # after nothing
        (["B-PER", "I-LOC"], "IOB2", 1),  # after another label
        (["B-PER", "E-PER"], "IOB2", 1),  # another scheme's tag
        (["S-PER"], "IOB1", 0),
        (["S-PER", "I-PER"], "BIOES", 1),  # the mention before has ended
        (["B-PER", "O"], "BIOES", 0),  # never ended
        (["B-PER", "I-PER"], "BIOES", 1),
        (["B-PER", "E-LOC"], "BIOES", 0),
    ],
)
def test_tags_against_their_scheme_are_refused(tags: list[str], scheme: Scheme, index: int) -> None:
    with pytest.raises(TagError) as caught:
        to_iob2(tags, scheme)
    assert caught.value.index == index


def test_declared_iob1_reads_mixed_iob_as_mentions() -> None:
    assert to_iob2(["B-PER", "I-PER", "I-LOC", "O", "I-LOC"], "IOB1") == [*("B-PER", "I-PER", "B-LOC", "O", "B-LOC")]


def test_an_orphan_is_dropped_strictly_and_begins_a_mention_leniently() -> None:
    tags = ["B-PER", "I-LOC", "I-LOC", "I-PER", "O"]
    assert tags_to_spans(tags, offsets(5), strict=True) == (Span(0, 1, "PER"),)
    assert tags_to_spans(tags, offsets(5), strict=False) == (
        *(Span(0, 1, "PER"), Span(2, 5, "LOC"), Span(6, 7, "PER")),
    )


@given(tags=ANY_IOB)
def test_strict_reading_equals_seqeval_strict_iob2(tags: list[str]) -> None:
    ours = tags_to_spans(tags, offsets(len(tags)), strict=True)
    theirs = Entities([tags], scheme=IOB2).entities[0]
    assert ours == tuple(Span(2 * entity.start, 2 * entity.end - 1, entity.tag) for entity in theirs)


@given(tags=ANY_IOB)
def test_lenient_reading_equals_seqeval_default(tags: list[str]) -> None:
    ours = tags_to_spans(tags, offsets(len(tags)), strict=False)
    assert ours == tuple(Span(2 * start, 2 * last + 1, label) for label, start, last in get_entities(tags))


@given(runs=RUNS)
def test_spans_and_iob2_tags_round_trip(runs: list[tuple[str | None, int]]) -> None:
    tags = written(runs, "IOB2")
    bare = from_words("a", ["w"] * len(tags))
    spans = tags_to_spans(tags, bare.tokens, strict=True)
    assert spans_to_tags(Document("a", bare.text, bare.tokens, spans)) == tags


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="1 tags for 2 tokens"):
        tags_to_spans(["O"], offsets(2), strict=True)
    with pytest.raises(TagError, match="is no IOB2 tag"):
        tags_to_spans(["S-PER"], offsets(1), strict=True)
