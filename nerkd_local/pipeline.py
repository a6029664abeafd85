"""The whole flow: corpora -> annotations -> students under every regimen -> scores -> table and figure.

Every stage leaves files in the run folder and finds them again, so the same command after an interruption,
or with more regimens or seeds, does only what is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from nerkd_local.annotate.engines.start import LazyEngine, is_present
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.ledger import describe
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.experiment.annotators import score_annotator
from nerkd_local.experiment.cells import check_grid, has_students, list_cells, run_cell, write_distilled
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import prepare
from nerkd_local.experiment.results import write_results
from nerkd_local.settings import save_settings


def run_experiment(settings: ExperimentSettings, say: Callable[[str], None]) -> str:
    """Run what is missing of an experiment; returns the Markdown summary. `say` hears what begins.

    Raises InputError, InterruptedRun (the same command goes on), CheckFailed or NerkdError if training fails.
    """
    folder = RunFolder(settings.output)
    check_grid(settings, folder)
    say(f"corpora -> {folder.corpus}")
    prepare(settings, folder)

    pool = list(read_documents(folder.original(min(settings.original.sizes))))
    settled = has_students(folder)
    if not is_present(settings.annotator.engine):
        say(f"{settings.annotator.name} is not on this machine: only what it has labelled already can be used")
    # the engine's memory is free again before training starts
    with LazyEngine(settings.annotator.engine) as engine:
        for source in (source.name for source in settings.distilled):
            here = folder.annotation(source)
            say(f"annotate {source} with {settings.annotator.name} -> {here}")
            corpus = folder.unlabelled(source)
            seed = settings.sample_seed
            say(describe(annotate_folder(corpus, here, settings.annotator, engine, pool, seed=seed, settled=settled)))
    save_settings(settings, folder.settings)
    annotator = score_annotator(settings, folder)
    distilled = write_distilled(settings, folder)

    results = {}
    cells = list_cells(settings)
    for number, cell in enumerate(cells, start=1):
        say(f"student {number} of {len(cells)}: {cell.name}")
        results[cell] = run_cell(cell, settings, folder)
    summary = write_results(settings, folder, results, annotator, distilled)
    say(f"results -> {folder.results}")
    return summary
