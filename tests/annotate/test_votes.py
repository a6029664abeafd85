"""Votes are counted in two stages, whatever order the answers come in."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.votes import count_tags, count_votes
from nerkd_local.records import Span, from_words

PER, ORG, LOC = (Span(0, 3, label) for label in ("PER", "ORG", "LOC"))
LONG, TAIL = Span(0, 7, "ORG"), Span(4, 7, "PER")
DOCUMENT = from_words("d", ["Ann", "Lee", "met", "Bob"])


@pytest.mark.parametrize(
    ("answers", "spans", "votes", "type_votes"),
    [
        ([[PER]], [PER], [1.0], [1.0]),
        ([[], []], [], [], []),
        # at least half of the answers, the first one among them
        ([[PER], []], [PER], [0.5], [1.0]),
        ([[], [PER], []], [], [], []),
        # a mention that all have stays, though no type has a majority; then the type most have
        ([[PER], [ORG], [LOC], [LOC]], [LOC], [1.0], [0.5]),
        # of types equally frequent the first answer's, or else the first by name
        ([[PER], [ORG], [ORG], [PER]], [PER], [1.0], [0.5]),
        ([[LOC], [PER], [PER], [ORG], [ORG]], [ORG], [1.0], [0.4]),
        ([[], [PER], [ORG], []], [ORG], [0.5], [0.5]),
        # of mentions that overlap: more votes, then the longer, then the earlier
        ([[PER, TAIL], [PER], [LONG], [LONG, Span(8, 9, "PER")], [LONG]], [LONG], [0.6], [1.0]),
        ([[PER, TAIL], [LONG]], [LONG], [0.5], [1.0]),
        ([[Span(0, 5, "PER")], [Span(4, 9, "PER")]], [Span(0, 5, "PER")], [0.5], [1.0]),
        ([[PER, TAIL], [PER, TAIL], [LONG], [LONG]], [LONG], [0.5], [1.0]),
    ],
)
def test_what_answers_agree_on(
    answers: list[list[Span]], spans: list[Span], votes: list[float], type_votes: list[float]
) -> None:
    ballot = count_votes(answers)
    assert list(ballot.spans) == spans
    assert list(ballot.votes) == pytest.approx(votes)
    assert list(ballot.type_votes) == pytest.approx(type_votes)


@st.composite
def answers(draw: st.DrawFn) -> list[tuple[Span, ...]]:
    """Answers about one text: spans that do not overlap within one."""
    found = []
    for _ in range(draw(st.integers(1, 6))):
        borders = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
        pairs = list(zip(borders[::2], borders[1::2], strict=False))
        found.append(tuple(Span(start, end, draw(st.sampled_from(["A", "B", "C"]))) for start, end in pairs))
    return found


@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_the_further_answers_changes_nothing(answers: list[tuple[Span, ...]], shuffled: Random) -> None:
    first, *further = answers
    ballot = count_votes(answers)
    shuffled.shuffle(further)
    assert count_votes([first, *further]) == ballot


@given(answers())
def test_kept_mentions_are_in_order_apart_and_of_at_least_half(answers: list[tuple[Span, ...]]) -> None:
    ballot = count_votes(answers)
    assert all(one.end <= other.start for one, other in zip(ballot.spans, ballot.spans[1:], strict=False))
    for span, votes, type_votes in zip(ballot.spans, ballot.votes, ballot.type_votes, strict=True):
        having = [answer for answer in answers if any((s.start, s.end) == (span.start, span.end) for s in answer)]
        assert votes == pytest.approx(len(having) / len(answers), abs=1e-4)
        assert 2 * len(having) >= len(answers)
        assert type_votes == pytest.approx(sum(span in answer for answer in having) / len(having), abs=1e-4)


@given(answers())
def test_an_answer_given_by_all_is_what_they_agree_on(answers: list[tuple[Span, ...]]) -> None:
    ballot = count_votes([answers[0]] * 3)
    assert ballot.spans == answers[0]
    assert set(ballot.votes) | set(ballot.type_votes) <= {1.0}


def test_tags_have_the_share_of_the_answers_that_give_them() -> None:
    shares = count_tags(DOCUMENT, [[LONG], [LONG], [PER], []])
    assert shares == [{"B-ORG": 0.5, "B-PER": 0.25, "O": 0.25}, {"I-ORG": 0.5, "O": 0.5}, {"O": 1.0}, {"O": 1.0}]
