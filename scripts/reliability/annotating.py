"""What the harnesses of annotation share: a made-up corpus, the command on it, and what it has acknowledged."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

_FIRST = ["Ann", "Bob", "Clara", "Dov", "Edda", "Farid", "Greta", "Hugo"]
_PLACES = ["Bonn", "Kiel", "Oslo", "Turin", "Porto", "Ghent", "Brno", "Split"]
_VERBS = ["saw", "left", "reached", "described", "missed"]

_COMMAND = """
import sys
from nerkd_local.store.answers import AnswerStore
AnswerStore.SYNCHRONOUS = sys.argv.pop(1)
from nerkd_local.cli.main import main
main()
"""


def write_texts(path: Path, count: int, seed: int = 0) -> None:
    """A corpus of so many short made-up sentences, one in twenty a repetition."""
    draw = random.Random(seed)
    lines: list[str] = []
    for number in range(count):
        if lines and draw.random() < 0.05:
            lines.append(draw.choice(lines[-1000:]))
        else:
            words = [draw.choice(_FIRST), draw.choice(_VERBS), draw.choice(_PLACES), f"no{number}"]
            lines.append("\n".join(words) + "\n\n")
    path.write_text("".join(lines), encoding="utf-8")


def annotate_command(
    corpus: Path, output: Path, *, answers_a_second: float | None = None, synchronous: str = "FULL"
) -> list[str]:
    """`nerkd annotate` with the scripted engine, which answers the same every time."""
    engine = {"kind": "scripted", "script": "mixed", "answers_a_second": answers_a_second}
    written = "{" + ", ".join(f"{key}: {'null' if value is None else value}" for key, value in engine.items()) + "}"
    command = [sys.executable, "-c", _COMMAND, synchronous, "annotate", "bench_lines", str(corpus)]
    return [*command, "--output", str(output), "--set", f"engine={written}"]


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """The command in the background, in a process group of its own; what it says is in `log`."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def acknowledged(store: Path) -> dict[int, int]:
    """What a reader sees committed: sentence number -> checksum. Nothing where there is no store yet.

    SQLite shows a reader a transaction only after the writer's sync of it has returned, so this is what the writer
    has promised to keep.
    """
    if not store.exists():
        return {}
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            return dict(database.execute("SELECT sentence_no, crc32 FROM answers"))
    except sqlite3.OperationalError:  # no table yet, or the file system is gone
        return {}


def lost(before: dict[int, int], after: dict[int, int]) -> int:
    """How many acknowledged records are gone, or are others now."""
    return sum(after.get(number) != checksum for number, checksum in before.items())


def exported(folder: Path) -> bytes:
    """The labels and the ledger of a finished run."""
    return b"".join((folder / name).read_bytes() for name in ("annotations.jsonl", "ledger.json"))
