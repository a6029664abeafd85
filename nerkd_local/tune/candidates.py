"""The annotators that are compared: every one under every combination of the axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.settings import make_settings
from nerkd_local.tune.settings import TuneSettings

_SAID = {
    ("definitions", "defined"): "with definitions",
    ("definitions", "bare"): "bare labels",
    ("demonstrations", "none"): "no examples",
    ("demonstrations", "static"): "static examples",
    ("constraint", "none"): "unconstrained",
}
"""What a name says where the value alone would not tell what it is of."""

AXES = ("annotator", "prompt", "definitions", "format", "demonstrations", "constraint", "window")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One annotator. `values` has its place on each of the `AXES`, as text; `name` those that differ in the search."""

    name: str
    values: Mapping[str, str]
    settings: AnnotatorSettings

    @property
    def folder_name(self) -> str:
        """Where its answers are: the same in every search that has it."""
        return ".".join(self.values.values())


def list_candidates(tune: TuneSettings) -> list[Candidate]:
    """All of them, in the order of the axes. Raises InputError for a combination that an annotator cannot have."""
    axes = {
        "annotator": tuple(tune.annotators),
        "prompt": tune.prompts,
        "definitions": tune.definitions,
        "format": tune.formats,
        "demonstrations": tune.demonstrations,
        "constraint": tune.constraints,
        "window": tune.windows,
    }
    several = [axis for axis, values in axes.items() if len(values) > 1] or ["annotator"]
    candidates = []
    for chosen in product(*axes.values()):
        at = dict(zip(axes, chosen, strict=True))
        values = {
            **{axis: str(value) for axis, value in at.items()},
            "definitions": "defined" if at["definitions"] else "bare",
            "window": f"window-{at['window']}",
        }
        name = ", ".join(_SAID.get((axis, values[axis]), values[axis]) for axis in several).replace(
            "window-", "window "
        )
        candidates.append(Candidate(name, values, _settings(tune, at, name)))
    return candidates


def _settings(tune: TuneSettings, at: Mapping[str, object], name: str) -> AnnotatorSettings:
    base = tune.annotators[str(at["annotator"])]
    kind = str(at["demonstrations"])
    written = base.model_dump(exclude={"labels"})
    labels = base.labels if at["definitions"] else {label: {"definition": ""} for label in base.labels}
    return make_settings(
        AnnotatorSettings,
        **{
            **written,
            "name": f"{base.name} ({name})",
            "labels": labels,
            "prompt": at["prompt"],
            "format": at["format"],
            "demonstrations": {"kind": kind, "encoder": tune.encoder if kind.endswith("_knn") else None},
            "constrained": at["constraint"] != "none",
            "verbatim": at["constraint"] == "verbatim",
            "window": at["window"],
        },
    )
