"""The labels that students learn from: each mix's annotated sentences in one file, selected where it asks for that."""

from __future__ import annotations

from collections.abc import Callable

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings, MixSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.calibrate import load_calibrations
from nerkd_local.experiment.crossfit import OPINIONS, CrossFitSettings, cross_fit
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import write_json
from nerkd_local.select.ledger import describe_selection
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.run import DocumentFiles, select_documents
from nerkd_local.select.settings import needs_calibration, needs_opinions


def write_distilled(
    settings: ExperimentSettings, folder: RunFolder, say: Callable[[str], None], *, train: bool = True
) -> dict[str, int]:
    """Gather the sentences of each mix that students may learn from into one file; returns how many, by mix.

    Where a selection asks for the opinions of students, those are trained first. Raises InputError where `train` is
    False and they are not there, and what `select_documents` raises.
    """
    return {mix.name: _write_mix(mix, settings, folder, say, train) for mix in settings.all_mixes}


def _write_mix(
    mix: MixSettings, settings: ExperimentSettings, folder: RunFolder, say: Callable[[str], None], train: bool
) -> int:
    files = [folder.annotation(source) / "annotations.jsonl" for source in mix.sources]
    documents = DocumentFiles(*files)
    policy = settings.policy_of(mix)
    if policy is None:
        return write_documents(folder.distilled(mix.name), filter(is_usable, documents))
    say(f"select {mix.name}")
    opinions = _opinions(mix, settings, folder, say, train) if needs_opinions(policy) else None
    calibration = load_calibrations(mix.sources, settings, folder) if needs_calibration(policy) else None
    blamed = files[0] if len(files) == 1 else None
    chosen, ledger = select_documents(documents, policy, opinions, calibration, path=blamed)
    count = write_documents(folder.distilled(mix.name), chosen)
    if not count:
        raise InputError(
            f"selections.{mix.selection} leaves no sentence of {'+'.join(mix.sources)}; ask for less of it"
        )
    account = {"policy": policy.model_dump(mode="json"), **ledger.to_json()}
    write_json(folder.selection_ledger(mix.name), account)
    say(describe_selection(account))
    return count


def _opinions(
    mix: MixSettings, settings: ExperimentSettings, folder: RunFolder, say: Callable[[str], None], train: bool
) -> dict[str, Opinion]:
    """By sentence, those of the students that were cross-fitted on its source."""
    found: dict[str, Opinion] = {}
    for source in mix.sources:
        here = folder.opinions(source)
        if not train and not (here / OPINIONS).exists():
            raise InputError(
                f"selections.{mix.selection} needs the opinions of students, which are not trained yet; run without "
                "--no-train",
                path=here / OPINIONS,
            )
        usable = [d for d in read_documents(folder.annotation(source) / "annotations.jsonl") if is_usable(d)]
        found |= cross_fit(usable, _cross_fitting(settings, folder), here, say=say)
    return found


def _cross_fitting(settings: ExperimentSettings, folder: RunFolder) -> CrossFitSettings:
    # the smallest number of human labels: a selection is the same for every size of the grid
    return CrossFitSettings(
        student=settings.student,
        labels=tuple(settings.annotator.labels),
        also=folder.original(min(settings.original.sizes)),
        training=settings.training,
        accelerate=settings.accelerate,
        workers=settings.workers,
        **settings.opinions.model_dump(),
    )
