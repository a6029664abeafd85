"""A fake engine: answers made from the text by a script, in a changing order, with the faults of a real one.

Shipped, because rehearsals and the harnesses under scripts/ need an engine that costs next to nothing.
"""

from __future__ import annotations

import math
import os
import random
import re
import signal
import time
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from typing import Literal
from zlib import crc32

from nerkd_local.annotate.completer import Completion, Feed, FinishReason, Request
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.prompts import text_of
from nerkd_local.annotate.settings import ScriptedSettings

VERSION = 1
"""Changes when the same text gets another answer."""

Fault = Literal["", "doubled", "invented", "too long", "going round", "badly formed"]

_FAULTS: tuple[Fault, ...] = ("", "", "", "doubled", "invented", "too long", "going round", "badly formed")
_TURNS = 8  # as loops.py has vLLM count them
_CAPITALISED = re.compile(r"\b[A-Z]\w*")
_PIECE = re.compile(r"\S+\s*")
_LISTED = re.compile(r"^(\d+)\. (.*) \([^()\n]*\)$", re.MULTILINE)
_TOKEN = re.compile(r"\w+|\W")
_END = ("", -0.001)
_SHORTEST_NAP_S = 0.002


class ScriptedCompleter:
    """Holds `in_flight` requests and answers one of them at random. A token is a piece of text between white space.

    With a temperature answers vary with the request's `sample`, most where the script gives low probabilities. Log-
    probabilities, which are made up, are of smaller tokens: words, and single other characters.
    """

    def __init__(self, settings: ScriptedSettings) -> None:
        """Takes `slow_start_s`."""
        time.sleep(settings.slow_start_s)
        self._settings = settings
        self._deadly = re.compile(settings.dies_on) if settings.dies_on is not None else None
        self.in_flight = settings.in_flight

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """See `Completer`. The process is killed when it comes to answer a text that `dies_on` finds."""
        draw = random.Random(self._settings.seed).random
        pause_s = 1 / self._settings.answers_a_second if self._settings.answers_a_second else 0.0
        due = time.monotonic()
        feed = Feed(requests)
        waiting: list[Request] = []
        while waiting or not feed.over:
            while len(waiting) < self.in_flight and (asked := feed.draw()) is not None:
                waiting.append(asked)
            if not waiting:
                continue
            if pause_s:
                due = max(due + pause_s, time.monotonic() - _SHORTEST_NAP_S)
                if (early := due - time.monotonic()) > _SHORTEST_NAP_S:
                    time.sleep(early)
            chosen = int(draw() * len(waiting))
            request, waiting[chosen] = waiting[chosen], waiting[-1]
            waiting.pop()
            yield self.answer(request)

    def answer(self, request: Request) -> Completion:
        """What a request is answered, whenever it is asked."""
        text = text_of(request.messages)
        if self._deadly and self._deadly.search(text):
            os.kill(os.getpid(), signal.SIGKILL)
        fault = _FAULTS[_hash(text) % 8] if self._settings.script == "mixed" else ""
        mentions = self._mentions(text, fault)
        if request.temperature > 0:
            mentions = self._varied(mentions, text, request)
        form = answer_format("json" if '"entities"' in request.messages[0].content else "lines")
        answer = self._verdicts(request, text) or form.write(mentions)
        reason: FinishReason = "stop"
        if fault == "badly formed" and request.constraint is None:
            answer = f"Sure! Here is what I found:\n{answer}"
        elif fault == "going round":
            last = mentions[-1:] or [Mention(text, self._settings.labels[0])]
            answer = form.write([*mentions[:-1], *last * (_TURNS if request.stop_loops else request.max_tokens)])
            reason = "loop" if request.stop_loops else "length"
        pieces = answer.split()
        if len(pieces) > request.max_tokens:
            answer = "".join(islice(_PIECE.findall(answer), request.max_tokens)).rstrip()
            pieces, reason = pieces[: request.max_tokens], "length"
        logprobs = None
        if request.logprobs:
            logprobs = tuple((token, math.log(1 - _doubt(token, text))) for token in _TOKEN.findall(answer))
            logprobs += (_END,) * (reason == "stop")
        return Completion(
            request.key,
            answer,
            reason,
            len(text.split()),
            len(pieces) or 1,
            logprobs,
            masked=bool(request.constraint or request.grammar),
        )

    def _verdicts(self, request: Request, text: str) -> str:
        """Yes to each mention of a list that is asked about, if there is one, but to those of most doubt."""
        if "yes or no" not in request.messages[0].content:
            return ""
        listed = _LISTED.findall(request.messages[-1].content)
        return "\n".join(f"{number}\t{'yes' if _doubt(mention, text) < 0.4 else 'no'}" for number, mention in listed)

    def _varied(self, mentions: list[Mention], text: str, request: Request) -> list[Mention]:
        """The mentions as a draw has them: each, by its doubt and the temperature, left out or of the next type."""
        draw = random.Random(_hash(f"{self._settings.seed} {request.sample} {text}")).random
        labels = self._settings.labels
        varied = []
        for mention in mentions:
            chance, turn = draw(), draw()
            if chance >= _doubt(mention.text, text) * request.temperature:
                varied.append(mention)
            elif turn < 0.5:
                varied.append(Mention(mention.text, labels[(labels.index(mention.label) + 1) % len(labels)]))
        return varied

    def _mentions(self, text: str, fault: Fault) -> list[Mention]:
        if self._settings.script == "none":
            return []
        labels = self._settings.labels
        mentions = [Mention(word, labels[len(word) % len(labels)]) for word in _CAPITALISED.findall(text)]
        if fault == "doubled":
            return mentions * 2
        if fault == "invented":
            return [*mentions, Mention("Atlantis", labels[0])]
        if fault == "too long":  # than the sentence gives room for, so that it is cut off at first
            return list(islice(cycle(mentions or [Mention("Nowhere", labels[0])]), 40))
        return mentions

    def close(self) -> None:
        """Nothing to free."""


def _doubt(token: str, text: str) -> float:
    """How unsure a token is in the answer about a text: from 0 to 0.5, by hash."""
    return _hash(f"{token}\x1f{text}") % 64 / 128


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "replace"))
