"""What a word's label costs, by hand, and that nothing done about distilled ones touches the original ones."""

from __future__ import annotations

import dataclasses
from math import log, sqrt
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.train.data import Words
from nerkd_local.train.loop import run_step
from nerkd_local.train.loss import distilled_loss, gradient_scale, source_losses, zero_loss
from nerkd_local.train.settings import DistilledLoss
from tests.train.conftest import SettingsMaker
from tests.train.test_loop import make_parts

P = [0.5, 0.25, 0.25]
"""The student's probabilities of three classes."""
CHANNEL = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.1, 0.8]])
ONE_HOT, VOTES = [0.0, 1.0, 0.0], [0.25, 0.75, 0.0]


def words(targets: list[list[float]], distilled: list[bool], weights: list[float] | None = None) -> Words:
    return Words(torch.tensor(targets), torch.tensor(weights or [1.0] * len(targets)), torch.tensor(distilled))


def loss(settings: dict[str, Any], target: list[float], weight: float = 1.0) -> float:
    """Of one distilled word."""
    given_words = words([target], [True], [weight])
    original, distilled = source_losses(torch.tensor([P]).log(), given_words, DistilledLoss(**settings), CHANNEL)
    assert float(original) == 0
    return float(distilled)


@pytest.mark.parametrize(
    ("settings", "target", "expected"),
    [
        ({"kind": "cross_entropy"}, ONE_HOT, log(4)),
        ({"kind": "cross_entropy"}, VOTES, 0.25 * log(2) + 0.75 * log(4)),
        ({"kind": "generalised", "q": 0.5}, ONE_HOT, (1 - sqrt(0.25)) / 0.5),
        ({"kind": "generalised", "q": 0.5}, VOTES, 0.25 * (1 - sqrt(0.5)) / 0.5 + 0.75 * (1 - sqrt(0.25)) / 0.5),
        ({"kind": "generalised", "q": 1}, ONE_HOT, 0.75),
        ({"kind": "generalised", "q": 1}, VOTES, 0.25 * 0.5 + 0.75 * 0.75),
        # the annotator writes class 1 where 0, 1 or 2 is true: .5 * .1 + .25 * .6 + .25 * .1; class 0: .4 + .05 + .025
        ({"kind": "channel"}, ONE_HOT, -log(0.225)),
        ({"kind": "channel"}, VOTES, -0.25 * log(0.475) - 0.75 * log(0.225)),
    ],
)
def test_what_a_distilled_word_costs(settings: dict[str, Any], target: list[float], expected: float) -> None:
    assert loss(settings, target) == pytest.approx(expected, rel=1e-5)
    assert loss(settings, target, weight=3.0) == pytest.approx(3 * expected, rel=1e-5)
    assert loss({**settings, "weight": 0.5}, target, weight=3.0) == pytest.approx(1.5 * expected, rel=1e-5)
    assert loss(settings, target, weight=0.0) == loss({**settings, "weight": 0.0}, target) == 0


def test_a_step_sums_by_source() -> None:
    given_words = words([ONE_HOT, [1.0, 0.0, 0.0], VOTES, ONE_HOT], [False, False, True, True], [1, 1, 1, 2])
    losses = source_losses(torch.tensor([P] * 4).log(), given_words, DistilledLoss(), None)
    assert losses.tolist() == pytest.approx([log(4) + log(2), 0.25 * log(2) + 0.75 * log(4) + 2 * log(4)])


def test_generalised_cross_entropy_is_cross_entropy_at_q_near_0() -> None:
    log_p = torch.tensor([P], dtype=torch.float64).log()
    given_words = Words(*(tensor.double() for tensor in words([VOTES], [True])[:2]), torch.tensor([True]))
    near = [
        float(distilled_loss(log_p, given_words, DistilledLoss(kind="generalised", q=q), None)) for q in (1e-3, 1e-6)
    ]
    plain = float(distilled_loss(log_p, given_words, DistilledLoss(), None))
    assert abs(near[0] - plain) < 1e-3  # about q / 2 times the mean square of log p
    assert abs(near[1] - plain) < 1e-6


def test_a_label_the_student_does_not_believe_pulls_less_by_its_probability_to_the_q() -> None:
    pulls = []
    for settings in (DistilledLoss(), DistilledLoss(kind="generalised", q=0.5), DistilledLoss(kind="generalised", q=1)):
        logits = torch.tensor([P]).log().requires_grad_()
        source_losses(logits, words([ONE_HOT], [True]), settings, None)[1].backward()
        assert logits.grad is not None
        pulls.append(logits.grad[0])
    assert pulls[0].tolist() == pytest.approx([0.5, -0.75, 0.25])
    assert pulls[1].tolist() == pytest.approx((pulls[0] * 0.25**0.5).tolist())
    assert pulls[2].tolist() == pytest.approx((pulls[0] * 0.25).tolist())


