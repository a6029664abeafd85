"""From the corpora named in the settings to the files the other stages read.

Which sentences are drawn depends on the seed and the sentences' ids alone. The human labels of sentences that
are to be annotated go to a file of their own, which only the annotator's score reads.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nerkd_local.config.experiment import DistilledSettings, ExperimentSettings
from nerkd_local.corpus.checks import check_labels, find_duplicates
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.corpus.splits import nested_subsets, sample
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import read_json, write_json
from nerkd_local.fingerprints import digest_file, digest_folder
from nerkd_local.records import Document


def prepare(settings: ExperimentSettings, folder: RunFolder) -> dict[str, Any]:
    """Write the corpus files, all or none, or find that they are there; returns what was counted and left out.

    Corpora that are no longer at hand are not needed again. Raises InputError for labels outside the annotator's
    set, for corpora with too few sentences, and if the folder's files were made otherwise.
    """
    made_from = _inputs(settings)
    if folder.preparation.exists():
        report: dict[str, Any] = read_json(folder.preparation)
        earlier = report["made_from"]
        pairs = zip(earlier["content"], made_from["content"], strict=False)
        changed = any(now not in (None, then) for then, now in pairs)  # None: no longer here
        if earlier["settings"] != made_from["settings"] or changed:
            raise InputError(
                "was made with other corpora, sizes, samples or labels, or a corpus has changed since; choose "
                "another output folder",
                path=folder.preparation,
            )
        return report

    staging = RunFolder(folder.root, corpus_name=f"{folder.corpus_name}.partial")
    shutil.rmtree(staging.corpus, ignore_errors=True)
    try:
        report = _write_all(settings, staging) | {"made_from": made_from}
        write_json(staging.preparation, report)
        staging.corpus.rename(folder.corpus)
    finally:
        shutil.rmtree(staging.corpus, ignore_errors=True)
    return report


def _write_all(settings: ExperimentSettings, folder: RunFolder) -> dict[str, Any]:
    evaluation = settings.corpus(settings.evaluation)
    check_labels(read_corpus(evaluation), settings.annotator.labels, evaluation.path)
    return {
        "evaluation": {"sentences": write_documents(folder.evaluation, read_corpus(evaluation))},
        "original": _prepare_original(settings, folder),
        "distilled": {source.name: _prepare_source(settings, source, folder) for source in settings.distilled},
    }


def _prepare_original(settings: ExperimentSettings, folder: RunFolder) -> dict[str, Any]:
    corpus = settings.corpus(settings.original.corpus)
    check_labels(read_corpus(corpus), settings.annotator.labels, corpus.path)
    repeated = find_duplicates(read_corpus(corpus), read_documents(folder.evaluation)).training_ids
    excluded = frozenset(repeated) if settings.exclude_duplicates else frozenset()
    ids = (document.id for document in read_corpus(corpus) if document.id not in excluded)
    with _blamed_on("original.sizes", corpus):
        subsets = nested_subsets(ids, settings.original.sizes, settings.sample_seed)
    for size, members in subsets.items():
        write_documents(folder.original(size), _chosen(read_corpus(corpus), frozenset(members)))
    return {
        "sizes": sorted(subsets),
        "also_in_evaluation": list(repeated),
        "excluded": len(excluded),
    }


def _prepare_source(settings: ExperimentSettings, source: DistilledSettings, folder: RunFolder) -> dict[str, Any]:
    corpus = settings.corpus(source.corpus)
    largest = folder.original(max(settings.original.sizes))
    # read once, since cutting text into sentences and words is slow; every pass below goes over this file
    everything = folder.corpus / "everything.jsonl"
    write_documents(everything, read_corpus(corpus))
    in_evaluation = find_duplicates(read_documents(everything), read_documents(folder.evaluation)).training_ids
    in_original = find_duplicates(read_documents(everything), read_documents(largest)).training_ids
    excluded = frozenset((*in_evaluation, *in_original)) if settings.exclude_duplicates else frozenset()
    members = [document.id for document in read_documents(everything) if document.id not in excluded]
    if source.sample is not None:
        with _blamed_on(f"distilled.{source.name}.sample", corpus):
            members = list(sample(members, source.sample, settings.sample_seed))
    # ids are unique within a corpus only; the source's name makes them unique in the experiment
    hidden = folder.hidden(source.name)
    write_documents(hidden, _renamed(_chosen(read_documents(everything), frozenset(members)), source.name))
    everything.unlink()
    unlabelled = (replace(document, spans=()) for document in read_documents(hidden))
    sentences = write_documents(folder.unlabelled(source.name), unlabelled)
    labelled = any(document.spans for document in read_documents(hidden))
    if not labelled:
        hidden.unlink()
    return {
        "sentences": sentences,
        "labelled": labelled,
        "also_in_evaluation": list(in_evaluation),
        "also_in_original": list(in_original),
        "excluded": len(excluded),
    }


def _chosen(documents: Iterable[Document], members: Collection[str]) -> Iterator[Document]:
    return (document for document in documents if document.id in members)


def _renamed(documents: Iterator[Document], source: str) -> Iterator[Document]:
    return (replace(document, id=f"{source}/{document.id}") for document in documents)


@contextmanager
def _blamed_on(setting: str, corpus: CorpusSettings) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{setting}: {error.problem}", path=corpus.path) from None


def _inputs(settings: ExperimentSettings) -> dict[str, Any]:
    """Everything the files depend on: the settings that choose, and the content of what is read."""
    chosen = {"original", "distilled", "evaluation", "exclude_duplicates", "sample_seed"}
    corpora = [settings.original.corpus, settings.evaluation, *(source.corpus for source in settings.distilled)]
    return {
        "settings": settings.model_dump(mode="json", include=chosen) | {"labels": sorted(settings.annotator.labels)},
        "content": [_content(settings.corpus(corpus).path) for corpus in corpora],
    }


def _content(path: Path) -> str | None:
    """A digest of a corpus file or folder; None where there is none (whoever reads it then says so)."""
    if path.is_dir():
        return digest_folder(path)
    return digest_file(path) if path.exists() else None
