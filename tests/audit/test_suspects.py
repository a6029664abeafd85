"""Suspects by hand: what is said of one place, how much it weighs, and in which order places come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.audit.suspects import Suspect, find_suspects, places
from nerkd_local.records import CONFIDENCES, Document, Span, from_words
from nerkd_local.select.opinions import Opinion

WORDS = ["Ann", "Lee", "saw", "Bonn"]
ANN, LEE, BOTH = Span(0, 3, "PER"), Span(4, 7, "PER"), Span(0, 7, "PER")
BONN, FALSE_BONN = Span(12, 16, "LOC"), Span(12, 16, "PER")


def document(*spans: Span, **meta: Any) -> Document:
    return from_words("d", WORDS, spans, meta)


def suspects(human: Document, opinion: Opinion, answer: Document | None = None) -> list[Suspect]:
    return find_suspects([human], {"d": opinion}, None if answer is None else {"d": answer})


@pytest.mark.parametrize(
    ("human", "student", "confidences", "of_labels", "of_nothing", "kind", "score", "suggestion"),
    [
        ((FALSE_BONN,), (BONN,), (0.8,), (0.1,), (0.05,), "type", 0.8 * 0.9, (BONN,)),
        ((ANN,), (BOTH,), (0.6,), (0.2,), (0.1,), "boundary", 0.6 * 0.8, (BOTH,)),
        # of two mentions the less likely one counts
        ((ANN, LEE), (BOTH,), (0.6,), (0.2, 0.1), (0.1, 0.1), "boundary", 0.6 * 0.9, (BOTH,)),
        ((BONN,), (), (), (0.05,), (0.9,), "spurious", 0.9 * 0.95, ()),
        ((BONN,), (), (), (0.05,), (), "spurious", 1 - 0.05, ()),
        ((), (BONN,), (0.7,), (), (), "missed", 0.7, (BONN,)),
    ],
)
def test_a_place_is_doubted_by_what_the_student_has_there_instead(
    human: tuple[Span, ...],
    student: tuple[Span, ...],
    confidences: tuple[float, ...],
    of_labels: tuple[float, ...],
    of_nothing: tuple[float, ...],
    kind: str,
    score: float,
    suggestion: tuple[Span, ...],
) -> None:
    (found,) = suspects(document(*human), Opinion(student, confidences, of_labels, of_nothing))
    assert (found.kind, found.labels, found.suggestion) == (kind, human, suggestion)
    assert found.score == pytest.approx(score, abs=1e-6)
    assert found.evidence["student"] == found.score


def test_where_all_agree_nothing_is_suspect_and_places_do_not_mix() -> None:
    opinion = Opinion((BOTH, BONN), (0.9, 0.6), (0.9, 0.3), (0.0, 0.1))
    (found,) = suspects(document(BOTH, FALSE_BONN), opinion)
    assert (found.start, found.end, found.labels) == (12, 16, (FALSE_BONN,))
    assert suspects(document(BOTH, BONN), opinion) == []


def test_a_mention_that_runs_over_two_makes_one_place_of_them() -> None:
    assert places([LEE, BONN, BOTH, ANN]) == [{ANN, LEE, BOTH}, {BONN}]
    assert places([Span(0, 3, "A"), Span(3, 5, "A")]) == [{Span(0, 3, "A")}, {Span(3, 5, "A")}]
    assert places([]) == []


def test_each_voice_weighs_as_much_as_it_agrees_with_the_human_labels() -> None:
    human = document(BOTH, FALSE_BONN)
    # the student has one of two right, so F1 is 1/2; the annotator one of three mentions, F1 2/5
    opinion = Opinion((BOTH, BONN), (0.9, 0.6), (0.9, 0.3), (0.0, 0.1))
    answer = document(BOTH, Span(8, 11, "LOC"), BONN)
    by_place = {suspect.start: suspect for suspect in suspects(human, opinion, answer)}
    doubt = 0.6 * 0.7
    assert by_place[12].score == pytest.approx((0.5 * doubt + 0.4 * 1) / 0.9, abs=1e-6)
    assert by_place[12].evidence["annotator"] == 1
    # only the annotator has something there
    assert by_place[8].score == pytest.approx(0.4 / 0.9, abs=1e-6)
    assert (by_place[8].kind, by_place[8].suggestion) == ("missed", (Span(8, 11, "LOC"),))
    # an annotator that agrees with the human speaks for the label
    (alone,) = suspects(human, opinion, document(BOTH, FALSE_BONN))
    assert alone.score == pytest.approx(0.5 * doubt / 1.5, abs=1e-6)


def test_an_annotator_that_says_how_sure_it_is_is_heard_so_and_one_without_an_answer_is_not() -> None:
    human, opinion = document(FALSE_BONN), Opinion((BONN,), (0.6,), (0.3,), (0.1,))
    sure = document(BOTH, BONN, **{CONFIDENCES: [0.9, 0.25]})
    scores = {suspect.start: suspect for suspect in suspects(human, opinion, sure)}
    assert scores[12].evidence["annotator"] == 0.25
    (unheard,) = suspects(human, opinion, document(BONN, status="malformed"))
    assert unheard.score == pytest.approx(0.6 * 0.7, abs=1e-6)
    assert "annotator" not in unheard.evidence


PROBABILITIES = st.floats(0, 1)


@given(st.data())
def test_scores_are_in_the_unit_interval_and_ranked(data: st.DataObject) -> None:
    choices = st.lists(st.sampled_from([ANN, LEE, BONN, FALSE_BONN, BOTH]), max_size=3)

    def some() -> tuple[Span, ...]:
        kept: list[Span] = []
        for span in sorted(set(data.draw(choices)), key=lambda span: span.start):
            if not kept or kept[-1].end <= span.start:
                kept.append(span)
        return tuple(kept)

    documents, opinions, answers = [], {}, {}
    for id in ("a", "b"):
        human, student = some(), some()
        numbers = [tuple(data.draw(PROBABILITIES) for _ in spans) for spans in (student, human, human)]
        documents.append(from_words(id, WORDS, human))
        opinions[id] = Opinion(student, *numbers)
        answers[id] = from_words(id, WORDS, some())
    found = find_suspects(documents, opinions, answers)
    scores = [suspect.score for suspect in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    for each in found:
        assert each.start < each.end
        assert each.labels != each.suggestion
        assert (each.kind == "missed") == (not each.labels)
