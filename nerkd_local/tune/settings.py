"""Settings of a search for the best annotator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nerkd_local.annotate.settings import AnnotatorSettings, DemonstrationKind, FormatName, PromptName
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.settings import Settings, load_settings

Constraint = Literal["none", "format", "verbatim"]
"""What the engine admits: anything, answers in the format, or those whose mentions also stand in the sentence."""


class HalvingSettings(Settings):
    """Successive halving: all candidates on a few sentences, the better ones on more, and so on up to all sentences.

    The candidates that go on are the best `keep` of them by F1 (of equal ones those with fewer output tokens), rounded
    up, and two at least, so that the winner has somebody to be compared with on all sentences.
    (Jamieson and Talwalkar, AISTATS 2016.)
    """

    first: Annotated[int, Field(ge=1)] = 25
    """Sentences that every candidate is asked about."""
    factor: Annotated[float, Field(gt=1)] = 2.0
    """How many times as many the next ones are asked about."""
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5


class TuneSettings(Settings):
    """Every annotator under every combination of the axes, on one slice of human-labelled sentences."""

    name: str
    output: Path
    """Everything that the search makes is in it."""
    corpus: CorpusSettings
    """Human-labelled sentences that no student will be scored on."""
    sentences: Annotated[int, Field(ge=2)] | None = None
    """Its first so many sentences; all of them where it is not given."""
    pool: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The share of them from which worked examples are taken. No candidate is scored on those."""
    annotators: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], AnnotatorSettings], Field(min_length=1)
    ]
    """By a name of your own: a name in configs/annotators, or settings. What the axes say takes the place of theirs."""
    prompts: Annotated[tuple[PromptName, ...], Field(min_length=1)] = ("standard",)
    definitions: Annotated[tuple[bool, ...], Field(min_length=1)] = (True,)
    """false: the labels' bare names, without what explains them."""
    formats: Annotated[tuple[FormatName, ...], Field(min_length=1)] = ("lines", "json")
    demonstrations: Annotated[tuple[DemonstrationKind, ...], Field(min_length=1)] = ("static",)
    encoder: Path | None = None
    """A local encoder's folder, for demonstrations that are retrieved."""
    constraints: Annotated[tuple[Constraint, ...], Field(min_length=1)] = ("format",)
    windows: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)
    halving: HalvingSettings | None = HalvingSettings()
    """null: every candidate on all sentences."""
    seed: int = 0
    """Draws the pool, the order of the sentences, and static demonstrations."""

    @field_validator("prompts", "definitions", "formats", "demonstrations", "constraints", "windows")
    @classmethod
    def _values_differ(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        if len(set(values)) != len(values):
            raise ValueError("a value is given twice")
        return values

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.encoder is None and any(kind.endswith("_knn") for kind in self.demonstrations):
            raise ValueError("retrieved demonstrations need a local encoder; name its folder under `encoder`")
        if self.pool == 0 and self.demonstrations != ("none",):
            raise ValueError("without a pool there is nothing to demonstrate with; set demonstrations: [none]")
        labels = [list(annotator.labels) for annotator in self.annotators.values()]
        if any(set(each) != set(labels[0]) for each in labels):
            raise ValueError("the annotators have different labels")
        return self


def load_tune(path: Path, overrides: Sequence[str] = ()) -> TuneSettings:
    """The search in a YAML file; annotators may be named as in configs/annotators. See `load_settings`."""
    return load_settings(TuneSettings, path, overrides, named={"annotators.*": configs_folder("annotators")})
