"""Where everything of an experiment lies: one run folder that can be copied, read and continued elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside a run folder."""

    root: Path

    @property
    def settings(self) -> Path:
        """The resolved settings."""
        return self.root / "settings.yaml"

    @property
    def preparation(self) -> Path:
        """What the corpora were made from, and what was left out."""
        return self.root / "corpus" / "preparation.json"

    @property
    def evaluation(self) -> Path:
        """The evaluation sentences with their human labels."""
        return self.root / "corpus" / "evaluation.jsonl"

    def original(self, size: int) -> Path:
        """The human-labelled subset of that size."""
        return self.root / "corpus" / f"original-{size}.jsonl"

    def hidden(self, source: str) -> Path:
        """The human labels that a distilled source's corpus carries; only the annotator's score reads them."""
        return self.root / "corpus" / f"hidden-{source}.jsonl"

    def annotation(self, source: str) -> Path:
        """The folder of one source's annotation: `corpus.jsonl`, the store, the export, the ledger."""
        return self.root / "annotations" / source

    @property
    def distilled(self) -> Path:
        """Every usable annotated sentence of all sources."""
        return self.root / "corpus" / "distilled.jsonl"

    def cell(self, name: str) -> Path:
        """The folder of one trained student."""
        return self.root / "cells" / name

    @property
    def results(self) -> Path:
        """The folder of tables and figures."""
        return self.root / "results"