def test_a_channel_without_noise_is_cross_entropy() -> None:
    clean = 0.999999 * torch.eye(3) + 0.000001 / 3
    for target in (ONE_HOT, VOTES):
        found = source_losses(torch.tensor([P]).log(), words([target], [True]), DistilledLoss(kind="channel"), clean)
        assert float(found[1]) == pytest.approx(loss({}, target), rel=1e-4)


settings_of_any_kind = st.builds(
    DistilledLoss,
    kind=st.sampled_from(["cross_entropy", "generalised", "channel"]),
    q=st.floats(0.01, 1),
    weight=st.floats(0, 100),
)


@given(settings_of_any_kind, st.floats(0, 100), st.sampled_from([ONE_HOT, VOTES]))
def test_no_setting_touches_an_original_words_term_or_its_gradient(
    settings: DistilledLoss, weight: float, target: list[float]
) -> None:
    found = []
    for setting, weights, targets in (
        (DistilledLoss(), [1.0, 1.0, 1.0], [[1.0, 0.0, 0.0], ONE_HOT, ONE_HOT]),
        (settings, [1.0, weight, 1.0], [[1.0, 0.0, 0.0], target, ONE_HOT]),
    ):
        logits = torch.tensor([P, P, [0.1, 0.7, 0.2]]).log().requires_grad_()
        losses = source_losses(logits, words(targets, [False, True, False], weights), setting, CHANNEL)
        losses.sum().backward()
        assert logits.grad is not None
        found.append((float(losses[0].detach()), logits.grad[[0, 2]].tolist()))
    assert found[0] == found[1]
    assert found[0][0] == pytest.approx(log(2) - log(0.7))


class Gradients:
    """Takes an optimizer's place and keeps what it would have stepped by."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.param_groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]

    def step(self) -> None:
        self.kept = torch.cat([weights.grad.flatten() for weights in self.model.parameters()])

    def zero_grad(self) -> None:
        self.model.zero_grad()


@pytest.mark.parametrize("kind", ["cross_entropy", "generalised"])
def test_distilled_words_of_any_weight_stay_in_the_number_that_a_step_divides_by(
    make_settings: SettingsMaker, kind: str
) -> None:
    gradients = []
    for weight in (0.0, 1.0, 3.0):
        settings = make_settings(
            steps=1, dropout=0.0, max_grad_norm=1e9, distilled_loss={"kind": kind, "weight": weight}
        )
        parts = make_parts(settings)
        optimizer = Gradients(parts.model)
        step, summed = run_step(dataclasses.replace(parts, optimizer=optimizer), settings, 0)
        gradients.append(optimizer.kept)
        assert (float(summed[1]) > 0) == (weight > 0)
    assert step.labels == (10, 4)
    # what the ten original words give alone, divided by all fourteen
    settings = make_settings(steps=1, dropout=0.0, max_grad_norm=1e9)
    parts = make_parts(settings)
    planned = parts.plan.steps[0]
    alone = dataclasses.replace(parts.plan, steps=(dataclasses.replace(planned, distilled=()),))
    optimizer = Gradients(parts.model)
    run_step(dataclasses.replace(parts, optimizer=optimizer, plan=alone), settings, 0)
    torch.testing.assert_close(gradients[0], optimizer.kept * 10 / 14, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(gradients[2] - gradients[0], 3 * (gradients[1] - gradients[0]), rtol=1e-4, atol=1e-6)


def test_the_divisor_of_a_step_is_its_words_on_all_ranks() -> None:
    assert gradient_scale(8, 1) == 1 / 8
    assert gradient_scale(8, 4) == 1 / 2  # ranks' gradients are averaged
    assert gradient_scale(0, 2) == 2  # of a loss of 0


def test_a_rank_with_nothing_to_do_reaches_every_weight_with_nothing(make_settings: SettingsMaker) -> None:
    parts = make_parts(make_settings(steps=1))
    zero_loss(parts.model, parts.layout.pad, torch.device("cpu")).backward()
    for name, weights in parts.model.named_parameters():
        assert weights.grad is not None, name
        assert not weights.grad.any(), name
