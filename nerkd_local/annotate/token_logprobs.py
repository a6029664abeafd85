"""The log-probabilities of an answer's tokens, fitted to the characters of the stored answer, as a store keeps them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from nerkd_local.annotate.completer import Completion
from nerkd_local.errors import InputError
from nerkd_local.quoting import quoted

_DIGITS = 4
_LOWEST = -9999.0
"""What servers send for an impossible token: infinities are no JSON."""
_BROKEN = "\ufffd"
"""What an engine shows of a token that is a part of a character."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """`tokens` are pieces of the answer in order, which together are all of its text, with the natural logarithm of
    the probability of each. `end` is that of the token that ended it, None where it was cut off. `masked`: shares among
    what a constraint admitted (a token that it forced has 0).
    """

    masked: bool
    tokens: tuple[tuple[str, float], ...]
    end: float | None = None

    def to_json(self) -> str:
        """As a store keeps it."""
        value = {"masked": self.masked, "tokens": self.tokens, "end": self.end}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TokenLogprobs:
        """The inverse. Raises InputError for what this package never wrote."""
        try:
            value = json.loads(text)
            tokens = tuple((str(piece), float(logprob)) for piece, logprob in value["tokens"])
            return cls(bool(value["masked"]), tokens, None if value["end"] is None else float(value["end"]))
        except (ValueError, TypeError, KeyError):
            raise InputError(f"log-probabilities of tokens that cannot be read: {quoted(text)}") from None


def fit_tokens(completion: Completion, text: str) -> TokenLogprobs | None:
    """What is kept of a completion whose answer is stored as `text`; None where the pieces are not that text's.

    Tokens that are parts of one character become one piece, with the sum of their log-probabilities; so does white
    space that an engine shows of no token, which goes to the one behind it. What follows the text (a token that ends
    the answer) is `end`.
    """
    if completion.logprobs is None:
        return None
    tokens: list[tuple[str, float]] = []
    position = 0
    waiting: list[float] = []  # of tokens whose characters are not known before the next whole one
    room = 0  # so many characters these are at most
    given = list(completion.logprobs)
    for number, (piece, logprob) in enumerate(given):
        if position == len(text) and not waiting:
            return _kept(completion, tokens, given[number:])
        if not piece or _BROKEN in piece:
            waiting.append(logprob)
            room += max(1, len(piece))
            continue
        start = _find_next(text, piece, position, room)
        if start is None:
            return None
        if start > position and waiting:
            tokens.append((text[position:start], sum(waiting)))
            position, waiting = start, []
        end = start + len(piece)
        tokens.append((text[position:end], sum(waiting) + logprob))
        position, waiting, room = end, [], 0
    if waiting and position == len(text) and completion.finish_reason == "stop":
        # tokens without characters at the end: the last one ended the answer
        return _kept(completion, tokens, given[len(given) - len(waiting) :])
    if waiting and 0 < len(text) - position <= room:
        tokens.append((text[position:], sum(waiting)))
        position = len(text)
    return _kept(completion, tokens, []) if position == len(text) else None


def _find_next(text: str, piece: str, position: int, room: int) -> int | None:
    """Where a piece stands: here, or behind what broken tokens, or a blank that was not shown, make up."""
    if text.startswith(piece, position):
        return position
    start = text.find(piece, position + 1, position + max(room, 1) + len(piece))
    if start < 0 or (not room and not text[position:start].isspace()):
        return None
    return start


def _kept(
    completion: Completion, tokens: Sequence[tuple[str, float]], rest: Sequence[tuple[str, float]]
) -> TokenLogprobs:
    end = _rounded(sum(logprob for _, logprob in rest)) if rest else None
    return TokenLogprobs(completion.masked, tuple((piece, _rounded(logprob)) for piece, logprob in tokens), end)


def _rounded(logprob: float) -> float:
    return round(max(float(logprob), _LOWEST), _DIGITS) + 0.0
