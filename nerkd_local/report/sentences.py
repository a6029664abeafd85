"""Sentences with everybody's labels, small enough to be carried inside a page."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from nerkd_local.report.parts import STATES, Mention, Sentences

UNKNOWN = -1
"""In a count: the layer does not know the sentence. In a confidence: there is none."""
_SURROGATES = re.compile("[\ud800-\udfff]")


def encode_sentences(sentences: Sentences) -> str:
    """The sentences as columns in JSON, through gzip, as base64 text; the same sentences give the same text under one
    zlib. Whatever is in them, the result is letters, digits, `+`, `/` and `=`: nothing that could end a script element.

    The columns: `layers`, `roles`, `groups`, `labels`, `states` and `answers` are the names that numbers stand for;
    `id`, `text`, `group`, `answer` have an entry a sentence; `mentions` has an object a layer, with `count` (an entry a
    sentence, `UNKNOWN` where the layer does not know it) and, an entry a mention in order, `gap` (code points from the
    end of the mention before it in the sentence, or from the sentence's start), `length` (code points), `label`,
    `state` and `confidence` (thousandths, `UNKNOWN` where there is none; null for a layer that has none at all).

    A lone surrogate, which no UTF-8 holds, becomes U+FFFD; offsets stay. Raises ValueError where mentions of one layer
    overlap, are out of order, empty or outside the text.
    """
    rows = sentences.sentences
    labels = labels_of(sentences)
    groups = groups_of(sentences)
    answers = answers_of(sentences)
    columns = {
        "layers": sentences.layers,
        "roles": [sentences.roles[layer] for layer in sentences.layers],
        "groups": groups,
        "labels": labels,
        "states": STATES,
        "answers": answers,
        "id": [row.id for row in rows],
        "text": [row.text for row in rows],
        "group": _numbers((row.group for row in rows), groups),
        "answer": _numbers((row.state for row in rows), answers),
        "mentions": [_mentions(sentences, layer, labels) for layer in sentences.layers],
    }
    text = json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(_SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text).encode(), 6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def labels_of(sentences: Sentences) -> list[str]:
    """Every label of a mention, sorted."""
    return sorted({mention.label for mention in _all_mentions(sentences)})


def states_of(sentences: Sentences) -> list[str]:
    """Every state of a mention, in the order of `STATES`."""
    found = {mention.state for mention in _all_mentions(sentences)}
    return [state for state in STATES if state in found]


def groups_of(sentences: Sentences) -> list[str]:
    """The groups, and then those that only a sentence names."""
    return list(dict.fromkeys((*sentences.groups, *(row.group for row in sentences.sentences))))


def answers_of(sentences: Sentences) -> list[str]:
    """What became of the annotator's answers, sorted; empty is where there was none."""
    return sorted({row.state for row in sentences.sentences})


def _all_mentions(sentences: Sentences) -> Iterable[Mention]:
    return (
        mention for row in sentences.sentences for layer in sentences.layers for mention in row.labels.get(layer, ())
    )


def _mentions(sentences: Sentences, layer: str, labels: Sequence[str]) -> dict[str, Any]:
    number = {label: index for index, label in enumerate(labels)}
    state_number = {state: index for index, state in enumerate(STATES)}
    counts: list[int] = []
    gaps: list[int] = []
    found: list[Mention] = []
    for row in sentences.sentences:
        mentions = row.labels.get(layer)
        counts.append(UNKNOWN if mentions is None else len(mentions))
        position = 0
        for mention in mentions or ():
            if not position <= mention.start < mention.end <= len(row.text):
                raise ValueError(
                    f"sentence {row.id!r}, {layer}: the mention ({mention.start}, {mention.end}) is empty, overlaps the"
                    f" one before it, or ends after the text (length {len(row.text)})"
                )
            gaps.append(mention.start - position)
            position = mention.end
            found.append(mention)
    return {
        "count": counts,
        "gap": gaps,
        "length": [mention.end - mention.start for mention in found],
        "label": [number[mention.label] for mention in found],
        "state": [state_number[mention.state] for mention in found],
        "confidence": _thousandths(found),
    }


def _thousandths(mentions: Sequence[Mention]) -> list[int] | None:
    if all(mention.confidence is None for mention in mentions):
        return None
    return [UNKNOWN if mention.confidence is None else round(1000 * mention.confidence) for mention in mentions]


def _numbers(values: Iterable[str], names: Sequence[str]) -> list[int]:
    number = {name: index for index, name in enumerate(names)}
    return [number[value] for value in values]
