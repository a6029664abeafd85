"""Asked briefly first, in full where needed: one completion each, the same as in full at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.attempts import Attempts, Question
from nerkd_local.annotate.completer import Completion, FinishReason, Message, Request
from tests.fakes.completer import ScriptedCompleter

CONSTRAINT = "NONE|(PER)\\t[^\\t\\n]+"


def question(key: int, *, brief_tokens: int = 10, free: bool = True) -> Question:
    messages = (Message("user", f"Text: t{key}"),)
    full = Request(key, messages, 50, CONSTRAINT, stop_loops=True)
    return Question(full, Request(key, messages, brief_tokens, None if free else CONSTRAINT, stop_loops=True))


class GreedyFake(ScriptedCompleter):
    """A fake model with one likeliest answer a text, in characters for tokens, that a constraint turns to `NONE`."""

    def __init__(self, answers: dict[int, str], in_flight: int = 4, seed: int = 0) -> None:
        super().__init__(lambda text: ("", "stop"), in_flight=in_flight, seed=seed)
        self.answers = answers
        self.requests: list[Request] = []

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        seen: dict[int, Request] = {}

        def noted() -> Iterator[Request | None]:
            for request in requests:
                if request is not None:
                    seen[request.key] = request
                    self.requests.append(request)
                yield request

        for completion in super().complete(noted()):
            request = seen[completion.key]
            text = self.answers[request.key]
            if request.constraint and not re.fullmatch(request.constraint, text):
                text = "NONE"
            reason: FinishReason = "stop"
            if text.endswith("..."):
                text, reason = text[: request.max_tokens], "loop"
            elif len(text) > request.max_tokens:
                text, reason = text[: request.max_tokens], "length"
            yield Completion(request.key, text, reason, 7, len(text))


@pytest.mark.parametrize(
    ("answer", "asked", "reason"),
    [
        ("NONE", 1, None),
        ("PER\tAnn", 1, None),
        ("I think", 2, "not in the format"),
        ("PER\tAnn of Bonn", 2, "cut off"),
        ("a b a b...", 2, "going round"),
        ("PER\tAnn...", 2, "going round"),
        ("PER\tx" + "y" * 60, 3, "cut off"),  # more room, then the constraint, and still not whole
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again(answer: str, asked: int, reason: str | None) -> None:
    fake = GreedyFake({3: answer})
    attempts = Attempts(fake)
    (completion,) = attempts.complete([question(3)])
    (expected,) = GreedyFake({3: answer}).complete([question(3).full])
    assert completion == expected
    assert len(fake.requests) == asked
    assert dict(attempts.repeated) == ({reason: asked - 1} if reason else {})
    assert (attempts.spent_prompt > 0) == (asked > 1)


@pytest.mark.parametrize(("answer", "asked"), [("PER\tAnn", 1), ("PER\tBob", 2)])
def test_where_a_grammar_constrains_it_says_what_fits(answer: str, asked: int) -> None:
    plain = question(3)
    grammar = replace(plain, full=replace(plain.full, grammar="root ::= ..."), admits=lambda text: "Ann" in text)
    fake = GreedyFake({3: answer})
    assert len(list(Attempts(fake).complete([grammar]))) == 1
    assert [request.grammar for request in fake.requests] == [None, "root ::= ..."][:asked]


ANSWERS = st.sampled_from(["NONE", "PER\tAnn", "PER\tAnn of Bonn and more", "prose", "x...", "PER\t" + "n" * 99])


@given(st.lists(ANSWERS, max_size=30), st.integers(1, 9), st.integers(0, 99))
def test_answers_are_those_of_asking_in_full_at_once(answers: list[str], in_flight: int, seed: int) -> None:
    known = dict(enumerate(answers))
    questions = [question(number) for number in known]
    attempts = Attempts(GreedyFake(known, in_flight, seed))
    found = sorted(attempts.complete(questions), key=lambda completion: completion.key)
    plain = sorted(GreedyFake(known).complete([q.full for q in questions]), key=lambda completion: completion.key)
    assert found == plain


def test_a_loop_that_the_constraint_admits_is_not_asked_about_again() -> None:
    fake = GreedyFake({0: "PER\tx..."})
    attempts = Attempts(fake)
    assert [c.finish_reason for c in attempts.complete([question(0, free=False)])] == ["loop"]
    assert len(fake.requests) == 1


def test_pauses_are_handed_on_and_lose_nothing() -> None:
    fake = GreedyFake(dict.fromkeys(range(6), "prose"))
    pausing = [question(0), question(1), None, question(2), question(3), None, question(4), question(5)]
    assert {completion.key for completion in Attempts(fake).complete(pausing)} == set(range(6))
    assert len(fake.requests) == 12


def test_a_model_that_does_not_follow_the_format_is_held_to_it_from_the_start() -> None:
    fake = GreedyFake(dict.fromkeys(range(500), "prose"))
    assert len(list(Attempts(fake).complete(question(number) for number in range(500)))) == 500
    free = sum(request.constraint is None for request in fake.requests)
    assert 64 <= free < 80  # the trial, and what was in flight with it
    assert len(fake.requests) == 500 + free


def test_one_that_mostly_does_is_left_free() -> None:
    fake = GreedyFake({number: "NONE" if number % 8 else "prose" for number in range(400)})
    assert len(list(Attempts(fake).complete(question(number) for number in range(400)))) == 400
    assert sum(request.constraint is not None for request in fake.requests) == 50
