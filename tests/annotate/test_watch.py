"""A run as a person sees it: lines in a log, one live line on a terminal, and an account that adds up."""

from __future__ import annotations

import io
import time

from nerkd_local.annotate.completer import Completion
from nerkd_local.annotate.reading import Reading
from nerkd_local.annotate.watch import PARTS, Watch, describe_speed

GOOD = Reading("annotated", (), {"accepted": 2, "hallucinated": 1})
CUT = Reading("truncated", (), {"truncated": 3})


class Terminal(io.StringIO):
    """A fake terminal."""

    def isatty(self) -> bool:
        return True


def completion(cached: int | None = None) -> Completion:
    return Completion(0, "", "stop", 100, 10, cached_tokens=cached)


def test_a_log_gets_whole_lines_now_and_then() -> None:
    log = io.StringIO()
    with Watch(log, line_seconds=0.0) as watch:
        watch.start(10, 4)
        watch.answer(completion(), GOOD)
        watch.answer(completion(), CUT, copies=2)
    first, second, third = log.getvalue().splitlines()
    assert first == "going on: 4 of 10 answers are stored"
    assert second.startswith("5 of 10 sentences, ")
    assert third.startswith("8 of 10 sentences, ")
    assert third.endswith("2 accepted, 0 repaired, 1 hallucinated, 3 truncated")


def test_a_log_is_not_flooded() -> None:
    log = io.StringIO()
    with Watch(log, line_seconds=3600) as watch:
        watch.start(1000, 0)
        for _ in range(1000):
            watch.answer(completion(), GOOD)
        watch.note("stopping")
    assert log.getvalue() == "stopping\n"


def test_a_terminal_gets_one_live_line_that_ends_with_the_account() -> None:
    terminal = Terminal()
    with Watch(terminal) as watch:
        watch.start(3, 1)
        watch.answer(completion(), GOOD)
        watch.note("a remark")
        watch.answer(completion(), CUT)
    shown = terminal.getvalue()
    assert "a remark\n" in shown
    last = shown.rstrip("\n").rpartition("\r")[2]
    assert "3/3" in last
    assert "2 accepted, 0 repaired, 1 hallucinated, 1 truncated" in last


def test_nested_times_are_counted_once() -> None:
    with Watch(io.StringIO()) as watch:
        watch.start(1, 0)
        began = time.perf_counter()
        with watch.time("engine"):
            with watch.time("render"):
                busy(0.02)
            busy(0.01)
        with watch.time("store"):
            busy(0.01)
        took = time.perf_counter() - began
        shares = watch.to_json()["time"]
    assert list(shares) == list(PARTS)
    assert abs(sum(shares.values()) - 1) < 0.001
    assert shares["render"] > shares["engine"] > 0
    assert shares["parse"] == 0
    assert sum(watch._spent.values()) <= took


def busy(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_the_account_is_a_sentence_asked() -> None:
    with Watch(io.StringIO()) as watch:
        watch.start(4, 0)
        watch.answer(completion(cached=60), GOOD, copies=2)
        watch.answer(completion(cached=0), GOOD)
    speed = watch.to_json()
    assert (speed["sentences"], speed["copies"]) == (4, 2)
    assert (speed["prompt_tokens_a_sentence"], speed["output_tokens_a_sentence"]) == (100, 10)
    assert speed["prefix_cache_hits"] == 0.3
    told = describe_speed({**speed, "asked_again": {"cut off": 1}})
    assert "4 sentences, 2 of them copies" in told
    assert "100.0 tokens in (30% from the prefix cache) and 10.0 out; 1 asked again (cut off); time: render" in told


def test_a_cache_that_nobody_tells_of_is_not_reported_as_empty() -> None:
    with Watch(io.StringIO()) as watch:
        watch.start(1, 0)
        watch.answer(completion(), GOOD)
    assert watch.to_json()["prefix_cache_hits"] is None
    assert "prefix cache" not in describe_speed({**watch.to_json(), "asked_again": {}})
