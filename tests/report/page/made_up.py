"""Reports to try the page with: a quiet one, one with hostile text in every place, and many sentences."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

from nerkd_local.report.parts import (
    Figure,
    Mention,
    MentionState,
    Report,
    Section,
    Sentence,
    Sentences,
    Table,
    Text,
)

HUMAN, ANNOTATOR, STUDENT, OTHER = "human", "annotator", "simple_mix, seed 0", "original_only, seed 0"
LAYERS = (HUMAN, ANNOTATOR, STUDENT, OTHER)
ROLES = {HUMAN: "original", ANNOTATOR: "annotator", STUDENT: "student", OTHER: "student"}

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 2</script>",
    '"><img src=x onerror="window.hacked = 3">',
    "'onmouseover='window.hacked=4'",
    "<!-- <style>* { display: none }</style>",
    "{{ 7 * 7 }} {% raw %} ${window.hacked = 5}",
    "javascript:window.hacked = 6",
    "\u202ekcab ot tnorf\u202c \u2066x\u2069",
    "\N{GRINNING FACE} \U0002070e \N{MATHEMATICAL BOLD CAPITAL A}",
    "nul\0 bell\x07 escape\x1b[31m \x85 \u2028",
    "lone \ud83d surrogate",
    "&lt;b&gt; &amp; &#60;",
    "שלום عربي",
)


def no_drawing(path: Path) -> None:
    raise AssertionError("the page draws nothing itself")


def figure(name: str = "regimens", **more: str) -> Figure:
    texts = {"title": "F1 by regimen", "caption": "Made-up numbers.", "alt": "Marks on lines."} | more
    return Figure(name=name, draw=no_drawing, **texts)


def drawing(text: str = "simple_mix") -> str:
    """What the canvas writes, in small."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace("\0", "").replace("\x07", "").replace("\x1b", "")
    shown = shown.encode("utf-8", "replace").decode()
    return f"""<?xml version="1.0" encoding="utf-8" standalone="no"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="720pt" height="90pt" viewBox="0 0 720 90" \
xmlns="http://www.w3.org/2000/svg" version="1.1">
 <defs><style type="text/css">*{{stroke-linejoin: round; stroke-linecap: butt}}</style></defs>
 <g id="figure_1">
  <g id="patch_1"><path d="M 0 90
L 720 90
L 720 0
L 0 0
z
" style="fill: #ffffff"/></g>
  <g id="line2d_1"><defs><path id="m0" d="M 0 3 L 3 -3 L -3 -3 z" style="stroke: #ffffff"/></defs>
   <g clip-path="url(#p0)"><use xlink:href="#m0" x="200" y="45" style="fill: #0072b2; stroke: #ffffff"/></g></g>
  <text style="font-size: 9.5px; font-family: 'DejaVu Sans', sans-serif; fill: #5f6670" x="20" y="45">{shown}</text>
 </g>
 <defs><clipPath id="p0"><rect x="0" y="0" width="720" height="90"/></clipPath></defs>
</svg>
"""


def table(name: str = "results", rows: Sequence[Sequence[str]] | None = None) -> Table:
    made = [
        ("original_only", "-", "100", "0.668", "-"),
        ("simple_mix", "news", "100", "0.745", "+0.077 (+0.056 to +0.103)"),
        ("mixed", "news", "1,000", "0.755", "+0.087 (+0.069 to +0.108)"),
        ("linear", "news", "250", "0.654", "-0.014 (-0.031 to +0.002)"),
    ]
    return Table(
        name=name,
        title="Strict F1",
        headers=("regimen", "source", "original", "F1", "difference"),
        rows=tuple(tuple(row) for row in (made if rows is None else rows)),
        left=("regimen", "source"),
        caption="Intervals over documents.",
    )


def sentence(
    name: str, text: str, labels: Mapping[str, Sequence[Mention]], group: str = "dev", state: str = ""
) -> Sentence:
    return Sentence(id=name, text=text, group=group, labels=labels, state=state)


