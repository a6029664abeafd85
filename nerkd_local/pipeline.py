"""The whole flow: corpora -> annotations -> students under every regimen -> scores -> table and figure.

Every stage leaves files in the run folder and finds them again, so the same command after an interruption,
or with more regimens or seeds, does only what is missing. Several processes may share one run folder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.experiment.annotations import annotate_sources
from nerkd_local.experiment.cells import check_grid, list_cells, student_of
from nerkd_local.experiment.copies import describe_copies
from nerkd_local.experiment.distilled import write_distilled
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.labels import label_students
from nerkd_local.experiment.locks import held
from nerkd_local.experiment.power import describe_power
from nerkd_local.experiment.prepare import prepare
from nerkd_local.experiment.results import write_results
from nerkd_local.experiment.students import finished_students
from nerkd_local.experiment.workers import run_students
from nerkd_local.settings import save_settings


def run_experiment(
    settings: ExperimentSettings,
    say: Callable[[str], None],
    *,
    train: bool = True,
    only: Collection[str] | None = None,
) -> str:
    """Run what is missing of an experiment; returns the Markdown summary. `say` hears what begins.

    Without `train`, no student is trained: the summary is of those that are there. `only` names the students that are
    wanted, where it is not all of the grid.
    Raises InputError, InterruptedRun (the same command goes on), CheckFailed or NerkdError if training fails.
    """
    folder = RunFolder(settings.output)
    check_grid(settings, folder)
    with held(folder, "preparation"):
        say(f"corpora -> {folder.corpus}")
        say(describe_copies(prepare(settings, folder)))
        for line in describe_power(settings, folder):
            say(line)
        # the engines' memory is free again before training starts
        annotate_sources(settings, folder, say)
        save_settings(settings, folder.settings)
        distilled = write_distilled(settings, folder, say, train=train)
        studied = label_students(settings, folder)

    students = [student_of(cell, settings, folder) for cell in list_cells(settings)] + studied
    students = [student for student in students if only is None or student.name in only]
    shared = settings.students
    results = run_students(students, shared, folder, say) if train else finished_students(students, shared, folder)
    with held(folder, "results"):
        summary = write_results(settings, folder, results, distilled)
    say(f"results -> {folder.results}")
    return summary
