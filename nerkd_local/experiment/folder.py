"""Where everything of an experiment lies: one run folder that can be copied, read and continued elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths inside a run folder."""

    root: Path
    corpus_name: str = "corpus"
    """Preparation writes under another name and renames when all is there."""

    @property
    def corpus(self) -> Path:
        """The folder of the corpus files."""
        return self.root / self.corpus_name

    @property
    def settings(self) -> Path:
        """The resolved settings."""
        return self.root / "settings.yaml"

    @property
    def preparation(self) -> Path:
        """What the corpora were made from, and what was left out."""
        return self.corpus / "preparation.json"

    @property
    def evaluation(self) -> Path:
        """The evaluation sentences with their human labels."""
        return self.corpus / "evaluation.jsonl"

    def original(self, size: int) -> Path:
        """The human-labelled subset of that size."""
        return self.corpus / f"original-{size}.jsonl"

    def hidden(self, source: str) -> Path:
        """The human labels that a distilled source's corpus carries; only the annotator's score reads them."""
        return self.corpus / f"hidden-{source}.jsonl"

    def unlabelled(self, source: str) -> Path:
        """A distilled source's sentences as the annotator gets them."""
        return self.corpus / f"unlabelled-{source}.jsonl"

    def annotation(self, source: str) -> Path:
        """The folder of one source's annotation: the store, the export, the ledger."""
        return self.root / "annotations" / source

    @property
    def distilled(self) -> Path:
        """Every usable annotated sentence of all sources."""
        return self.root / "annotations" / "distilled.jsonl"

    def cell(self, name: str) -> Path:
        """The folder of one trained student."""
        return self.root / "cells" / name

    @property
    def results(self) -> Path:
        """The folder of tables and figures."""
        return self.root / "results"
