"""What a store holds: answers, and what each run is about."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple


class StoredAnswer(NamedTuple):
    """One answer, `storable`: `sentence_no` is the sentence's place in the corpus (from 0), `text_key` its text's.

    `copy_of` is the sentence of the same text that was asked in its place; a copy has cost no tokens.
    """

    sentence_no: int
    sentence_id: str
    text_key: int
    answer: str
    finish_reason: str
    prompt_tokens: int
    output_tokens: int
    copy_of: int | None = None

    def crc32(self) -> int:
        """What the row's checksum has to be."""
        return zlib.crc32("\x1f".join(map(str, self)).encode("utf-8"))


def logprobs_crc32(sentence_no: int, value: str) -> int:
    """What the checksum of kept log-probabilities has to be."""
    return zlib.crc32(f"{sentence_no}\x1f{value}".encode())


@dataclass(frozen=True, slots=True)
class Work:
    """What a run of a store is about: a corpus (its file's SHA-256 and number of sentences), or a part of it.

    Shard i of n has the sentences whose text's key leaves i - 1 when divided by n (i from 1).
    """

    corpus_sha256: str
    sentences: int
    shard: int = 1
    shards: int = 1


def storable(text: str) -> str:
    """The text without halves of characters, which a server's JSON can hold and no UTF-8 text can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
