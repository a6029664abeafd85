"""Where everything of an experiment lies: one run folder that can be copied, read and continued elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
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

    def original(self, size: int, held_out: Sequence[int] = ()) -> Path:
        """The human-labelled subset of that size, without the sentences of the folds that are held out."""
        without = "".join(f"-without-{fold}" for fold in held_out)
        return self.corpus / f"original-{size}{without}.jsonl"

    def fold(self, size: int, fold: int) -> Path:
        """One fold of the human-labelled subset of that size."""
        return self.corpus / f"original-{size}-fold-{fold}.jsonl"

    def hidden(self, source: str) -> Path:
        """The human labels that a distilled source's corpus carries; only studies of the annotator read them."""
        return self.corpus / f"hidden-{source}.jsonl"

    def unlabelled(self, source: str) -> Path:
        """A distilled source's sentences as the annotator gets them."""
        return self.corpus / f"unlabelled-{source}.jsonl"

    @property
    def study(self) -> Path:
        """The sentences that the annotator study is scored on, with their human labels."""
        return self.corpus / "annotator-study.jsonl"

    def annotation(self, source: str) -> Path:
        """The folder of one source's annotation: the store, the export, the ledger."""
        return self.root / "annotations" / source

    def distilled(self, mix: str) -> Path:
        """Every usable annotated sentence of a mix's sources."""
        return self.root / "annotations" / f"distilled-{mix}.jsonl"

    def calibration_corpus(self, annotator: str | None) -> Path:
        """The human-labelled sentences that an annotator's confidence is calibrated on."""
        return self.calibration(annotator) / "sentences.jsonl"

    def calibration(self, annotator: str | None) -> Path:
        """The folder of one annotator's answers to human-labelled sentences, and the calibration made of them."""
        return self.root / "annotations" / (f"calibration-{annotator}" if annotator else "calibration")

    def opinions(self, source: str) -> Path:
        """The folder of the cross-fitted students that judge one source's labels."""
        return self.root / "annotations" / f"opinions-{source}"

    def selection_ledger(self, mix: str) -> Path:
        """What selection did to a mix's labels."""
        return self.root / "annotations" / f"distilled-{mix}.ledger.json"

    def study_annotation(self, prompt: str, format: str) -> Path:
        """The folder of the study's annotation with that prompt and answer format."""
        return self.root / "annotations" / f"study-{prompt}-{format}"

    def labels(self, whose: str, size: int) -> Path:
        """The label study's sentences: the first `size`, with human or LLM labels."""
        return self.root / "annotations" / f"labels-{whose}-{size}.jsonl"

    def student(self, name: str) -> Path:
        """The folder of one trained student."""
        return self.root / "cells" / name

    @property
    def encoded(self) -> Path:
        """The tokenized texts that students share."""
        return self.root / "encoded"

    def prefix(self, key: str) -> Path:
        """The checkpoint that students with the same beginning share."""
        return self.root / "prefixes" / key

    def twin(self, made_from: str) -> Path:
        """Which student was trained and scored on what has this digest: others may be the same under another name."""
        return self.root / "twins" / made_from

    @property
    def students(self) -> Path:
        """The students that the workers share out among themselves."""
        return self.root / "students.json"

    @property
    def students_settings(self) -> Path:
        """What the students have in common, for the workers."""
        return self.root / "students.yaml"

    def lock(self, name: str) -> Path:
        """The lock file of a student, or of the stages that one process does for all."""
        return self.root / "locks" / name

    @property
    def logs(self) -> Path:
        """What the annotators' engines and the workers that train students print."""
        return self.root / "logs"

    @property
    def results(self) -> Path:
        """The folder of tables and figures."""
        return self.root / "results"
