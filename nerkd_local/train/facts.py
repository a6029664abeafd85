"""What a run's settings, plan and fingerprints say on its student's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nerkd_local.regimen.plan import Plan
from nerkd_local.student.card import CardFacts, Figure
from nerkd_local.train.settings import DistilledLoss, TrainSettings


def card_facts(
    settings: TrainSettings,
    plan: Plan,
    fingerprints: Mapping[str, Any],
    *,
    followed: Plan,
    precision: str,
    figures: Sequence[Figure] = (),
    evaluation_sha256: Mapping[str, str] | None = None,
) -> CardFacts:
    """The facts of a run's card.

    `followed`: the plan as it was trained on, which for an adaptive regimen is not as it was saved (see `evidence`).
    `fingerprints`: see `identity`. `precision`: what `auto` was on the run's machine. `figures` and
    `evaluation_sha256`: where the student is scored (see `CardFacts`).
    """
    return CardFacts(
        labels=settings.labels,
        encoder="/".join(settings.student.parts[-2:]),  # the folder alone is often called `model`
        encoder_sha256=fingerprints["student"],
        regimen=str(plan.regimen.get("name", "unnamed")),
        plan_sha256=plan.fingerprint,
        original_sha256=fingerprints["original"],
        distilled_sha256=fingerprints["distilled"],
        steps=len(plan.steps),
        batch_size=plan.batch_size,
        seed=settings.seed,
        learning_rate=settings.learning_rate,
        loss=describe_loss(settings.distilled_loss),
        precision=precision,
        examples=followed.examples,
        passes=followed.passes,
        figures=tuple(figures),
        evaluation_sha256=evaluation_sha256 or {},
    )


def describe_loss(loss: DistilledLoss) -> str:
    """The loss in words: `cross entropy; distilled: generalised, q 0.7, weight 0.5`; plain where both are the same."""
    if (loss.kind, loss.weight) == ("cross_entropy", 1):
        return "cross entropy"
    kind = f"generalised, q {loss.q:g}" if loss.kind == "generalised" else loss.kind.replace("_", " ")
    return f"cross entropy; distilled: {kind}, weight {loss.weight:g}"
