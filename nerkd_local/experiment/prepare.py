"""From the corpora named in the settings to the files the other stages read.

Which sentences are drawn depends on the seed and the sentences' ids alone. The human labels of sentences that
are to be annotated go to a file of their own, which only the annotator's score reads. Training sentences that are
copies of those that students are scored on, exact or near, are left out, or let in by name; each is on record with what
it resembles.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from nerkd_local.annotate.retrieval import fixed_demonstrations
from nerkd_local.config.experiment import DistilledSettings, ExperimentSettings
from nerkd_local.corpus.checks import check_labels, find_repeated
from nerkd_local.corpus.folds import assign_folds
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.near import Copy, NearIndex
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.corpus.splits import nested_subsets, sample
from nerkd_local.errors import InputError
from nerkd_local.experiment.copies import Duplicates, check_allowed, excludes_near
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
        then, now = _as_now(earlier["settings"]), made_from["settings"]
        if not changed and then != now and _apart(then, _NEAR) == _apart(now, _NEAR):
            raise InputError(
                f"was made with near duplicates {_near_words(then)}, and now they are to be {_near_words(now)}; set "
                "near_duplicates and allowed_duplicates as they were, or choose another output folder",
                path=folder.preparation,
            )
        if then != now or changed:
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
    report: dict[str, Any] = {}
    near = settings.near_duplicates
    scored = None
    if settings.evaluation is not None:
        evaluation = settings.corpus(settings.evaluation)
        check_labels(read_corpus(evaluation), settings.annotator.labels, evaluation.path)
        report["evaluation"] = {"sentences": write_documents(folder.evaluation, read_corpus(evaluation))}
        scored = NearIndex(read_documents(folder.evaluation), near.similarity)
    report["original"] = _prepare_original(settings, folder, scored)
    if settings.folds is not None:
        report["folds"] = {str(size): _prepare_folds(settings, folder, size) for size in report["original"]["sizes"]}
    report["distilled"] = {
        source.name: _prepare_source(settings, source, folder, scored) for source in settings.distilled
    }
    report["near_duplicates"] = {
        "similarity": near.similarity,
        "allowed": near.allow or not settings.exclude_duplicates,
    }
    check_allowed(settings, report)
    return report


def _prepare_original(settings: ExperimentSettings, folder: RunFolder, scored: NearIndex | None) -> dict[str, Any]:
    corpus = settings.corpus(settings.original.corpus)
    check_labels(read_corpus(corpus), settings.annotator.labels, corpus.path)
    duplicates = Duplicates(settings)
    if scored is not None:
        duplicates.add("evaluation", scored.copies(read_corpus(corpus)))
    # with folds the corpus is its own evaluation: a sentence that stands in it twice could be in two folds
    repeated = find_repeated(read_corpus(corpus)) if settings.folds else {}
    duplicates.add("itself", (Copy(id, of, 1.0, exact=True) for id, of in repeated.items()))
    ids = (document.id for document in read_corpus(corpus) if document.id not in duplicates.excluded)
    with _blamed_on("original.sizes", corpus):
        subsets = nested_subsets(ids, settings.original.sizes, settings.sample_seed)
    for size, members in subsets.items():
        write_documents(folder.original(size), _chosen(read_corpus(corpus), frozenset(members)))
    return {
        "sizes": sorted(subsets),
        "also_in_evaluation": duplicates.exact("evaluation"),
        "repeated": list(repeated),
        "excluded": len(duplicates.excluded),
        "duplicates": duplicates.rows,
    }


def _prepare_folds(settings: ExperimentSettings, folder: RunFolder, size: int) -> dict[str, Any]:
    """Write each fold, and what is left without one and without two of them; returns the folds' sizes.

    The sentences shown to an annotator as worked examples are in no fold: what it labels for the students would
    otherwise carry something of the answers they are scored on. They are always trained on.
    """
    assert settings.folds is not None
    shown = demonstration_ids(settings, folder)
    documents = list(read_documents(folder.original(size)))
    scored = [document for document in documents if document.id not in shown]
    with _blamed_on("folds.count", settings.corpus(settings.original.corpus)):
        folds = assign_folds(scored, settings.folds.count, settings.sample_seed)
    for fold in range(settings.folds.count):
        write_documents(folder.fold(size, fold), (document for document in scored if folds[document.id] == fold))
    for number in (1, 2):
        for out in combinations(range(settings.folds.count), number):
            kept = (document for document in documents if folds.get(document.id) not in out)
            write_documents(folder.original(size, out), kept)
    sentences = [sum(1 for value in folds.values() if value == fold) for fold in range(settings.folds.count)]
    # counted, not kept together: headings and datelines resemble each other all over a corpus, and would join it
    # into one fold
    index = NearIndex(scored, settings.near_duplicates.similarity)
    across = sum(
        any(folds[match.id] != folds[document.id] for match in index.find(document.text)) for document in scored
    )
    return {"sentences": sentences, "worked_examples": len(documents) - len(scored), "near_across_folds": across}


def demonstration_pool(settings: ExperimentSettings, folder: RunFolder) -> list[Document]:
    """The human-labelled sentences that worked examples are drawn from: those that every student may see."""
    return list(read_documents(folder.original(min(settings.original.sizes))))


def demonstration_ids(settings: ExperimentSettings, folder: RunFolder) -> frozenset[str]:
    """The sentences that any of the experiment's annotators is shown as worked examples, whatever it is asked about.

    Those that are retrieved for each sentence are not among them: a sentence is never shown to itself.
    """
    pool = demonstration_pool(settings, folder)
    annotators = (settings.annotator, *settings.other_annotators.values())
    shown = (fixed_demonstrations(each, pool, settings.sample_seed) for each in annotators)
    return frozenset(document.id for documents in shown for document in documents)


def _prepare_source(
    settings: ExperimentSettings, source: DistilledSettings, folder: RunFolder, scored: NearIndex | None
) -> dict[str, Any]:
    corpus = settings.corpus(source.corpus)
    # read once, since cutting text into sentences and words is slow; every pass below goes over this file
    everything = folder.corpus / "everything.jsonl"
    write_documents(everything, read_corpus(corpus))
    duplicates = Duplicates(settings)
    if scored is not None:
        duplicates.add("evaluation", scored.copies(read_documents(everything)))
    originals = NearIndex(
        read_documents(folder.original(max(settings.original.sizes))), settings.near_duplicates.similarity
    )
    # where nobody is scored on them, exact copies alone: those would be there with two kinds of labels
    duplicates.add("original", originals.copies(read_documents(everything), near=settings.folds is not None))
    members = [document.id for document in read_documents(everything) if document.id not in duplicates.excluded]
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
        "also_in_evaluation": duplicates.exact("evaluation"),
        "also_in_original": duplicates.exact("original"),
        "excluded": len(duplicates.excluded),
        "duplicates": duplicates.rows,
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
    chosen = {"original", "evaluation", "folds", "exclude_duplicates", "sample_seed"}
    written = settings.model_dump(mode="json", include={*chosen, "distilled"})
    for source in written["distilled"]:
        del source["annotator"]  # whoever labels them, the sentences are the same
    corpora = [settings.original.corpus, *(source.corpus for source in settings.distilled)]
    if settings.evaluation is not None:
        corpora.insert(1, settings.evaluation)
    labels = {"labels": sorted(settings.annotator.labels)}
    # worked examples are kept out of the folds
    annotators = (settings.annotator, *settings.other_annotators.values())
    shots: dict[str, Any] = {"shots": [each.shots for each in annotators]}
    if any(each.demonstrations.kind != "static" for each in annotators):
        shots["demonstrations"] = [each.demonstrations.kind for each in annotators]
    # only where they are left out: files that were made before anyone looked for them are what they are with them
    near: dict[str, Any] = {"near_duplicates": settings.near_duplicates.similarity} if excludes_near(settings) else {}
    if settings.allowed_duplicates and settings.exclude_duplicates:
        near["allowed_duplicates"] = sorted(settings.allowed_duplicates)
    return {
        "settings": written | labels | (shots if settings.folds else {}) | near,
        "content": [_content(settings.corpus(corpus).path) for corpus in corpora],
    }


def _as_now(settings: Any) -> Any:
    """Settings of an earlier preparation, with what corpora could not yet be told then at its default."""
    if isinstance(settings, list):
        return [_as_now(each) for each in settings]
    if not isinstance(settings, dict):
        return settings
    if "path" in settings:
        return CorpusSettings(path=Path()).model_dump(mode="json") | settings
    return {name: _as_now(value) for name, value in settings.items()}


_NEAR = ("near_duplicates", "allowed_duplicates")


def _apart(settings: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in names}


def _near_words(made_from: dict[str, Any]) -> str:
    similarity = made_from.get("near_duplicates")
    named = made_from.get("allowed_duplicates")
    words = (
        "allowed (near_duplicates.allow=true)"
        if similarity is None
        else f"excluded from a similarity of {similarity:g} on"
    )
    return f"{words} and {len(named)} sentences allowed by name" if named else words


def _content(path: Path) -> str | None:
    """A digest of a corpus file or folder; None where there is none (whoever reads it then says so)."""
    if path.is_dir():
        return digest_folder(path)
    return digest_file(path) if path.exists() else None
