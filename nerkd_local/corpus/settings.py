"""What describes a corpus on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from nerkd_local.settings import Settings


class CorpusSettings(Settings):
    """Where a corpus is and how to read it.

    `path` is a file, or a folder of text files. `format` auto goes by the file's extension. `encodings` names
    the exceptions in a folder of text files: pattern (shell style, matched against the path relative to the
    folder; `*` also crosses `/`) to encoding, the first match counts. `scheme` auto finds the tag scheme
    from all tags of the file. `language` (ISO 639) is for cutting text into sentences. `wrapped` says that
    lines of text are broken at a fixed width: only a blank line then ends a paragraph; otherwise every line
    break does. `column` is the one that holds the tags in a file of columns, counted from 1 (the word's); the last
    where it is not given. `nested` says what becomes of spans in JSON lines that overlap, which tags cannot: the
    outermost (longest) ones are kept, or the innermost (shortest), and the others are counted.
    """

    path: Path
    format: Literal["auto", "conll", "jsonl", "text"] = "auto"
    encoding: str = "utf-8"
    encodings: dict[str, str] = Field(default_factory=dict)
    scheme: Literal["auto", "IOB1", "IOB2", "BIOES"] = "auto"
    language: str = "en"
    wrapped: bool = False
    column: Annotated[int, Field(ge=2, le=4)] | None = None
    nested: Literal["refuse", "outermost", "innermost"] = "refuse"

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            "a".encode(name)
        except LookupError:
            raise ValueError(f"unknown text encoding {name!r}; use a name such as utf-8 or latin-1") from None
        return name

    @field_validator("encodings")
    @classmethod
    def _known_encodings(cls, names: dict[str, str]) -> dict[str, str]:
        for name in names.values():
            cls._known_encoding(name)
        return names
