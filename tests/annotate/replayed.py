"""`nerkd annotate` over a small corpus with recorded answers, called from within, and its shards."""

from __future__ import annotations

import json
from pathlib import Path

from nerkd_local.annotate.command import AnnotateCommand
from nerkd_local.annotate.selection import Selection
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.shards import Shard

TEXTS = [f"Ann{number % 17} saw Bonn" for number in range(40)]
SHARDS = 3


class Replayed:
    """A corpus `c.conll` and its answers in a folder. `said` keeps every line that was said."""

    def __init__(self, folder: Path, texts: list[str] = TEXTS) -> None:
        self.folder = folder
        self.corpus = folder / "c.conll"
        self.answers = folder / "answers.jsonl"
        self.said: list[str] = []
        self.write(texts)

    def write(self, texts: list[str]) -> None:
        """Another corpus, with answers to it."""
        self.corpus.write_text("".join(text.replace(" ", "\n") + "\n\n" for text in texts))
        rows = [{"text": text, "answer": f"PER\t{text.split()[0]}\nLOC\tKiel"} for text in dict.fromkeys(texts)]
        self.answers.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def command(
        self, output: Path, scratch: Path | None = None, exports: tuple[str, ...] = (), **changes: object
    ) -> AnnotateCommand:
        """A call of the command; `changes` are the annotator's settings."""
        values = {
            "name": "recorded",
            "engine": {"kind": "replay", "answers": self.answers},
            "labels": {"PER": "people", "LOC": "places"},
        }
        return AnnotateCommand(
            AnnotatorSettings.model_validate(values | changes),
            Selection(corpus=self.corpus),
            output,
            scratch,
            exports,
            self.said.append,
        )

    def shards(self, output: Path, count: int = SHARDS, **changes: object) -> list[Path]:
        """All shards of the corpus; their folders."""
        for number in range(1, count + 1):
            self.command(output, **changes).annotate_shard(Shard(number, count))
        return [output / f"shard-{number}-of-{count}" for number in range(1, count + 1)]


def files(folder: Path) -> dict[str, bytes]:
    """The contents of a folder's files, hidden ones and the index left out."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
