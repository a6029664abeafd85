"""How many questions to have out at a server: more while answers come, half as many when it has too many.

Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain 1989; RFC 5681, its slow start and its one
decrease a round included).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_START = 16
"""Questions out before anything is known of a server."""


class AdaptiveLimit:
    """A limit between 1 and `bound` that follows what a server can take.

    Until the server first says that it is too much, each answer raises the limit by one (it doubles with each full
    round); afterwards each full round does. `cuts` counts how often it was halved: who asks remembers it, so that the
    many refusals of one overload halve the limit once.
    """

    def __init__(self, bound: int, *, start: int = _START) -> None:
        self._bound = bound
        self._limit = float(max(1, min(start, bound)))
        self.cuts = 0

    @property
    def value(self) -> int:
        """How many may be out now."""
        return int(self._limit)

    def note_answer(self) -> None:
        """An answer came."""
        self._limit = min(float(self._bound), self._limit + (1 / self._limit if self.cuts else 1))

    def note_overload(self, cuts: int) -> None:
        """A question that was sent when `cuts` was that got a refusal for now, or no answer in time."""
        if cuts == self.cuts:
            self._limit = max(1.0, self._limit / 2)
            self.cuts += 1


class Gate:
    """Lets as many in at a time as its limit says, first come, first served. For the tasks of one event loop."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.limit = limit
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[int]:
        """Within the block one of the places is taken. Gives the limit's `cuts` of the moment it was."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
            yield self.limit.cuts
        finally:
            if turn.done() and not turn.cancelled():
                self._inside -= 1
            self._admit()

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0].done() or self._inside < self.limit.value):
            turn = self._waiting.popleft()
            if not turn.done():  # not cancelled while it waited
                self._inside += 1
                turn.set_result(None)
