"""What can be wrong with a model folder, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["annotator", "student"]
"""An annotator answers through vLLM. A student is an encoder to train, a trained student, or one for retrieval."""

Part = Literal["files", "config", "weights", "template", "chat", "tokenizer", "load"]
CHEAP: tuple[Part, ...] = ("files", "config", "weights", "template")
"""Looked at as text and as headers, in this process: milliseconds, however large the model."""
DEEP: tuple[Part, ...] = ("chat", "tokenizer", "load")
"""Tried out by the libraries that will read the folder, in processes with bounds: half a minute, most of it imports."""
TIMES_S: dict[Part, int] = {"chat": 20, "tokenizer": 60, "load": 600}
"""How long each of those may take, without the imports before it."""

Kind = Literal["unsafe", "broken", "unknown", "note"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about one file of a model folder (`.`: the folder itself).

    `unsafe`: it could run code or reach out; `broken`: it cannot be used; `unknown`: a file that nothing here reads, or
    a question that could not be answered here; `note`: worth knowing, no reason to refuse it.
    """

    part: Part
    kind: Kind
    file: str
    what: str
    fix: str

    def __post_init__(self) -> None:
        """Names, keys and messages are the folder's maker's: nothing in them is to reach a terminal as a command."""
        for name in ("file", "what"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    def __str__(self) -> str:
        return f"{self.file}: {self.what}; {self.fix}"


def printable(text: str) -> str:
    """The text with everything that a terminal might act on written out."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def refusals(problems: Iterable[Problem]) -> list[Problem]:
    """Those for which a folder is not taken in."""
    return [problem for problem in problems if problem.kind != "note"]
