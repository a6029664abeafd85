"""A run as it may be told of where its texts stay: nothing in it quotes a sentence, or calls one by its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from nerkd_local.annotate.settings import AnnotatorSettings, ScriptedSettings
from nerkd_local.config.experiment import AnnotatorStudySettings, DistilledSettings, OriginalSettings
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.evidence.run import Run

_HasCorpus = TypeVar("_HasCorpus", OriginalSettings, DistilledSettings, AnnotatorStudySettings)


def without_texts(run: Run) -> Run:
    """The same run, its settings without the mentions that explain a label (`examples`), without ids, and without the
    names of texts in a folder (`encodings`), which are the ids of what stands in them.

    What a label means (`definition`, `excludes`) and the task are words of whoever set the run up, and stay.
    """
    settings = run.settings
    changes = {
        "annotator": _without_examples(settings.annotator),
        "other_annotators": {name: _without_examples(each) for name, each in settings.other_annotators.items()},
        "allowed_duplicates": (),
        "original": _without_names(settings.original),
        "distilled": tuple(map(_without_names, settings.distilled)),
        "evaluation": settings.evaluation and _unnamed(settings.evaluation),
        "annotator_study": settings.annotator_study and _without_names(settings.annotator_study),
    }
    return replace(run, settings=settings.model_copy(update=changes))


def numbered_sentences(preparation: Mapping[str, Any]) -> dict[str, Any]:
    """What preparation.json says, with numbers in place of ids: `sentence 1` is the same wherever it stands, and no
    corpus knows it."""
    numbers: dict[str, str] = {}

    def number(id: str) -> str:
        return numbers.setdefault(id, f"sentence {len(numbers) + 1}")

    report = _renamed(dict(preparation), number)
    assert isinstance(report, dict)
    return report


_IDS = frozenset(("also_in_evaluation", "also_in_original", "repeated", "allowed_duplicates"))
"""Lists of ids in preparation.json, wherever they stand."""
_ID = frozenset(("id", "of"))
"""Ids in the rows of `duplicates`."""
_NAMED = "encodings"
"""By names of texts in a folder, wherever it stands."""


def _renamed(value: Any, number: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            key: [number(str(id)) for id in inner]
            if key in _IDS
            else number(inner)
            if key in _ID and isinstance(inner, str)
            else {}
            if key == _NAMED
            else _renamed(inner, number)
            for key, inner in value.items()
        }
    return [_renamed(inner, number) for inner in value] if isinstance(value, list) else value


def _without_examples(annotator: AnnotatorSettings) -> AnnotatorSettings:
    labels = {name: label.model_copy(update={"examples": ()}) for name, label in annotator.labels.items()}
    changes: dict[str, Any] = {"labels": labels}
    if isinstance(annotator.engine, ScriptedSettings):
        changes["engine"] = annotator.engine.model_copy(update={"dies_on": None})
    return annotator.model_copy(update=changes)


def _without_names(holder: _HasCorpus) -> _HasCorpus:
    return holder.model_copy(update={"corpus": _unnamed(holder.corpus)})


def _unnamed(corpus: CorpusSettings) -> CorpusSettings:
    return corpus.model_copy(update={_NAMED: {}})
