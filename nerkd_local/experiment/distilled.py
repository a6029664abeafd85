"""The labels that students learn from: each mix's annotated sentences in one file, selected where it asks for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings, MixSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.splits import balanced_subsets
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

    A mix of one amount has a subset of them, see `balanced_subsets`; the whole mix's file is beside it.
    Where a selection asks for the opinions of students, those are trained first. Raises InputError where `train` is
    False and they are not there, for an amount that there is not, and what `select_documents` raises.
    """
    mixes = settings.all_mixes
    whole = {mix.whole_name: mix for mix in mixes}
    usable = {name: _write_mix(mix, settings, folder, say, train) for name, mix in whole.items()}
    for name in whole:
        _write_amounts([mix for mix in mixes if mix.whole_name == name], settings, folder)
    return {mix.name: mix.amount or usable[mix.whole_name] for mix in mixes}


def _write_amounts(mixes: Sequence[MixSettings], settings: ExperimentSettings, folder: RunFolder) -> None:
    """Beside the file of a whole mix those of its amounts, each sentence in them in its order there."""
    amounts = {mix.amount: mix for mix in mixes if mix.amount is not None}
    if not amounts:
        return
    whole = folder.distilled(mixes[0].whole_name)
    ids: dict[str, list[str]] = {source: [] for source in mixes[0].sources}
    for document in read_documents(whole):
        ids[document.id.partition("/")[0]].append(document.id)  # see `prepare`: an id begins with its source
    try:
        subsets = balanced_subsets(ids, amounts, settings.sample_seed)
    except InputError as error:
        what = "that may be learned from" if mixes[0].selection else "with a usable answer"
        raise InputError(f"mixes: {mixes[0].whole_name}, of the sentences {what}: {error.problem}") from None
    for amount, members in subsets.items():
        chosen = (document for document in read_documents(whole) if document.id in members)
        write_documents(folder.distilled(amounts[amount].name), chosen)


def _write_mix(
    mix: MixSettings, settings: ExperimentSettings, folder: RunFolder, say: Callable[[str], None], train: bool
) -> int:
    files = [folder.annotation(source) / "annotations.jsonl" for source in mix.sources]
    documents = DocumentFiles(*files)
    policy = settings.policy_of(mix)
    if policy is None:
        return write_documents(folder.distilled(mix.whole_name), filter(is_usable, documents))
    say(f"select {mix.whole_name}")
    opinions = _opinions(mix, settings, folder, say, train) if needs_opinions(policy) else None
    calibration = load_calibrations(mix.sources, settings, folder) if needs_calibration(policy) else None
    blamed = files[0] if len(files) == 1 else None
    chosen, ledger = select_documents(documents, policy, opinions, calibration, path=blamed)
    count = write_documents(folder.distilled(mix.whole_name), chosen)
    if not count:
        raise InputError(
            f"selections.{mix.selection} leaves no sentence of {'+'.join(mix.sources)}; ask for less of it"
        )
    account = {"policy": policy.model_dump(mode="json"), **ledger.to_json()}
    write_json(folder.selection_ledger(mix.whole_name), account)
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
