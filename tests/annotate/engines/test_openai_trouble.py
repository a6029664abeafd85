"""Servers that fail, refuse, or are none: what is asked again, and what ends a run in one line."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from nerkd_local.annotate.completer import Completion, EngineDied
from nerkd_local.annotate.engines.openai_http import Pauses, ServerCompleter
from nerkd_local.errors import InputError, InterruptedRun
from tests.annotate.engines.openai_calls import BRIEF, ask, connected, echo, request, settings
from tests.fakes.openai_server import HANG, RESET, FakeOpenAIServer, Reply, chat, question, refusal

HTML = Reply(b"<html>Bad gateway</html>", headers={"content-type": "text/html; charset=utf-8"})

FAULTS = {
    "a reset": (RESET, "cut off"),
    "half a body": (replace(chat("PER\tAnn"), cut_off=True), "cut off"),
    "half a reply, whole as a body": (Reply(b'{"choices": [{"mess'), "cut off"),
    "no body": (Reply(b""), "cut off"),
    "a proxy's page": (HTML, "not JSON"),
    "a time-out": (HANG, "no answer in time"),
    "given up": (chat("PER\tAn", "abort"), "given up"),
    **{f"a {code}": (refusal("not now", code), f"status {code}") for code in (408, 409, 429, 500, 502, 503)},
}
"""What is asked again: how it comes, and under which name it is counted."""


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_passes_is_asked_again_and_counted(name: str) -> None:
    fault, kind = FAULTS[name]
    replies = iter([fault] * 2)
    with (
        FakeOpenAIServer(lambda body: next(replies, None) or echo(body)) as server,
        connected(server.url, retries=2, timeout_s=0.5) as engine,
    ):
        (completion,) = engine.complete([request()])
        assert completion == Completion(0, "Ann left", "stop", 7, 2)
        assert engine.retried == {kind: 2}
    assert len(server.bodies) == 3


@pytest.mark.parametrize("name", FAULTS)
def test_one_that_stays_ends_the_run_for_now(name: str) -> None:
    fault, _ = FAULTS[name]
    with (
        FakeOpenAIServer(lambda body: fault) as server,
        pytest.raises(InterruptedRun, match="the same command goes on"),
    ):
        ask(server, retries=1, timeout_s=0.3)
    assert len(server.bodies) == 2


def test_faults_of_all_kinds_at_once_lose_and_double_nothing() -> None:
    faults = [fault for fault, _ in FAULTS.values() if fault is not HANG]
    tries: Counter[str] = Counter()

    def script(body: dict[str, Any]) -> Reply:
        text = question(body)
        tries[text] += 1
        return faults[int(text) % len(faults)] if tries[text] <= int(text) % 3 else echo(body)

    with FakeOpenAIServer(script) as server, connected(server.url, retries=2, in_flight=16) as engine:
        completions = list(engine.complete(request(number, str(number)) for number in range(120)))
        assert engine.retried.total() == sum(number % 3 for number in range(120))
    assert sorted((completion.key, completion.text) for completion in completions) == [
        (number, str(number)) for number in range(120)
    ]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422, 307])
def test_what_would_come_again_is_not_asked_again(code: int) -> None:
    with FakeOpenAIServer(lambda body: refusal("no", code)) as server, connected(server.url, retries=3) as engine:
        with pytest.raises(InputError):
            list(engine.complete([request()]))
        assert engine.retried == {}
    assert len(server.bodies) == 1


def test_the_pause_that_a_server_asks_for_is_granted_within_bounds() -> None:
    def seconds(asked: str, most: float) -> float:
        replies = iter([refusal("not now", 429, **{"retry-after": asked})])
        with FakeOpenAIServer(lambda body: next(replies, None) or echo(body)) as server:
            begun = time.monotonic()
            ask(server, retries=1, pauses=Pauses(0.001, 0.001, asked_s=most))
            return time.monotonic() - begun

    assert seconds("0.4", 9) >= 0.4
    assert seconds("3600", 0.1) < 60


def test_a_server_that_can_take_few_is_asked_few_at_a_time() -> None:
    def script(body: dict[str, Any]) -> Reply:
        if server.open > 3:
            return refusal("too many", 429)
        time.sleep(0.005)  # what an answer takes
        return echo(body)

    with FakeOpenAIServer(script) as server, connected(server.url, in_flight=64, retries=200) as engine:
        assert len(list(engine.complete(request(number) for number in range(300)))) == 300
        assert engine.retried["status 429"] > 0
    assert server.most_open <= 16  # where it begins


def test_one_whose_process_has_ended_is_not_asked_again() -> None:
    gone = False

    def script(body: dict[str, Any]) -> Reply:
        nonlocal gone
        gone = question(body) == "last"
        return RESET if gone else echo(body)

    with FakeOpenAIServer(script) as server:
        engine = ServerCompleter(settings(server.url, retries=9, in_flight=1), is_gone=lambda: gone)
        stream = engine.complete([request(0, "first"), request(1, "last")])
        assert next(stream).text == "first"
        with pytest.raises(EngineDied, match="does not answer"):
            next(stream)
        assert engine.retried == {}
        engine.close()


def test_one_that_stops_serving_ends_the_run_for_now_and_what_came_is_kept() -> None:
    with FakeOpenAIServer(lambda body: replace(echo(body), headers={"connection": "close"})) as server:
        engine = ServerCompleter(settings(server.url, retries=1, in_flight=1), pauses=BRIEF)
        stream = engine.complete(request(number) for number in range(9))
        first = next(stream)
    with pytest.raises(InterruptedRun, match=r"^the server at http://127\S+ does not answer"):
        list(stream)
    engine.close()
    assert first.text == "Ann left"
    assert engine.retried == {"no connection": 1}


def test_what_a_server_said_is_part_of_the_line() -> None:
    with (
        FakeOpenAIServer(lambda body: refusal("the engine\nis dead", 500, **{"retry-after": "0.01"})) as server,
        pytest.raises(
            InterruptedRun, match=r"^the server at http://127\S+ has trouble \(status 500: the engine is dead"
        ),
    ):
        ask(server, retries=1)


def test_a_refused_question_ends_the_iteration_and_leaves_the_connection() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return refusal("no", 400) if question(body) == "bad" else echo(body)

    with FakeOpenAIServer(script) as server, connected(server.url) as engine:
        requests = [request(0, "bad"), *(request(number) for number in range(1, 9))]
        stream = engine.complete(requests)
        with pytest.raises(InputError, match=r"refuses a request \(no\)"):
            list(stream)
        assert [completion.key for completion in engine.complete(requests[1:2])] == [1]  # the connection is fine
