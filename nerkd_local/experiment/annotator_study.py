"""Phase 1 of the paper: how good the annotator is, by prompt and answer format, against human labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nerkd_local.annotate.folder import write_corpus
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.checks import check_labels, find_duplicates
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.corpus.splits import sample
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.folder import RunFolder


def study_annotators(settings: ExperimentSettings) -> list[AnnotatorSettings]:
    """The studied annotator under every prompt and answer format asked for."""
    study = settings.annotator_study
    if study is None:
        return []
    annotator = settings.annotator_of(study.annotator)
    pairs = [(prompt, format) for prompt in study.prompts for format in study.formats]
    return [annotator.model_copy(update={"prompt": prompt, "format": format}) for prompt, format in pairs]


def prepare_study(settings: ExperimentSettings, folder: RunFolder) -> None:
    """Write the study's sentences, drawn by the seed, without those that may be worked examples.

    Raises InputError for other labels than the annotator's, too few sentences, and where the folder holds others.
    """
    study = settings.annotator_study
    if study is None:
        return
    corpus = settings.corpus(study.corpus)
    if not corpus.path.exists() and folder.study.exists():
        return  # carried to where the corpus is not
    check_labels(read_corpus(corpus), settings.annotator.labels, corpus.path)
    originals = read_documents(folder.original(max(settings.original.sizes)))
    excluded = frozenset(find_duplicates(read_corpus(corpus), originals).training_ids)
    ids = [document.id for document in read_corpus(corpus) if document.id not in excluded]
    chosen = frozenset(ids if study.sample is None else sample(ids, study.sample, settings.sample_seed))
    write_corpus(folder.study, (document for document in read_corpus(corpus) if document.id in chosen))


def score_annotations(gold: Iterable[Path], annotated: Iterable[Path]) -> list[dict[str, Any]]:
    """Score rows of annotated files against human-labelled ones, by the code that scores students.

    A sentence without a usable answer counts as one without mentions.
    """
    sides = ([spans_to_tags(d) for file in files for d in read_documents(file)] for files in (gold, annotated))
    return [dict(row) for row in scores_to_rows(score_tags(*sides))]


def score_sources(settings: ExperimentSettings, folder: RunFolder) -> Mapping[str, list[dict[str, Any]]]:
    """Score rows by distilled source, for the sources that are annotated and whose corpus carries human labels."""
    pairs = {
        source.name: (folder.hidden(source.name), folder.annotation(source.name) / "annotations.jsonl")
        for source in settings.distilled
    }
    return {
        name: score_annotations([human], [annotated])
        for name, (human, annotated) in pairs.items()
        if human.exists() and annotated.exists()
    }
