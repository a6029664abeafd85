"""Text folded for comparison, with a map back to where each folded character came from."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "`": "'", "–": "-", "—": "-", "‐": "-", "‑": "-"})


_MOST_MARKS = 30
"""So many combining marks belong to one character, as in the Unicode Standard's Stream-Safe Text Format (annex 15).

Putting a run of them into order takes a time that grows with its length squared."""


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` is the folded string; its character i came from the original's `starts[i]` up to `ends[i]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def fold(text: str) -> Folded:
    """Case, width, composition, typographic quotes and dashes folded; runs of white space to one space.

    Zero-width characters vanish. Folding may lengthen a character (a dotted capital I, a ligature), so every
    folded character carries the original range it came from: half-open code points.
    """
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    position = 0
    while position < len(text):
        end = position + 1
        # a base character and its combining marks compose together, so NFC and NFD text fold alike
        while end < len(text) and end - position <= _MOST_MARKS and unicodedata.combining(text[end]):
            end += 1
        for character in _fold_cluster(text[position:end]):
            if character == " " and (not folded or folded[-1] == " "):
                continue
            folded.append(character)
            starts.append(position)
            ends.append(end)
        position = end
    if folded and folded[-1] == " ":
        del folded[-1], starts[-1], ends[-1]
    return Folded("".join(folded), tuple(starts), tuple(ends))


@lru_cache(maxsize=8192)
def _fold_cluster(cluster: str) -> str:
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cluster).casefold()).translate(_QUOTES)
    return "".join(
        " " if character.isspace() else character
        for character in plain
        if unicodedata.category(character) not in ("Cf", "Cc") or character.isspace()
    )
