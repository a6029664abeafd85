"""A fake engine that dies: of some requests, or after so many answers."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator

from nerkd_local.annotate.completer import Completion, EngineDied, Feed, Message, Request


def request(key: int, text: str | None = None) -> Request:
    """A question about a text; its number where none is given."""
    return Request(key, (Message("user", f"Text: {key if text is None else text}"),), 20)


class DeadlyEngine:
    """Answers in a random order, by repeating the question. `open` tells whether it still has to be closed."""

    def __init__(
        self, poison: Collection[int] = (), *, in_flight: int = 8, seed: int = 0, lives: int | None = None
    ) -> None:
        self.poison = poison
        self.in_flight = in_flight
        self.lives = lives
        self.draws = random.Random(seed)
        self.open = True

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        assert self.open
        feed = Feed(requests)
        waiting: list[Request] = []
        while waiting or not feed.over:
            while len(waiting) < self.in_flight and (asked := feed.draw()) is not None:
                waiting.append(asked)
            if not waiting:
                assert feed.over, "told to go on with nothing"
                continue
            request = waiting.pop(self.draws.randrange(len(waiting)))
            if self.lives == 0 or request.key in self.poison:
                raise EngineDied("it died (on purpose)")
            if self.lives is not None:
                self.lives -= 1
            yield Completion(request.key, request.messages[-1].content, "stop", 1, 1)

    def close(self) -> None:
        self.open = False
