"""Everything that is looked at in a model folder, cheap parts and expensive ones."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from nerkd_local.models.config import check_config, read_config, role_of
from nerkd_local.models.dry import try_out
from nerkd_local.models.names import ModelFolder, check_names
from nerkd_local.models.problems import CHEAP, DEEP, Part, Problem, Role
from nerkd_local.models.template import check_template
from nerkd_local.models.weights import check_weights


def check_model(folder: Path, *, role: Role | None = None, parts: Collection[Part] = CHEAP + DEEP) -> list[Problem]:
    """Every problem that these parts of the check find in a model folder; none is raised, none hides another.

    `role` None: what its config.json says. The expensive parts (`DEEP`) start processes, and are left out where a
    cheap one has found the folder unsafe: nothing of it is handed to a library then.
    """
    problems = check_cheaply(ModelFolder.of(folder), parts)
    deep = [part for part in DEEP if part in parts]
    if deep and not any(problem.kind == "unsafe" for problem in problems):
        problems += try_out(folder, role or role_of(read_config(folder)), deep)
    return problems


def check_cheaply(folder: ModelFolder, parts: Collection[Part] = CHEAP) -> list[Problem]:
    """What the cheap ones of these parts find among the files of a folder."""
    return [problem for part, check in _CHECKS.items() if part in parts for problem in check(folder)]


_CHECKS: dict[Part, Callable[[ModelFolder], list[Problem]]] = {
    "files": check_names,
    "config": check_config,
    "weights": check_weights,
    "template": check_template,
}
