"""How many questions are out at a server: the limit as arithmetic, and the gate that keeps it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.engines.concurrency import AdaptiveLimit, Gate


@pytest.mark.parametrize(
    ("bound", "start", "events", "expected"),
    [
        (64, 16, "", 16),
        (8, 16, "", 8),  # the bound is the bound
        (1, 16, "", 1),
        (64, 16, "a", 17),
        (64, 16, "a" * 16, 32),  # one full round doubles it
        (64, 16, "a" * 100, 64),
        (64, 16, "o", 8),
        (64, 16, "oo", 4),  # the second by a question that was sent after the first
        (64, 16, "oooooooo", 1),
        (64, 16, "o" + "a" * 8, 8),  # 8 + 1/8 + ... is just under 9 after one round
        (64, 16, "o" + "a" * 9, 9),
        (64, 2, "o" + "a", 2),
        (3, 2, "o" + "a" * 50, 3),
    ],
)
def test_the_limit_grows_with_answers_and_is_halved_by_overload(
    bound: int, start: int, events: str, expected: int
) -> None:
    limit = AdaptiveLimit(bound, start=start)
    for event in events:
        limit.note_answer() if event == "a" else limit.note_overload(limit.cuts)
    assert limit.value == expected


def test_one_overload_halves_once_however_many_were_refused() -> None:
    limit = AdaptiveLimit(64, start=32)
    sent_together = limit.cuts
    for _ in range(32):
        limit.note_overload(sent_together)
    assert (limit.value, limit.cuts) == (16, 1)


@given(st.integers(1, 300), st.integers(1, 300), st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
def test_it_stays_within_its_bounds_and_recovers(bound: int, start: int, events: list[tuple[bool, int]]) -> None:
    limit = AdaptiveLimit(bound, start=start)
    for is_answer, behind in events:
        before = limit.value
        if is_answer:
            limit.note_answer()
            assert limit.value >= before
        else:
            limit.note_overload(limit.cuts - behind)
            assert limit.value == (before if behind else max(1, before // 2))
        assert 1 <= limit.value <= bound
    for _ in range(bound * (bound + 1)):
        limit.note_answer()
    assert limit.value == bound


def test_the_gate_lets_in_as_many_as_the_limit_says() -> None:
    async def scene() -> list[int]:
        gate = Gate(AdaptiveLimit(4, start=2))
        inside, most = 0, []

        async def visit(number: int) -> None:
            nonlocal inside
            async with gate.passage():
                inside += 1
                most.append(inside)
                await asyncio.sleep(0)
                inside -= 1
                if number == 3:
                    gate.limit.note_answer()  # from here on three fit
                    gate.limit.note_answer()

        await asyncio.gather(*(visit(number) for number in range(20)))
        return most

    most = asyncio.run(scene())
    assert len(most) == 20
    assert max(most[:4]) == 2
    assert max(most) == 4


def test_who_stops_waiting_leaves_its_place_to_others() -> None:
    async def scene() -> list[str]:
        gate = Gate(AdaptiveLimit(1))
        came: list[str] = []
        hold = asyncio.Event()

        async def visit(name: str) -> None:
            async with gate.passage():
                came.append(name)
                await hold.wait()

        tasks = {name: asyncio.create_task(visit(name)) for name in "abcd"}
        await asyncio.sleep(0)
        tasks["b"].cancel()  # while it waits
        tasks["a"].cancel()  # inside
        for name in "ab":
            with suppress(asyncio.CancelledError):
                await tasks[name]
        hold.set()
        await asyncio.gather(tasks["c"], tasks["d"])
        async with asyncio.timeout(10), gate.passage():  # nothing of the four is left
            came.append("e")
        return came

    assert asyncio.run(scene()) == ["a", "c", "d", "e"]


def test_one_that_is_told_to_go_as_it_is_let_in_gives_the_place_back() -> None:
    async def scene() -> str:
        gate = Gate(AdaptiveLimit(1))
        leave = asyncio.Event()

        async def first() -> None:
            async with gate.passage():
                await leave.wait()
            two.cancel()  # let in just now, and not yet awake

        async def second() -> None:
            async with gate.passage():
                pytest.fail("it was cancelled")

        one, two = asyncio.create_task(first()), asyncio.create_task(second())
        await asyncio.sleep(0)
        leave.set()
        await one
        with suppress(asyncio.CancelledError):
            await two
        async with asyncio.timeout(10), gate.passage():
            return "free"

    assert asyncio.run(scene()) == "free"