def mention(
    text: str, words: str, label: str, state: MentionState = "unknown", confidence: float | None = None
) -> Mention:
    """The first place where the words stand in the text."""
    start = text.index(words)
    return Mention(start, start + len(words), label, state, confidence)


def few_sentences() -> Sentences:
    """Eight sentences in which each state and each kind of disagreement occurs."""
    plain = "Coach Ada Norwin told the Fridale Post that Zelitron Corp would leave Karobridge."
    emoji = "\N{GRINNING FACE}\N{GRINNING FACE} Ada Norwin \U0002070e met Zelitron Corp \N{GRINNING FACE} in Fridale."
    hebrew = "עדה גרה בחיפה מאז 1990"
    m = mention
    right = {
        HUMAN: [m(plain, "Ada Norwin", "PER"), m(plain, "Fridale Post", "ORG"), m(plain, "Karobridge", "LOC")],
        ANNOTATOR: [
            m(plain, "Ada Norwin", "PER", "right", 0.98),
            m(plain, "Fridale Post", "LOC", "type", 0.61),
            m(plain, "Karobridge", "LOC", "right", 1.0),
        ],
        STUDENT: [
            m(plain, "Ada Norwin", "PER", "right", 0.9),
            m(plain, "Fridale Post", "ORG", "right", 0.7),
            m(plain, "Karobridge", "LOC", "right", 0.8),
        ],
        OTHER: [
            m(plain, "Coach Ada Norwin", "PER", "boundary", 0.5),
            m(plain, "Post", "PER", "both", 0.3),
            m(plain, "Zelitron Corp", "ORG", "spurious", 0.4),
            m(plain, "Karobridge", "LOC", "missed"),
        ],
    }
    same = [m(emoji, "Ada Norwin", "PER"), m(emoji, "Zelitron Corp", "ORG"), m(emoji, "Fridale", "LOC")]
    found = [Mention(one.start, one.end, one.label, "right", 0.75) for one in same]
    rows = [
        sentence("dev-1", plain, right, state="accepted"),
        sentence("dev-2", emoji, {HUMAN: same, ANNOTATOR: found, STUDENT: found, OTHER: found}, state="accepted"),
        sentence("dev-3", hebrew, {HUMAN: [m(hebrew, "עדה", "PER")], STUDENT: [], OTHER: []}, state="truncated"),
        sentence("dev-4", "Nothing is named here, in an ISTANBUL of words.", {layer: [] for layer in LAYERS}),
        sentence("news-1", "Zelitron rises.", {ANNOTATOR: [Mention(0, 8, "ORG")]}, group="news", state="repaired"),
        sentence("news-2", "It rained; Zelitrons fell.", {ANNOTATOR: []}, group="news", state="accepted"),
        sentence("news-3", "Tab\there,\na second line.", {ANNOTATOR: []}, group="news", state="accepted"),
        sentence("news-4", "A price of $5 (or 5*5) [sic].", {ANNOTATOR: []}, group="news", state="accepted"),
    ]
    return Sentences(rows, LAYERS, ROLES, ("dev", "news"), "12 sentences were left out, as nobody labelled them.")


def quiet_report(sentences: Sentences | None = None) -> Report:
    return Report(
        title="A made-up run",
        answer=(
            "With 100 human-labelled sentences, simple_mix is better than original_only by 0.077.",
            "More is below.",
        ),
        facts=(("students", "203"), ("seeds", "5"), ("evaluation", "3,250 sentences")),
        cautions=("2 of 5 seeds are not finished.",),
        sections=(
            Section("regimens", "Every regimen", "What each is worth.", (figure(), table())),
            Section("costs", "Cost", "Nothing was measured: run it with distilled amounts."),
            Section("provenance", "Provenance", "How to do it again.", (Text("nerkd run settings.yaml", code=True),)),
        ),
        sentences=sentences,
    )


def drawings(report: Report, text: str = "simple_mix") -> dict[str, str]:
    parts = [part for section in report.sections for part in section.parts]
    return {part.name: drawing(text) for part in parts if isinstance(part, Figure)}


