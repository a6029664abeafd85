"""What the sentence browser's lists offer."""

from __future__ import annotations

from dataclasses import dataclass

from nerkd_local.report.parts import Sentences
from nerkd_local.report.sentences import answers_of, groups_of, labels_of, states_of

STATE_NAMES = {
    "right": "right",
    "type": "wrong type",
    "boundary": "wrong boundary",
    "both": "wrong type and boundary",
    "spurious": "spurious: not in the human labels",
    "missed": "missed: only in the human labels",
    "unknown": "not known: no human labels",
}
STATE_SIGNS = {"right": "✓", "type": "T", "boundary": "B", "both": "TB", "spurious": "+", "missed": "−", "unknown": ""}
"""What stands beside a mention's label, so that colour and line are not all that tells states apart."""


_SHOWN = 4
"""Layers shown at first: more of them, and a sentence fills the screen."""


@dataclass(frozen=True, slots=True)
class Choices:
    """`disagreements`: heading, and under it (value, text); a value is a relation and two numbers of layers."""

    groups: list[str]
    labels: list[str]
    states: list[str]
    answers: list[str]
    disagreements: list[tuple[str, list[tuple[str, str]]]]
    shown: set[int]
    """The numbers of the layers that are shown until the reader says so."""


def choices_of(sentences: Sentences) -> Choices:
    """The lists for these sentences. One with a single entry is empty: there is nothing to choose."""
    return Choices(
        groups=_several(groups_of(sentences)),
        labels=_several(labels_of(sentences)),
        states=_several(states_of(sentences)),
        answers=_several(answers_of(sentences)),
        disagreements=_disagreements(sentences),
        shown=_shown(sentences),
    )


def _several(names: list[str]) -> list[str]:
    return names if len(names) > 1 else []


def _shown(sentences: Sentences) -> set[int]:
    """Everybody but students, and of these as many as fit; one at least."""
    others = [number for number, layer in enumerate(sentences.layers) if sentences.roles[layer] != "student"]
    students = [number for number, layer in enumerate(sentences.layers) if sentences.roles[layer] == "student"]
    return {*others, *students[: max(1, _SHOWN - len(others))]}


def _disagreements(sentences: Sentences) -> list[tuple[str, list[tuple[str, str]]]]:
    """`differ:A:B`: A's mentions are not B's. `lead:A:B`: A got something wrong by the human labels, and B not. Only of
    layers that have a sentence in common."""
    numbers: dict[str, list[int]] = {role: [] for role in ("original", "annotator", "student")}
    for number, layer in enumerate(sentences.layers):
        numbers[sentences.roles[layer]].append(number)
    humans, annotators, students = numbers["original"][:1], numbers["annotator"], numbers["student"]

    together = {frozenset(row.labels) for row in sentences.sentences}

    def meet(*layers: int) -> bool:
        wanted = {sentences.layers[layer] for layer in layers}
        return any(wanted <= known for known in together)

    def pairs(relation: str, word: str, first: list[int], second: list[int]) -> list[tuple[str, str]]:
        return [
            (f"{relation}:{one}:{other}", word.format(sentences.layers[one], sentences.layers[other]))
            for one in first
            for other in second
            if meet(one, other, *(humans if relation == "lead" else ()))
        ]

    against = "{} against {}"
    found = [
        ("Annotator against human", pairs("differ", against, annotators, humans)),
        ("Student against human", pairs("differ", against, students, humans)),
        ("Annotator against student", pairs("differ", against, annotators, students)),
        ("Annotator wrong, student right", pairs("lead", "{} wrong, {} right", annotators, students) if humans else []),
    ]
    return [(heading, options) for heading, options in found if options]
