"""Made-up names: put together from syllables, so there are many and none is anybody's.

Two worlds share no name. Which world a name belongs to is decided by its hash, so neither can run out of names
and no list has to be kept apart from another.
"""

from __future__ import annotations

from random import Random
from typing import Literal

from nerkd_local.fingerprints import digest

World = Literal["annotator", "scored"]
"""`annotator`: what the demo annotator and the demo student's encoder were made from. `scored`: the demo's corpus."""


def _parts(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _parts(
    "Al Be Ca Da El Fe Ga Ha Is Jo Ka Le Mi No Or Pe Ro Sa Ti Ul Va Wi Ya Ze Bri Cle Dro Fre Gri Klo Sta Tre"
)
_MIDDLE = _parts("la ne ri so tu ve mi da ro ke lo na ba ri se ti ma vo re li du fa ne sta dri lle nda rro ska")
_GIVEN_ENDS = _parts("n na ra s la lin ton vin ssa ro ka mir der ne rt ette don")
_SURNAME_ENDS = _parts("son mann berg ley ford wick sen ovic ini ez well ton ard nov ski ault mer hart low field")
_PLACE_ENDS = _parts("ville burg stad port mouth grad ham dale bridge by haven polis wood minster nia land stan ora")
_FIRM_ENDS = _parts("tech corp soft line com gen ex on is ora max tron va net air form")
_DEMONYM_ENDS = _parts("n ian ese ish er i")
_WORDS: dict[World, tuple[str, ...]] = {
    "annotator": ("Stone", "Marsh", "Hill", "Baker", "Price", "Young", "Banks", "Rose", "Park", "Day"),
    "scored": ("Field", "Brook", "Wood", "Cook", "Rich", "Cross", "Bell", "Frost", "Lake", "May"),
}
"""Surnames that are ordinary words too, and stand in the sentences as such."""


def ordinary_words(world: World) -> tuple[str, ...]:
    """The surnames of a world that also occur as common words, in lower case."""
    return _WORDS[world]


def given_name(world: World, random: Random) -> str:
    """Such as `Belina`."""
    return _made(world, random, _GIVEN_ENDS, "given")


def surname(world: World, random: Random) -> str:
    """Such as `Drodaberg`; one in twelve is an ordinary word."""
    if random.random() < 1 / 12:
        return random.choice(_WORDS[world])
    return _made(world, random, _SURNAME_ENDS, "surname")


def place(world: World, random: Random) -> str:
    """Such as `Karobridge`; one in eight has two words."""
    name = _made(world, random, _PLACE_ENDS, "place")
    if random.random() < 1 / 8:
        return f"{random.choice(('New', 'East', 'North', 'Port', 'San', 'Lake'))} {name}"
    return name


def firm(world: World, random: Random) -> str:
    """The distinctive word of a company's name, such as `Stalitron`, or initials such as `KVB`."""
    if random.random() < 1 / 5:
        while True:
            name = "".join(random.choices("ABCDEFGHIKLMNOPRSTUVW", k=random.choice((3, 3, 4))))
            if _world_of(name) == world:
                return name
    return _made(world, random, _FIRM_ENDS, "firm")


def demonym(world: World, random: Random) -> str:
    """What people and things of a place are called, such as `Karovian`."""
    return _made(world, random, _DEMONYM_ENDS, "demonym")


def _made(world: World, random: Random, ends: tuple[str, ...], kind: str) -> str:
    while True:
        middle = "".join(random.choices(_MIDDLE, k=random.choice((0, 1, 1, 2))))
        name = random.choice(_FIRST) + middle + random.choice(ends)
        if len(name) > 3 and _world_of(name) == world and name not in _ALL_WORDS:
            return name


_ALL_WORDS = frozenset(word for words in _WORDS.values() for word in words)


def _world_of(name: str) -> World:
    return "annotator" if int(digest("world", name.casefold())[:2], 16) % 2 else "scored"
