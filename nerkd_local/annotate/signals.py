"""What an annotator's confidence in each of its mentions is made of: the probabilities of the tokens it wrote.

Of every mention whose tokens are kept (all but the last are natural logarithms):

mention       the sum over the tokens of its text: of the whole string, given what was written before
mention_mean  the same, a token
mention_min   that of the least sure of them
label         the sum over the tokens of its type
sentence      the mean over all tokens of the answer, its end included: what one has without looking at mentions
masked        1 where they are shares among what a constraint admitted, else 0; only where both kinds may occur

Where more was asked (see `further`):

votes         the share of the answers that have a mention with these borders
type_votes    of these, the share that give it this type
verified      the probability of yes, where the model was asked whether it is one

A token that stands partly in a mention counts for it, as tokens often carry the white space before a word.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from itertools import accumulate

from nerkd_local.annotate.formats import Mention
from nerkd_local.annotate.token_logprobs import TokenLogprobs

Signals = dict[str, float]

_DIGITS = 4


def answer_logprob(logprobs: TokenLogprobs) -> float:
    """The mean over all tokens of an answer, its end included; 0 for one without any."""
    everything = [logprob for _, logprob in logprobs.tokens]
    everything += [] if logprobs.end is None else [logprobs.end]
    return round(math.fsum(everything) / len(everything), _DIGITS) if everything else 0.0


class TokenRanges:
    """One answer's tokens, to be asked about ranges of its text."""

    def __init__(self, logprobs: TokenLogprobs) -> None:
        self._logprobs = [logprob for _, logprob in logprobs.tokens]
        self._ends = list(accumulate(len(piece) for piece, _ in logprobs.tokens))
        self._starts = [0, *self._ends[:-1]]

    def over(self, start: int, end: int) -> list[float]:
        """The log-probabilities of the tokens that share a character with a range of the answer."""
        return self._logprobs[bisect_right(self._ends, start) : bisect_left(self._starts, end)]


def signals_of(sources: Iterable[Mention], logprobs: TokenLogprobs, *, tell_masked: bool = False) -> list[Signals]:
    """The signals of each mention, in the order given; of one that cannot be told apart in the answer, none ({})."""
    answer = TokenRanges(logprobs)
    more = {"sentence": answer_logprob(logprobs), **({"masked": float(logprobs.masked)} if tell_masked else {})}
    return [_of_mention(mention, answer, more) for mention in sources]


def _of_mention(mention: Mention, answer: TokenRanges, more: Signals) -> Signals:
    if mention.written is None:
        return {}
    text, label = (answer.over(*piece) for piece in mention.written)
    if not text or not label:
        return {}
    return {
        "mention": round(math.fsum(text), _DIGITS),
        "mention_mean": round(math.fsum(text) / len(text), _DIGITS),
        "mention_min": round(min(text), _DIGITS),
        "label": round(math.fsum(label), _DIGITS),
        **more,
    }


def confidence_of(signals: Mapping[str, float]) -> float:
    """One number from 0 to 1, not calibrated.

    The share of the answers that have the mention with this type (votes * type_votes), where votes were counted; else
    the probability of the mention's text and type as they were written, exp(mention + label). Times `verified`, where
    there is one. 0.5 where there are no signals: nothing is known.
    """
    verified = signals.get("verified")
    if "votes" in signals:
        confidence = signals["votes"] * signals["type_votes"]
    elif "mention" in signals:
        confidence = math.exp(min(0.0, signals["mention"] + signals["label"]))
    else:
        confidence = 0.5 if verified is None else 1.0
    return round(confidence * (1.0 if verified is None else verified), 6)
