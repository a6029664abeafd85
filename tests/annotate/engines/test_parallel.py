"""Several engines as one, by fake ones in threads; test_worker has two in processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import Completion, EngineDied, Request
from nerkd_local.annotate.engines.parallel import Parallel
from nerkd_local.annotate.engines.scripted import ScriptedCompleter
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.annotate.settings import ScriptedSettings
from nerkd_local.errors import InputError
from tests.annotate.engines.deadly import DeadlyEngine, request
from tests.waiting import wait_until


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 80))
def test_every_request_is_answered_once_however_many_engines_there_are(rooms: list[int], total: int) -> None:
    engines = [DeadlyEngine(in_flight=room, seed=number) for number, room in enumerate(rooms)]
    together = Parallel(engines)
    assert together.in_flight == sum(rooms)
    for _ in range(2):
        completions = list(together.complete(map(request, range(total))))
        assert sorted(completion.key for completion in completions) == list(range(total))
    together.close()
    assert not any(engine.open for engine in engines)


def test_requests_are_drawn_in_the_callers_thread_and_no_more_than_there_is_room_for() -> None:
    together = Parallel([DeadlyEngine(in_flight=3), DeadlyEngine(in_flight=5)])
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        for number in count():
            assert threading.current_thread() is threading.main_thread()
            taken += 1
            yield request(number)

    stream = together.complete(endless())
    assert len(list(islice(stream, 100))) == 100
    assert taken <= 100 + 8
    stream.close()  # type: ignore[attr-defined]
    answers = list(together.complete(map(request, range(1000, 1020))))
    assert sorted(completion.key for completion in answers) == list(range(1000, 1020))  # and none of before
    together.close()


def test_what_is_asked_depending_on_answers_goes_round() -> None:
    together = Parallel([DeadlyEngine(in_flight=2), DeadlyEngine(in_flight=3)])
    again: list[Request] = []
    out: set[int] = set()

    def requests() -> Iterator[Request | None]:
        out.add(0)
        yield request(0)
        while out or again:
            if again:
                out.add(again[-1].key)
            yield again.pop() if again else None

    seen = []
    for completion in together.complete(requests()):
        seen.append(completion.key)
        out.remove(completion.key)
        again += [request(key) for key in (2 * completion.key + 1, 2 * completion.key + 2) if key < 63]
    assert sorted(seen) == list(range(63))


class Timed(DeadlyEngine):
    """One that takes so long to start and for each answer."""

    def __init__(self, start_s: float, answer_s: float = 0.0) -> None:
        super().__init__(in_flight=2)
        time.sleep(start_s)
        self.answer_s = answer_s

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        for completion in super().complete(requests):
            time.sleep(self.answer_s)
            yield completion


def test_engines_start_at_the_same_time_and_a_fast_one_does_more() -> None:
    together = Parallel([Supervised(lambda: Timed(0.5, 0.05)), Supervised(lambda: Timed(0.5, 0.001))])
    begun = time.monotonic()
    assert together.in_flight == 4
    assert time.monotonic() - begun < 0.9
    begun = time.monotonic()
    assert len(list(together.complete(map(request, range(60))))) == 60
    assert time.monotonic() - begun < 1.2  # 30 each would take 1.5 s
    together.close()


def test_an_error_of_one_ends_the_whole() -> None:
    together = Parallel([DeadlyEngine({30}), DeadlyEngine({30})])
    got: list[Completion] = []
    with pytest.raises(EngineDied):
        got.extend(together.complete(map(request, range(100))))
    together.close()

    def refuse() -> DeadlyEngine:
        raise InputError("no such model")

    together = Parallel([Supervised(DeadlyEngine), Supervised(refuse)])
    with pytest.raises(InputError, match="no such model"):
        assert together.in_flight
    with pytest.raises(InputError, match="no such model"):
        list(together.complete([request(1)]))
    together.close()


def test_each_engine_finds_its_own_killers_while_the_others_go_on() -> None:
    said: list[str] = []
    poison = {7, 70, 71, 140}
    together = Parallel([Supervised(lambda: DeadlyEngine(poison, in_flight=6), said.append) for _ in range(3)])
    completions = list(together.complete(map(request, range(200))))
    assert sorted(completion.key for completion in completions) == list(range(200))
    assert {completion.key for completion in completions if completion.finish_reason == "failed"} == poison
    together.close()


def test_no_thread_is_left_once_it_is_closed() -> None:
    before = threading.active_count()
    together = Parallel([ScriptedCompleter(ScriptedSettings(answers_a_second=500)) for _ in range(3)])
    stream = together.complete(map(request, count()))
    assert len(list(islice(stream, 10))) == 10
    stream.close()  # type: ignore[attr-defined]
    together.close()
    wait_until(lambda: threading.active_count() == before, within_s=5)
    together.close()
