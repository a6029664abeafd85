"""Every distilled source labelled by its annotator, and the annotator study; engines started once each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from nerkd_local.annotate.engines.start import LazyEngine, is_present
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.ledger import describe
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment.annotator_study import prepare_study, study_annotators
from nerkd_local.experiment.calibrate import calibrated_annotators, prepare_calibration
from nerkd_local.experiment.cells import has_students
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import demonstration_pool


def annotate_sources(settings: ExperimentSettings, folder: RunFolder, say: Callable[[str], None]) -> None:
    """Label what is not labelled yet. One engine runs at a time, and none when this returns."""
    pool = demonstration_pool(settings, folder)
    settled = has_students(folder)
    prepare_study(settings, folder)
    prepare_calibration(settings, folder)
    for annotator in (None, *settings.other_annotators):
        shared = settings.annotator_of(annotator)
        if not is_present(shared.engine):
            say(f"{shared.name} is not on this machine: only what it has labelled already can be used")
        with LazyEngine(shared.engine, folder.logs) as engine:
            for corpus, here, asked, trained_on in _tasks(settings, folder, annotator):
                say(f"annotate {here.name} with {asked.name} -> {here}")
                seed = settings.sample_seed
                settled_here = settled and trained_on
                ledger = annotate_folder(corpus, here, asked, engine, pool, seed=seed, settled=settled_here, say=say)
                say(describe(ledger))


def _tasks(
    settings: ExperimentSettings, folder: RunFolder, annotator: str | None
) -> Iterator[tuple[Path, Path, AnnotatorSettings, bool]]:
    """What one annotator labels: the corpus, the folder, how it is asked, and whether students learn from it."""
    for source in settings.distilled:
        if source.annotator == annotator:
            here = folder.annotation(source.name)
            yield folder.unlabelled(source.name), here, settings.annotator_of(annotator), True
    if annotator in calibrated_annotators(settings):
        here = folder.calibration(annotator)
        yield folder.calibration_corpus(annotator), here, settings.annotator_of(annotator), False
    study = settings.annotator_study
    if study and study.annotator == annotator:
        for asked in study_annotators(settings):
            yield folder.study, folder.study_annotation(asked.prompt, asked.format), asked, False
