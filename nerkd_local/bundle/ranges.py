"""Numbers of volumes, short enough to be copied by hand: `3 7-12 of 240`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nerkd_local.errors import InputError

_ITEM = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def shorten(numbers: Iterable[int]) -> str:
    """The numbers in order, neighbours as ranges: `3 7-12`. Empty for none."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def read_numbers(text: str, total: int) -> list[int]:
    """The numbers that such a text names, in order; commas may stand between them, and `of TOTAL` at the end.

    Raises InputError for what cannot be read, for numbers outside 1 to `total`, and if the text has another total: it
    was copied from the list of another bundle, or wrongly.
    """
    items, of, said = text.partition("of")
    if of and said.strip() != str(total):
        raise InputError(f"the list says `of {said.strip()}`, and this bundle has {total} volumes: is it of another?")
    numbers: set[int] = set()
    for item in re.split(r"[\s,;]+", items.strip()):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise InputError(f"{item!r} in the list of volumes cannot be read; write it like: 3 7-12")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= total:
            raise InputError(f"{item!r} in the list of volumes is outside 1 to {total}, or runs backwards")
        numbers.update(range(first, last + 1))
    return sorted(numbers)
