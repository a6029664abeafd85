"""Made-up documents of the worst kinds, and right answers about them, damaged in one way or in several.

Everything follows from a seed and the answer's number.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import get_args

from nerkd_local.annotate.completer import FinishReason
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.settings import FormatName, PromptName, Thinking
from nerkd_local.records import Document

LABELS = {"PER": "people", "LOC": "places", "A.B|C": "others"}
BATCH = 250
MEGABYTE = 1 << 20
JOBS = [
    (prompt, form, thinking, constrained)
    for prompt in get_args(PromptName)
    for form in get_args(FormatName)
    for thinking in get_args(Thinking)
    for constrained in (True, False)
]
STEPS = "1. a visit\n2. Ann\n3. PER\n4. she acts\nAnswer:\n"
BEFORE = {
    "tags": "<think>who?</think>\n\n",
    "channels": "<|channel|>analysis<|message|>who?<|end|><|start|>assistant<|channel|>final<|message|>",
}

WORDS = ["Ann", "Bonn", "New", "York", "in", "Paris", "Ajax", "the", "of", "U.S.", "Zürich", "Straße", "O’Neil"]
STRANGE = [
    *("Zu\u0308rich", "İstanbul", "ﬁn", "Ｐａｒｉｓ", "a\u200bb", "\u200b", "\u202eevil\u202c", "مصر", "東京"),
    *("👩\u200d👩\u200d👧", "\x1b[31m", "\x07", '"', "\\", "\\ud800", '{"entities":', "NONE", "```", "Answer:"),
    *("</think>", "<think>", "<|channel|>final<|message|>"),
    *("PER\tEvil", "a\nb", "a\u2028b", "a\fb", "a\rb", "a\x85b", "\ufeff", "\u00a0", "e" + "\u0301" * 70, "a" * 300),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One answer: how it was damaged, and how its text was made."""

    number: int
    document: Document
    answer: str
    finish_reason: FinishReason
    kinds: tuple[str, ...]


def make_case(seed: int, number: int) -> Case:
    """The answer of that number. It belongs to the job `JOBS[number // BATCH % len(JOBS)]`."""
    rng = Random(f"{seed}:{number}")
    prompt, form, thinking, _ = job_settings(number)
    text_kind = rng.choices(list(TEXTS), weights=[1 if kind == "long" else 8 for kind in TEXTS])[0]
    document = TEXTS[text_kind](rng, f"s{number}")
    mentions = _choose_mentions(rng, document)
    kinds = rng.choices(list(DAMAGES), weights=[1 if kind in _COSTLY else 8 for kind in DAMAGES], k=_how_many(rng))
    for kind in kinds:
        if kind in OF_MENTIONS:
            mentions = OF_MENTIONS[kind](rng, mentions)
    answer = answer_format(form).write(mentions)
    if prompt == "cot" and rng.random() < 0.9:
        answer = STEPS + answer
    if rng.random() < 0.9:
        answer = BEFORE.get(thinking, "") + answer
    for kind in kinds:
        if kind in OF_TEXT:
            answer = OF_TEXT[kind](rng, answer)
    reasons = get_args(FinishReason)
    reason: FinishReason = "stop" if rng.random() < 0.85 else rng.choice(reasons)
    return Case(number, document, answer, reason, (*sorted(set(kinds)), f"text: {text_kind}"))


