"""A fake annotator: answers by a script instead of a model, in whatever order and with whatever faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from nerkd_local.annotate.completer import Completion, FinishReason, Request
from nerkd_local.annotate.prompts import text_of

Script = Callable[[str], tuple[str, FinishReason]]


class ScriptedCompleter:
    """Gives `script(text)` for each request; a few are held back and come out of order, as an engine's do.

    `dies_after` answers it raises, like an engine that crashes. `asked` keeps every text it was asked.
    """

    def __init__(self, script: Script, *, in_flight: int = 8, seed: int = 0, dies_after: int | None = None) -> None:
        self.script = script
        self.in_flight = in_flight
        self.draws = random.Random(seed)
        self.dies_after = dies_after
        self.asked: list[str] = []
        self.used = False

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        self.used = True
        source = iter(requests)
        waiting: list[Request] = []
        while True:
            before = len(waiting)
            asked = list(islice(source, self.in_flight - len(waiting)))
            waiting += [request for request in asked if request is not None]
            if not asked and len(waiting) == before == 0:
                return
            if not waiting:
                continue
            if self.dies_after is not None and len(self.asked) >= self.dies_after:
                raise RuntimeError("the engine died (on purpose)")
            request = waiting.pop(self.draws.randrange(len(waiting)))
            text = text_of(request.messages)
            self.asked.append(text)
            answer, reason = self.script(text)
            yield Completion(request.key, answer, reason, len(text.split()), len(answer.split()))

    def close(self) -> None:
        """Nothing to free."""
