"""The made-up news: sentences with their labels, from a seed.

Ambiguity is in it on purpose, as it is in news: a place name is a place or the team from there; a surname is a
person or the company that bears it; surnames are ordinary words too; headlines are in capitals; and "X declined to
comment" fits a person and a company alike, so that nobody can be right every time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from nerkd_local.demo import names
from nerkd_local.demo.frames import FRAMES
from nerkd_local.demo.names import World
from nerkd_local.fingerprints import digest
from nerkd_local.records import Document, Span, from_words

LABELS = ("PER", "ORG", "LOC", "MISC")

_PART = re.compile(r"\{(\w+)(:upper)?\}|\(([^()|]*(?:\|[^()|]*)+)\)|(\S+)")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FIRM_TAILS = ("Corp", "Ltd", "Inc", "Group", "Holdings", "Industries", "& Sons", "Motors", "Bank", "Airlines")
_TEAM_TAILS = ("United", "Rovers", "City", "Wanderers", "Athletic")


class Mention(NamedTuple):
    """Words that fill a slot, and their label; None for words that are no name."""

    words: list[str]
    label: str | None


def write_sentences(world: World, count: int, seed: int) -> Iterator[Document]:
    """`count` labelled sentences of a world, the same for the same seed; ids are `<world>:<n>`.

    Their texts differ from each other. A longer run begins with the sentences of a shorter one.
    """
    random = Random(int(digest("sentences", world, seed)[:16], 16))
    seen: set[str] = set()
    while len(seen) < count:
        document = write_sentence(world, random, f"{world}:{len(seen)}")
        if document.text not in seen:
            seen.add(document.text)
            yield document


def write_sentence(world: World, random: Random, id: str) -> Document:
    """One labelled sentence."""
    words: list[str] = []
    labelled: list[tuple[int, int, str]] = []
    for slot, upper, choices, plain in _PART.findall(random.choice(FRAMES[world])):
        if slot:
            mention = _SLOTS[slot](world, random)
            begin = len(words)
            words += [word.upper() for word in mention.words] if upper else mention.words
            if mention.label:
                labelled.append((begin, len(words), mention.label))
        else:
            words += random.choice(choices.split("|")).split() if choices else [plain]
    tokens = from_words(id, words).tokens
    spans = tuple(Span(tokens[begin][0], tokens[end - 1][1], label) for begin, end, label in labelled)
    return from_words(id, words, spans)


def _person(world: World, random: Random) -> Mention:
    surname = names.surname(world, random)
    form = random.random()
    if form < 0.35:
        return Mention([surname], "PER")
    given = names.given_name(world, random)
    initial = [f"{given[0]}."] if form < 0.45 else [given]
    return Mention([*initial, surname], "PER")


def _firm(world: World, random: Random) -> Mention:
    form = random.random()
    if form < 0.12:
        return Mention([names.surname(world, random)], "ORG")
    if form < 0.2:
        return Mention(["Bank", "of", *names.place(world, random).split()], "ORG")
    if form < 0.28:
        head = names.surname(world, random)
    else:
        head = names.firm(world, random)
    tail = random.choice(_FIRM_TAILS).split() if random.random() < 0.5 or form < 0.28 else []
    return Mention([head, *tail], "ORG")


def _team(world: World, random: Random) -> Mention:
    tail = [random.choice(_TEAM_TAILS)] if random.random() < 0.3 else []
    return Mention([*names.place(world, random).split(), *tail], "ORG")


def _sayer(world: World, random: Random) -> Mention:
    """A bare surname, of a person or of a company: the sentence does not tell."""
    return Mention([names.surname(world, random)], random.choice(("PER", "PER", "ORG")))


def _event(world: World, random: Random) -> Mention:
    if random.random() < 0.5:
        return Mention([names.demonym(world, random), *random.choice(("Open", "Grand Prix", "Cup")).split()], "MISC")
    return Mention([*names.place(world, random).split(), random.choice(("Open", "Festival", "Trophy"))], "MISC")


def _paper(world: World, random: Random) -> Mention:
    return Mention([*names.place(world, random).split(), random.choice(("Times", "Post", "Herald"))], "ORG")


def _money(world: World, random: Random) -> Mention:
    return Mention(
        ["$", f"{random.randint(1, 99)}.{random.randint(0, 9)}", random.choice(("million", "billion"))], None
    )


_SLOTS: dict[str, Callable[[World, Random], Mention]] = {
    "PER": _person,
    "ORG": _firm,
    "LOC": lambda world, random: Mention(names.place(world, random).split(), "LOC"),
    "MISC": lambda world, random: Mention([names.demonym(world, random)], "MISC"),
    "TEAM": _team,
    "SAYER": _sayer,
    "EVENT": _event,
    "PAPER": _paper,
    "AGENCY": lambda world, random: Mention([names.firm(world, random)], "ORG"),
    "money": _money,
    "num": lambda world, random: Mention([str(random.choice((1, 2, 3, 4, 6, 9, 12, 17, 25, 40, 120, 300)))], None),
    "day": lambda world, random: Mention([random.choice(_DAYS)], None),
    "year": lambda world, random: Mention([str(random.randint(1950, 2024))], None),
}