def job_settings(number: int) -> tuple[PromptName, FormatName, Thinking, bool]:
    """Prompt, format, way of thinking and whether constrained, for the answer of that number."""
    return JOBS[number // BATCH % len(JOBS)]


def _how_many(rng: Random) -> int:
    return rng.choice((0, 1, 1, 1, 1, 2, 2, 3))


# --- texts ------------------------------------------------------------------------------------------------------------


def _joined(id: str, words: list[str], between: str = " ") -> Document:
    tokens, position = [], 0
    for word in words:
        tokens.append((position, position + len(word)))
        position += len(word) + len(between)
    return Document(id, between.join(words), tuple(tokens))


def _some(rng: Random, words: list[str], most: int = 25) -> list[str]:
    return rng.choices(words, k=rng.randint(1, most))


TEXTS: dict[str, Callable[[Random, str], Document]] = {
    "plain": lambda rng, id: _joined(id, _some(rng, WORDS)),
    "strange": lambda rng, id: _joined(id, _some(rng, [*WORDS, *STRANGE])),
    "one word again and again": lambda rng, id: _joined(id, [rng.choice(["a", "Ann", "é"])] * rng.randint(1, 400)),
    "no white space": lambda rng, id: _joined(id, _some(rng, [*"abAB東京-.'"]), ""),
    "line breaks": lambda rng, id: _joined(id, _some(rng, WORDS), rng.choice(["\n", "\r\n", "\u2028", "\f", "\t"])),
    "any characters": lambda rng, id: _joined(
        id, [chr(rng.choice((rng.randint(1, 255), rng.randint(256, 0xD7FF), rng.randint(0xE000, 0x10FFFF))))
             for _ in range(rng.randint(1, 40))], rng.choice(["", " "])
    ),
    "no tokens": lambda rng, id: Document(id, rng.choice(["", " ", "Ann in Bonn"]), ()),
    "long": lambda rng, id: _joined(id, _some(rng, [rng.choice([WORDS, ["a"], [*WORDS, *STRANGE]])[0], *WORDS], 5_000)),
}  # fmt: skip


def _choose_mentions(rng: Random, document: Document) -> list[Mention]:
    """Mentions in text order, as a person might have marked them."""
    mentions, token = [], 0
    while token < len(document.tokens):
        last = min(token + rng.randint(0, 2), len(document.tokens) - 1)
        if rng.random() < 0.2:
            text = document.text[document.tokens[token][0] : document.tokens[last][1]]
            mentions.append(Mention(text, rng.choice(list(LABELS))))
        token = last + 1
    return mentions


# --- damage -----------------------------------------------------------------------------------------------------------


def _each(change: Callable[[Random, str], str]) -> Callable[[Random, list[Mention]], list[Mention]]:
    return lambda rng, mentions: [Mention(change(rng, m.text), m.label) for m in mentions]


def _into(rng: Random, text: str, piece: str) -> str:
    place = rng.randint(0, len(text))
    return text[:place] + piece + text[place:]


def _shuffled(rng: Random, mentions: list[Mention]) -> list[Mention]:
    return rng.sample(mentions, len(mentions))


def _with_invented(rng: Random, mentions: list[Mention]) -> list[Mention]:
    words = [*WORDS, *STRANGE]
    return _shuffled(rng, mentions + [Mention(" ".join(_some(rng, words, 3)), rng.choice(list(LABELS))) for _ in "abc"])


OF_MENTIONS: dict[str, Callable[[Random, list[Mention]], list[Mention]]] = {
    "shuffled": _shuffled,
    "wrong labels": lambda rng, mentions: [
        Mention(m.text, rng.choice(["PER", "per", "X", "\u202e"])) for m in mentions
    ],
    "invented": _with_invented,
    "repeated": lambda rng, mentions: mentions * rng.choice((2, 3, 50)),
    "every substring": lambda rng, mentions: [
        Mention(m.text[a:b], m.label) for m in mentions[:2] for a in range(9) for b in range(a + 1, 12)
    ],
    "decomposed": _each(lambda rng, text: unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKD"]), text)),
    "other case": _each(lambda rng, text: rng.choice([text.upper(), text.lower(), text.title(), text.swapcase()])),
    "full width": _each(lambda rng, text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)),
    "zero width": _each(lambda rng, text: _into(rng, text, rng.choice(["\u200b", "\u200d", "\ufeff", "\u00ad"]))),
    "right to left": _each(lambda rng, text: f"\u202e{text}\u202c"),
    "control characters": _each(lambda rng, text: _into(rng, text, chr(rng.randint(0, 31)))),
    "breaks inside": _each(lambda rng, text: _into(rng, text, rng.choice("\t\n\r\f\v\x85\u2028"))),
    "cut names": _each(lambda rng, text: text[rng.randint(0, 1) : len(text) - rng.randint(0, 2)]),
    "thousands": lambda rng, mentions: [
        Mention(rng.choice(["a", "Ann", "é", f"x{n}"]), "PER") for n in range(rng.choice((1_000, 9_000)))
    ],
    "longer and longer": lambda rng, mentions: [
        Mention(" ".join([rng.choice(["a", "Ann"])] * n), rng.choice(list(LABELS))) for n in range(1, 300)
    ],
}

_PIECES = ["NaN", "Infinity", "1" * 5_000, "1e999", "-", '{"entities": []}', "[" * 2_000, '{"a":' * 995, '"\\ud800"',
           "\ud800", "\udfff", "\\ud83d", "\0", "null", "\n\n", "PER\t", "\tAnn", "```", "<think>", "</think>",
           "Answer:", "NONE", "\u2028", "<|channel|>final<|message|>"]  # fmt: skip

OF_TEXT: dict[str, Callable[[Random, str], str]] = {
    "fence": lambda rng, text: rng.choice(["```", "```json"]) + f"\n{text}\n```" + rng.choice(["", " ", "\nDone."]),
    "prose around": lambda rng, text: f"Sure! Here you are:\n{text}\nI hope this helps.",
    "<think>": lambda rng, text: f"<think>{rng.choice(['', 'Ann?', text])}{rng.choice(['</think>', ''])}{text}",
    "cut off": lambda rng, text: text[: rng.randint(0, len(text))],
    "cut in front": lambda rng, text: text[rng.randint(0, len(text)) :],
    "piece put in": lambda rng, text: _into(rng, text, rng.choice(_PIECES)),
    "pieces alone": lambda rng, text: "".join(rng.choices(_PIECES, k=rng.randint(0, 6))),
    "value replaced": lambda rng, text: text.replace(
        '"PER"', rng.choice(["NaN", "1" * 5_000, "[]", '{"a": 1, "a": 2}', '"\\udc00"'])
    ),
    "nested": lambda rng, text: '{"entities": ' * rng.choice((1, 3, 300, 980, 100_000)) + text,
    "deep and escaped": lambda rng, text: '{"\\u0061":' * (n := rng.randint(900, 1_000)) + "1" + "}" * n,
    "keys repeated": lambda rng, text: text.replace('"text"', '"type": "PER", "type"'),
    "characters changed": lambda rng, text: "".join(
        chr(rng.randint(0, 0x10FFFF)) if rng.random() < 0.05 else c for c in text[:5_000]
    ),
    "\\r\\n": lambda rng, text: text.replace("\n", "\r\n"),
    "twice": lambda rng, text: text + rng.choice(["", "\n", "\n\n"]) + text,
    "a megabyte of one": lambda rng, text: text + rng.choice(_MANY) * (MEGABYTE // 8),
    "a megabyte in front": lambda rng, text: rng.choice(_MANY) * (MEGABYTE // 8) + text,
    "as long as may be": lambda rng, text: (text + "\n") * (95_000 // (len(text) + 1)),
}  # fmt: skip
_MANY = [
    "<|channel|>final",
    "Answer:\n",
    "#",
    "*",
    " ",
    "</think>",
    "\n",
    "PER\ta\n",
    "[",
    '{"a":',
    "e\u0301",
    "\u0315\u0300",
]
_COSTLY = ("a megabyte of one", "a megabyte in front", "as long as may be", "thousands")
DAMAGES = [*OF_MENTIONS, *OF_TEXT]
