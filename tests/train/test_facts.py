from __future__ import annotations

import pytest

from nerkd_local.student.card import Figure
from nerkd_local.train.facts import card_facts, describe_loss
from nerkd_local.train.identity import run_fingerprints
from nerkd_local.train.settings import DistilledLoss
from tests.train.conftest import SettingsMaker, make_plan


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (DistilledLoss(), "cross entropy"),
        (DistilledLoss(weight=0.5), "cross entropy; distilled: cross entropy, weight 0.5"),
        (DistilledLoss(kind="generalised", q=0.25), "cross entropy; distilled: generalised, q 0.25, weight 1"),
        (DistilledLoss(kind="channel"), "cross entropy; distilled: channel, weight 1"),
    ],
)
def test_the_loss_in_words(loss: DistilledLoss, words: str) -> None:
    assert describe_loss(loss) == words


def test_a_cards_facts_are_the_runs(make_settings: SettingsMaker) -> None:
    settings, plan = make_settings(6, seed=3), make_plan(6)
    fingerprints = run_fingerprints(settings, plan)
    figures = (Figure("dev", None, 0.5, 0.5, 0.5),)
    facts = card_facts(
        settings,
        plan,
        fingerprints,
        followed=make_plan(4),
        precision="bf16",
        figures=figures,
        evaluation_sha256={"dev": "d" * 64},
    )
    assert (facts.regimen, facts.steps, facts.batch_size, facts.seed) == ("by hand", 6, 3, 3)
    assert facts.encoder == "/".join(settings.student.parts[-2:])
    assert (facts.encoder_sha256, facts.original_sha256) == (fingerprints["student"], fingerprints["original"])
    # what `nerkd plan` prints and the plan's first line says
    assert facts.plan_sha256 == plan.fingerprint
    assert facts.examples == {"original": 6, "distilled": 6}
    assert facts.precision == "bf16"
    assert (facts.figures, facts.evaluation_sha256) == (figures, {"dev": "d" * 64})
