"""Ending requests that are on their way without leaving their connections open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Line:
    """What is out together, and is hung up on together. Used in one event loop.

    By scopes of anyio's, which the HTTP client's own cleaning up is shielded from: a task that was cancelled in the
    middle of it (asyncio knows no shield) left connections open for good that it had taken out of the pool to close
    them, as many as a server that died had idle.
    """

    def __init__(self) -> None:
        self._scopes: set[Any] = set()
        self._over = False

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives. Raises CancelledError where it is hung up on."""
        import anyio

        with anyio.CancelScope() as scope:
            if self._over:
                scope.cancel()
            self._scopes.add(scope)
            try:
                return await work
            finally:
                self._scopes.discard(scope)
        raise asyncio.CancelledError

    def hang_up(self) -> None:
        """End all of it, also what begins later. In the loop's thread."""
        self._over = True
        for scope in self._scopes:
            scope.cancel()
