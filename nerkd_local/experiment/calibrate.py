"""How far an annotator's confidence is to be trusted, found on the human-labelled sentences that all students share.

They are annotated as the distilled sources are, without those that every sentence was shown as worked examples. An
annotator that retrieves examples for each sentence is never shown the sentence itself, so it may be asked about all.
"""

from __future__ import annotations

from collections.abc import Sequence

from nerkd_local.annotate.folder import write_corpus
from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.evaluate.calibration import Calibration, fit_calibration
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import demonstration_ids, demonstration_pool
from nerkd_local.records import Document
from nerkd_local.select.settings import needs_calibration


def calibrated_annotators(settings: ExperimentSettings) -> list[str | None]:
    """The annotators (keys of `other_annotators`, None for the first) whose confidence a selection wants calibrated."""
    sources = {source.name: source.annotator for source in settings.distilled}
    found: dict[str | None, None] = {}
    for mix in settings.all_mixes:
        policy = settings.policy_of(mix)
        if policy is not None and needs_calibration(policy):
            found.update(dict.fromkeys(sources[name] for name in mix.sources))
    return list(found)


def prepare_calibration(settings: ExperimentSettings, folder: RunFolder) -> None:
    """Write the sentences that confidences are calibrated on, for each annotator that needs it.

    Raises InputError where the worked examples leave none, and where the folder holds others.
    """
    annotators = calibrated_annotators(settings)
    if not annotators:
        return
    shown = demonstration_ids(settings, folder)
    sentences = [document for document in demonstration_pool(settings, folder) if document.id not in shown]
    if not any(document.spans for document in sentences):
        raise InputError("original.sizes: too few sentences to calibrate an annotator's confidence on; give more")
    for annotator in annotators:
        write_corpus(folder.calibration_corpus(annotator), sentences)


class SourceCalibrations:
    """The calibration of each distilled source's annotator; a sentence's id begins with its source's name."""

    def __init__(self, by_source: dict[str, Calibration]) -> None:
        self._by_source = by_source

    def confidences(self, document: Document) -> tuple[float, ...]:
        """One number from 0 to 1 for each of its spans, in their order."""
        return self._by_source[document.id.partition("/")[0]].confidences(document)


def load_calibrations(sources: Sequence[str], settings: ExperimentSettings, folder: RunFolder) -> SourceCalibrations:
    """Fit what the sources need, and keep it beside the annotator's answers as `calibration.json`."""
    annotators = {source.name: source.annotator for source in settings.distilled}
    fitted = {annotator: _fit(annotator, folder) for annotator in {annotators[name] for name in sources}}
    return SourceCalibrations({name: fitted[annotators[name]] for name in sources})


def _fit(annotator: str | None, folder: RunFolder) -> Calibration:
    here = folder.calibration(annotator)
    human = read_documents(folder.calibration_corpus(annotator))
    answered = zip(human, read_documents(here / "annotations.jsonl"), strict=True)
    try:
        calibration = fit_calibration((gold, given) for gold, given in answered if is_usable(given))
    except InputError as error:
        raise InputError(error.problem, path=here / "annotations.jsonl") from None
    calibration.save(here / "calibration.json")
    return calibration