def hostile_report() -> Report:
    """All of the hostile text in every place that takes text."""
    every = " | ".join(HOSTILE)
    layers = tuple(f"{role} {every}" for role in ("original", "annotator", "student"))
    roles = dict(zip(layers, ("original", "annotator", "student"), strict=True))
    rows = [
        Sentence(
            id=f"{number} {text}",
            text=f"{text} {text}",
            group=text,
            labels={layer: [Mention(0, len(text), text, state, 0.5)] for layer in layers},
            state=text,
        )
        for number, (text, state) in enumerate(zip(HOSTILE, get_args(MentionState) * 2, strict=False))
    ]
    sections = [
        Section(
            f"part-{number}",
            text,
            text,
            (
                figure(f"{number}{text}", title=text, caption=text, alt=text),
                Table(f"t{number}{text}", text, (text, "number"), ((text, "1"), (text, "2")), (text,), text),
                Text(text),
                Text(text, code=True),
            ),
        )
        for number, text in enumerate(HOSTILE)
    ]
    return Report(
        title=every,
        answer=(every,),
        facts=((every, every),),
        cautions=(every,),
        sections=tuple(sections),
        sentences=Sentences(rows, layers, roles, HOSTILE, every),
    )


_NAMES = ("Ada Norwin", "Mirolina Standov", "Zelitron Corp", "Fridale Post", "Karobridge", "Old Vashel", "Torben Quist")
_TYPES = ("PER", "PER", "ORG", "ORG", "LOC", "LOC", "PER")


def many_sentences(count: int, students: int = 3, seed: int = 0) -> Sentences:
    """Sentences of news length (22 words or so, 2 mentions) in which every layer errs now and then."""
    draw = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or", "el")]
    words = ["".join(draw.choices(syllables, k=draw.choice((1, 1, 2, 2, 3)))) for _ in range(12_000)]
    weights = [*itertools.accumulate(1 / (rank + 3) for rank in range(len(words)))]
    names = [
        f"{''.join(draw.choices(syllables, k=2)).title()} {''.join(draw.choices(syllables, k=2)).title()}"
        for _ in range(3_000)
    ]
    layers = (HUMAN, ANNOTATOR, *(f"student {number}" for number in range(students)))
    roles = dict(zip(layers, ("original", "annotator", *(["student"] * students)), strict=True))
    rows = []
    for number in range(count):
        pieces = draw.choices(words, cum_weights=weights, k=max(4, int(draw.gauss(20, 8))))
        for place in range(draw.choice((0, 1, 1, 2, 2, 3, 4))):
            pieces.insert(draw.randrange(len(pieces) + 1), f"@{place}")
        text, human = "", []
        for piece in pieces:
            text += " " if text else ""
            if piece.startswith("@"):
                name = draw.choice(names) if draw.random() < 0.7 else draw.choice(_NAMES)
                human.append(Mention(len(text), len(text) + len(name), draw.choice(("PER", "ORG", "LOC", "MISC"))))
                text += name
            else:
                text += piece
        text += "."
        labels = {HUMAN: human}
        for layer in layers[1:]:
            labels[layer] = [_erring(one, draw) for one in human]
        group, state = ("dev", "") if number < count // 6 else ("news", draw.choice(("accepted",) * 9 + ("repaired",)))
        rows.append(Sentence(f"{group}-{number:05}", text, group, labels, state))
    return Sentences(rows, layers, roles, ("dev", "news"))


def _erring(one: Mention, draw: random.Random) -> Mention:
    confidence = round(draw.betavariate(6, 1), 3)
    chance = draw.random()
    if chance < 0.8:
        return Mention(one.start, one.end, one.label, "right", confidence)
    if chance < 0.87:
        return Mention(one.start, one.end, "MISC" if one.label != "MISC" else "LOC", "type", confidence)
    if chance < 0.94:
        return Mention(one.start, one.end - 2, one.label, "boundary", confidence)
    return Mention(one.start, one.end, one.label, "missed")
