"""Each question is asked cheaply first, and again in full only where that answer cannot be used.

The cheap way has no constraint (its mask is made on the host for every token) and room for what the sentence can hold
rather than for the longest answer of all. Greedy decoding makes both free of consequences: an answer that ended by
itself and that the constraint admits is, token for token, the one that the constraint would have given, as each of its
tokens was the likeliest of all and so the likeliest of those admitted.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from nerkd_local.annotate.completer import Completer, Completion, Request

Repetition = Literal["cut off", "going round", "not in the format"]
"""Why a question was asked again."""

_TOGETHER = 32
"""So many questions are asked again together: one answer under a constraint slows all that are decoded with it."""

_TRIAL = 64
_TOLERATED = 0.2
"""The share of free answers that may not fit: a constraint takes about a fifth more time, a second answer twice it."""


@dataclass(frozen=True, slots=True)
class Question:
    """`full` is asked if the answer to `brief` was cut off, went round in circles or does not fit full's constraint.

    One that was cut off gets full's room first, still without the constraint: most need nothing else. `admits` tells
    whether an answer fits, where a grammar is the constraint.
    """

    full: Request
    brief: Request
    admits: Callable[[str], bool] | None = None

    def is_bound(self, request: Request) -> bool:
        """Whether a request of this question carries what constrains the full one."""
        return (request.constraint, request.grammar) == (self.full.constraint, self.full.grammar)

    def fits(self, text: str) -> bool:
        """Whether what constrains the full request admits an answer."""
        return self.admits(text) if self.admits else _admits(self.full.constraint, text)


class Attempts:
    """Asks a completer brief questions, and full ones where it has to. Every question gets one completion.

    Where too many free answers do not fit (a model that does not follow the format), brief questions carry the
    constraint too from then on. `repeated` counts the questions asked again, by reason; `spent_prompt` and
    `spent_output` the tokens of the answers that were not used.
    """

    def __init__(self, completer: Completer) -> None:
        self._completer = completer
        self._free = 0
        self._unfit = 0
        self.repeated: Counter[Repetition] = Counter()
        self.spent_prompt = 0
        self.spent_output = 0

    def complete(self, questions: Iterable[Question | None]) -> Iterator[Completion]:
        """One completion a question; `questions` may give None as a completer's requests may."""
        first: dict[int, tuple[Request, Question]] = {}
        again: deque[Request] = deque()
        at_once: deque[Request] = deque()
        source = iter(questions)

        def requests() -> Iterator[Request | None]:
            for question in source:
                if question is None:
                    yield None
                    continue
                while at_once:
                    yield at_once.popleft()
                if len(again) >= _TOGETHER:
                    while again:
                        yield again.popleft()
                brief = self._brief(question)
                first[brief.key] = brief, question
                yield brief
            while first or at_once or again:  # what is still out may have to be asked again
                ready = at_once or again
                yield ready.popleft() if ready else None

        for completion in self._completer.complete(requests()):
            asked = first.pop(completion.key, None)
            reason = self._misfit(*asked, completion) if asked else None
            if asked is None or reason is None:
                yield completion
                continue
            brief, question = asked
            full = question.full
            self.repeated[reason] += 1
            self.spent_prompt += completion.prompt_tokens
            self.spent_output += completion.output_tokens
            if reason == "cut off" and brief.max_tokens < full.max_tokens:
                # room was what it lacked, and there is nothing dear about that: at once, among the others
                roomy = replace(brief, max_tokens=full.max_tokens)
                if roomy != full:
                    first[roomy.key] = roomy, question
                at_once.append(roomy)
            else:
                again.append(full)

    def _brief(self, question: Question) -> Request:
        """The brief question, with the constraint where free answers mostly do not fit it."""
        goes_free = self._free < _TRIAL or self._unfit <= _TOLERATED * self._free
        if goes_free:
            return question.brief
        return replace(question.brief, constraint=question.full.constraint, grammar=question.full.grammar)

    def _misfit(self, brief: Request, question: Question, completion: Completion) -> Repetition | None:
        """Why an answer cannot be used and another may be; None if it can, or asking again would change nothing."""
        full, is_free = question.full, not question.is_bound(brief)
        if brief == full or completion.finish_reason in ("too_long", "failed"):
            return None
        reason: Repetition | None = None
        if completion.finish_reason == "length":
            reason = "cut off"
        elif completion.finish_reason == "loop":
            # more room would be filled with more of the same
            reason = "going round" if is_free or not full.stop_loops else None
        elif is_free and not question.fits(completion.text):
            reason = "not in the format"
        if is_free:
            self._free += 1
            self._unfit += reason is not None
        return reason


@lru_cache(maxsize=16)
def _compiled(constraint: str) -> re.Pattern[str]:
    return re.compile(constraint)


def _admits(constraint: str | None, text: str) -> bool:
    return constraint is None or _compiled(constraint).fullmatch(text) is not None
