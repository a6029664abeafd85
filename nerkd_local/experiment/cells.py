"""The grid: one student for every regimen x mix of distilled sources x original size x seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student, training_settings
from nerkd_local.files import local_model
from nerkd_local.regimen.catalog import load_regimen, regimen_label
from nerkd_local.regimen.exposure import resolve
from nerkd_local.settings import find_named, load_settings
from nerkd_local.train.identity import NOT_THE_RUN
from nerkd_local.train.launch import read_launcher_config
from nerkd_local.train.settings import StudentSettings

EVALUATION = "evaluation"
"""What the score on the evaluation corpus is called among a student's scores."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One student of the grid. Where its regimen reads no distilled labels it has no mix, and where it reads no
    human ones no size: such a student is trained once, and stands for every mix or size."""

    regimen: str
    """The regimen's name, not the file it was read from."""
    mix: str | None
    original_size: int | None
    seed: int
    fold_size: int | None = None
    """With folds: the size of the labelled set that they divide."""
    held_out: tuple[int, ...] = ()
    """The folds that it does not see: one to be scored on, two where a regimen is chosen on inner folds."""

    @property
    def name(self) -> str:
        """Its folder's name."""
        size = self.original_size or self.fold_size
        without = "without" + "+".join(map(str, self.held_out)) if self.held_out else ""
        parts = [self.regimen, f"n{size}" if size else "", self.mix, f"seed{self.seed}", without]
        return "-".join(filter(None, parts))


def list_cells(settings: ExperimentSettings) -> list[Cell]:
    """Every cell of the grid, mixes outermost and then seeds, so that all regimens are compared early."""
    cells: dict[Cell, None] = {}
    for mix in settings.all_mixes:
        for seed in settings.seeds:
            for size in sorted(set(settings.original.sizes)):
                for name in mix.regimens or settings.regimens:
                    regimen = load_regimen(name, configs_folder("regimens"))
                    cell = Cell(
                        regimen.name,
                        mix.name if "distilled" in regimen.sources else None,
                        size if "original" in regimen.sources else None,
                        seed,
                    )
                    if cell.mix and mix.sizes and size not in mix.sizes:
                        continue
                    cells.update(dict.fromkeys(_fold_cells(cell, size, settings)))
    return list(cells)


def _fold_cells(cell: Cell, size: int, settings: ExperimentSettings) -> Iterator[Cell]:
    """The cell itself, or one for each fold that is held out, and for each two of them where folds are nested."""
    if settings.folds is None:
        yield cell
        return
    folds = range(settings.folds.count)
    held_out: list[tuple[int, ...]] = [(fold,) for fold in folds]
    if cell.original_size is None:
        held_out = [tuple(folds)]  # it is trained on none of them, so it may be scored on all
    elif settings.folds.nested:
        held_out += list(combinations(folds, 2))
    yield from (replace(cell, fold_size=size, held_out=each) for each in held_out)


def student_of(cell: Cell, settings: ExperimentSettings, folder: RunFolder) -> Student:
    """What the cell's student is trained and scored on."""
    regimens = {regimen_label(name): name for mix in settings.all_mixes for name in mix.regimens or settings.regimens}
    original = cell.original_size and folder.original(cell.original_size, cell.held_out)
    if cell.fold_size is None:
        evaluations = {EVALUATION: folder.evaluation}
    else:
        evaluations = {fold_name(fold): folder.fold(cell.fold_size, fold) for fold in cell.held_out}
    return Student(
        name=cell.name,
        regimen=regimens[cell.regimen],
        seed=cell.seed,
        original=original or None,
        distilled=folder.distilled(cell.mix) if cell.mix else None,
        evaluations=evaluations,
    )


def fold_name(fold: int) -> str:
    """What the score on a fold is called among a student's scores."""
    return f"fold{fold}"


def check_grid(settings: ExperimentSettings, folder: RunFolder) -> None:
    """Raise InputError for what would otherwise stop the experiment only when its first student is trained:
    an unknown regimen or launcher, an exposure that a regimen cannot be brought to, no encoder, training settings that
    are not allowed, and a run folder with students that were trained with other settings."""
    local_model(settings.student)
    read_launcher_config(find_named(settings.accelerate, configs_folder("accelerate")))
    for name in dict.fromkeys(name for mix in settings.all_mixes for name in mix.regimens or settings.regimens):
        # how many sentences there are makes no difference to whether it can be matched
        resolve(load_regimen(name, configs_folder("regimens")), 1, 1, settings.training.steps)
    for cell in list_cells(settings):
        training_settings(student_of(cell, settings, folder), settings.students, folder)
    if folder.settings.exists() and has_students(folder):
        there = load_settings(ExperimentSettings, folder.settings).model_dump(mode="json", exclude=_MAY_CHANGE)
        here = settings.model_dump(mode="json", exclude=_MAY_CHANGE)
        different = [name for name in here if here[name] != there[name]]
        if different:
            raise InputError(
                f"its students were trained with another {' and another '.join(different)}; choose another output "
                "folder",
                path=folder.root,
            )


_MAY_CHANGE: Any = {
    # more of the same grid, another name, the same files in another place (the trainer goes by their content)
    **dict.fromkeys(("name", "output", "data_root", "student", "regimens", "mixes", "seeds", "accelerate"), True),
    # `prepare` goes by what it has done about duplicates; which phases a figure is of changes nothing
    **dict.fromkeys(("near_duplicates", "allowed_duplicates", "phases"), True),
    # a selection that changed is other labels, by which the trainer goes
    **dict.fromkeys(("selections", "opinions"), True),
    **dict.fromkeys(("workers", "keep_students", "annotator_study", "label_study"), True),
    # see `annotate_folder`: there what was asked is compared, not how it was written
    **dict.fromkeys(("annotator", "other_annotators"), True),
    "training": NOT_THE_RUN & set(StudentSettings.model_fields),
}


def has_students(folder: RunFolder) -> bool:
    """Whether a student of the grid is trained, or partly trained."""
    return any(any(folder.root.glob(f"cells/*/{name}")) for name in ("result.json", "done.json", "checkpoints/*"))
