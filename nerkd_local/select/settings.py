"""Settings of a selection policy, told apart by `kind`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, RootModel, model_validator

from nerkd_local.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]

ConfidenceFrom = Literal["annotator", "calibrated", "student"]
"""Where an entity's confidence comes from.

annotator   what its labels carry (`confidences` in `meta`)
calibrated  a calibration that was fitted on human labels
student     the probability that a student which did not train on the sentence gives to the label
"""

SentenceBy = Literal["mean", "min"]


class _ByConfidence(Settings):
    confidence: ConfidenceFrom = "annotator"


class KeepAllSettings(Settings):
    """Every sentence with a usable answer, as it is."""

    kind: Literal["keep_all"] = "keep_all"


class ThresholdSettings(_ByConfidence):
    """Unsure entities are masked, unsure sentences dropped."""

    kind: Literal["threshold"] = "threshold"
    entity: Share = 0.5
    """An entity below it is masked: nothing is learned from its words."""
    sentence: Share = 0.0
    """A sentence below it is dropped."""
    sentence_by: SentenceBy = "mean"
    """A sentence's confidence: that of its entities on average, or of the least sure one."""


class WeightedSettings(_ByConfidence):
    """An entity's words count as much as its confidence says."""

    kind: Literal["weighted"] = "weighted"


class TopBudgetSettings(_ByConfidence):
    """The best so many sentences, by confidence and by what they add to those chosen already (see `select.budget`)."""

    kind: Literal["top_budget"] = "top_budget"
    sentences: Annotated[int, Field(ge=1)] | None = None
    """How many. This or `share`."""
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """How many, as a part of the sentences with a usable answer."""
    diversity: Share = 0.5
    """0: by confidence alone. 1: a sentence that adds nothing new is worth nothing."""

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.sentences is None) == (self.share is None):
            raise ValueError("give either `sentences` or `share`")
        return self


class AgreementSettings(Settings):
    """What annotator and student agree on is kept; where they differ, nothing is learned."""

    kind: Literal["agreement"] = "agreement"
    disagreements: Annotated[int, Field(ge=0)] = 3
    """A sentence with more of them is dropped."""
    student_confidence: Share = 0.5
    """A mention that only the student has counts from this confidence of the student's on."""


Policy = Annotated[
    KeepAllSettings | ThresholdSettings | WeightedSettings | TopBudgetSettings | AgreementSettings,
    Field(discriminator="kind"),
]
"""Which labels a student is to learn from."""


class PolicyFile(RootModel[Policy]):
    """A YAML file that holds one policy."""


def needs_opinions(policy: Policy) -> bool:
    """Whether it asks what a student says that did not train on the sentences."""
    return isinstance(policy, AgreementSettings) or getattr(policy, "confidence", None) == "student"


def needs_calibration(policy: Policy) -> bool:
    """Whether its confidences are calibrated ones."""
    return getattr(policy, "confidence", None) == "calibrated"
