"""Scripts that put no spaces between words: Chinese, Japanese, Thai, Lao, Khmer and Burmese writing.

Where their words end is a question for a dictionary, and mentions end there or not. So each character is a token, with
the marks that belong to it (vowel signs, tones, voicing, variation selectors, what is stacked below it): a span can lie
wherever a mention may. Digits and other scripts' letters among them keep together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_HAN_AND_KANA = (
    "\u2e80-\u2fff\u3001-\u312f\u3190-\u31ff\u3220-\u325f\u3280-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    # full and half width and vertical: punctuation and kana, without the digits and the Latin letters
    "\ufe30-\ufe4f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff9d"
)
_THAI_AND_LAO = "\u0e01-\u0e4f\u0e5a-\u0e5b\u0e81-\u0ecf\u0edc-\u0edf"
_KHMER = "\u1780-\u17df"
_MYANMAR = "\u1000-\u103f\u104a-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"
_MARKS = (
    "\u0300-\u036f\u200c\u200d\u3099\u309a\ufe00-\ufe0f\uff9e\uff9f\U000e0100-\U000e01ef"
    "\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ece"
    "\u17b4-\u17d3\u17dd\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074"
    "\u1082-\u108d\u108f\u109a-\u109d\uaa7b-\uaa7d"
)
# Khmer and Burmese write the second of two consonants below the first, behind a sign that says so
_STACKED = "(?<=[\u17d2\u1039])[\u1780-\u17b3\u1000-\u102a]"

_CHARACTER = re.compile(f"[{_HAN_AND_KANA}{_THAI_AND_LAO}{_KHMER}{_MYANMAR}](?:[{_MARKS}]|{_STACKED})*")


def is_unspaced(character: str) -> bool:
    """Whether a character belongs to one of these scripts."""
    return _CHARACTER.match(character) is not None


def cut_unspaced(text: str, tokens: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The tokens, those that hold such characters cut into them and what stands between. Time is linear."""
    if not _CHARACTER.search(text):
        yield from tokens
        return
    for start, end in tokens:
        for match in _CHARACTER.finditer(text, start, end):
            if start < match.start():
                yield start, match.start()
            yield match.span()
            start = match.end()
        if start < end:
            yield start, end
