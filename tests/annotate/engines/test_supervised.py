"""An engine that dies is started again, and what kills it is found; by fake engines. test_worker has real processes."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import Completion, EngineDied, Request
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.stopping import listen_for_stop
from tests.annotate.engines.deadly import DeadlyEngine, request


class Makers:
    """A factory that makes one engine after the other, and remembers them."""

    def __init__(self, *makers: Callable[[], DeadlyEngine]) -> None:
        self.makers = list(makers)
        self.made: list[DeadlyEngine] = []

    def __call__(self) -> DeadlyEngine:
        maker = self.makers.pop(0) if len(self.makers) > 1 else self.makers[0]
        self.made.append(maker())
        return self.made[-1]


def supervised(*makers: Callable[[], DeadlyEngine]) -> tuple[Supervised, Makers, list[str]]:
    factory, said = Makers(*makers), list[str]()
    return Supervised(factory, said.append), factory, said


@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(1, n)))),
    st.integers(1, 20),
    st.integers(0, 5),
)
def test_exactly_the_poison_is_given_up_and_all_else_answered_once(
    corpus: tuple[int, set[int]], in_flight: int, seed: int
) -> None:
    count, poison = corpus
    engine, factory, said = supervised(lambda: DeadlyEngine(poison, in_flight=in_flight, seed=seed))
    assert len(list(engine.complete([request(0)]))) == 1
    completions = list(engine.complete(request(number) for number in range(1, count + 1)))
    assert sorted(completion.key for completion in completions) == list(range(1, count + 1))
    assert {completion.key for completion in completions if completion.finish_reason == "failed"} == poison
    assert all(
        completion.text == f"Text: {completion.key}" for completion in completions if completion.key not in poison
    )
    assert engine.restarts <= len(poison) * (math.log2(in_flight) + 2)
    assert sum("given up" in line for line in said) == len(poison)
    engine.close()
    assert not any(made.open for made in factory.made)


def test_a_poison_request_among_a_hundred_good_ones() -> None:
    engine, _, said = supervised(lambda: DeadlyEngine({50}, in_flight=32))
    texts = [f"{number} of Bonn" for number in range(101)]
    texts[50] = "a\x1b[31m\nkiller " + "x" * 500
    completions = list(engine.complete(request(*one) for one in enumerate(texts)))
    assert sorted(completion.key for completion in completions) == list(range(101))
    (failed,) = (completion for completion in completions if completion.finish_reason == "failed")
    assert failed == Completion(50, "", "failed", 0, 0)
    (told,) = (line for line in said if "given up" in line)
    assert told.isprintable()
    assert len(told) < 160
    assert engine.restarts <= 7


@given(st.lists(st.integers(16, 40), max_size=6), st.integers(1, 16))
def test_deaths_that_no_request_explains_cost_no_answer(lives: list[int], in_flight: int) -> None:
    dying = [lambda left=left: DeadlyEngine(in_flight=in_flight, lives=left) for left in lives]
    engine, _, _ = supervised(*dying, lambda: DeadlyEngine(in_flight=in_flight))
    completions = list(engine.complete(request(number) for number in range(30)))
    assert sorted(completion.key for completion in completions) == list(range(30))
    assert {completion.finish_reason for completion in completions} == {"stop"}


def test_an_engine_that_dies_of_whatever_it_is_asked_blames_nobody() -> None:
    engine, factory, _ = supervised(lambda: DeadlyEngine(lives=0))
    got: list[Completion] = []
    with pytest.raises(InterruptedRun, match=r"died of each of the 4 requests .*the same command goes on"):
        got.extend(engine.complete(request(number) for number in range(100)))
    assert got == []
    assert len(factory.made) < 12


def test_an_engine_that_falls_ill_blames_nobody() -> None:
    engine, _, _ = supervised(lambda: DeadlyEngine(lives=20), lambda: DeadlyEngine(lives=0))
    got: list[Completion] = []
    with pytest.raises(InterruptedRun, match="dies of whatever it is asked"):
        got.extend(engine.complete(request(number) for number in range(100)))
    assert len(got) == 20
    assert {completion.finish_reason for completion in got} == {"stop"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_killers_are_found_where_there_is_nothing_else_to_ask(count: int) -> None:
    poison = range(1, count + 1)  # and not 0: that is what is asked to see whether the engine is well
    engine, _, _ = supervised(lambda: DeadlyEngine(poison))
    completions = list(engine.complete(request(number) for number in poison))
    assert [completion.finish_reason for completion in completions] == ["failed"] * count
    sick, _, _ = supervised(lambda: DeadlyEngine(lives=0))
    with pytest.raises(InterruptedRun, match="dies of whatever it is asked"):
        list(sick.complete(request(number) for number in poison))


def test_an_engine_that_dies_before_it_is_asked_is_not_started_for_ever() -> None:
    class Stillborn(DeadlyEngine):
        def complete(self, requests: object) -> Iterator[Completion]:
            raise EngineDied("gone")
            yield

    engine, factory, _ = supervised(Stillborn)
    with pytest.raises(InterruptedRun, match=r"before it is asked \(gone\)"):
        list(engine.complete([request(1)]))
    assert len(factory.made) == 3


def refuse() -> DeadlyEngine:
    raise InputError("no such model")


def test_an_engine_that_never_starts_is_the_users_error_and_one_that_starts_no_more_is_not() -> None:
    engine, _, _ = supervised(refuse)
    with pytest.raises(InputError, match="no such model"):
        assert engine.in_flight
    with pytest.raises(InputError, match="no such model"):
        list(engine.complete([request(1)]))
    engine, _, _ = supervised(lambda: DeadlyEngine(lives=3), refuse)
    got: list[Completion] = []
    with pytest.raises(InterruptedRun, match=r"does not start again \(no such model\).*the same command goes on"):
        got.extend(engine.complete(request(number) for number in range(10)))
    assert len(got) == 3


def test_nothing_is_started_before_it_is_needed_and_one_engine_serves_many_calls() -> None:
    engine, factory, said = supervised(DeadlyEngine)
    assert factory.made == []
    assert engine.in_flight == 8
    assert [len(list(engine.complete(map(request, range(5))))) for _ in range(3)] == [5, 5, 5]
    assert len(factory.made) == 1
    assert said == []


def test_while_the_killer_is_searched_nothing_more_is_taken() -> None:
    taken: list[int] = []

    def requests() -> Iterator[Request | None]:
        for number in range(40):
            taken.append(number)
            yield request(number)

    engine, _, _ = supervised(lambda: DeadlyEngine({3}, in_flight=4))
    for completion in engine.complete(requests()):
        if completion.finish_reason == "failed":
            break
    assert len(taken) <= 3 + 4


def test_what_is_asked_depending_on_answers_survives_a_death() -> None:
    """As `Attempts` does: None while something is out, and further requests that come of answers."""
    again: list[Request] = []
    out: set[int] = set()

    def requests() -> Iterator[Request | None]:
        for number in range(20):
            out.add(number)
            yield request(number)
        while out or again:
            if again:
                out.add(again[-1].key)
            yield again.pop() if again else None

    engine, _, _ = supervised(lambda: DeadlyEngine({7, 108}, in_flight=6))
    answered = []
    for completion in engine.complete(requests()):
        answered.append(completion.key)
        out.remove(completion.key)
        if completion.key < 20:
            again.append(request(completion.key + 100))
    assert sorted(answered) == [*range(20), *range(100, 120)]


def test_a_caller_that_leaves_and_one_that_closes() -> None:
    engine, factory, _ = supervised(DeadlyEngine)
    stream = engine.complete(map(request, range(50)))
    assert len(list(islice(stream, 3))) == 3
    stream.close()  # type: ignore[attr-defined]
    assert len(list(engine.complete([request(1)]))) == 1
    engine.close()
    engine.close()
    assert not factory.made[0].open
    with pytest.raises(EngineDied, match="closed"):
        list(engine.complete([request(1)]))


def test_a_run_that_is_asked_to_stop_starts_no_engine_again() -> None:
    engine, factory, _ = supervised(lambda: DeadlyEngine({5}))
    with listen_for_stop():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(EngineDied, match="on purpose"):
            list(engine.complete(map(request, range(10))))
    assert len(factory.made) == 1
    assert len(list(engine.complete(map(request, range(10))))) == 10  # another time
