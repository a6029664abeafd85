"""The steps against ten lines of plain torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from nerkd_local.errors import CheckFailed
from nerkd_local.regimen.plan import load_plan
from nerkd_local.student.dropout import key_dropout
from nerkd_local.student.model import new_student, student_tags
from nerkd_local.student.packing import Layout
from nerkd_local.train.data import load_examples, step_examples
from nerkd_local.train.loop import Parts, clip_gradients, new_optimizer, run_step, run_steps
from nerkd_local.train.ranks import join_ranks
from nerkd_local.train.rate import learning_rate
from nerkd_local.train.settings import TrainSettings
from tests.train.conftest import SettingsMaker


def make_parts(settings: TrainSettings, *, packed: bool = True) -> Parts:
    accelerator = join_ranks()
    model, tokenizer = new_student(settings.student, settings.labels, settings.seed, dropout=settings.dropout)
    plan = load_plan(settings.plan)
    examples = load_examples(
        plan,
        {"original": settings.original, "distilled": settings.distilled},
        tokenizer,
        student_tags(model),
        max_tokens=settings.max_tokens,
        stride=settings.stride,
    )
    layout = Layout.of(model, tokenizer.pad_token_id, settings.max_tokens)
    assert layout.first_position == 0
    embeddings = model.get_input_embeddings().weight
    prepared, optimizer = accelerator.prepare(model, new_optimizer(model, embeddings, settings)[0])
    prepared.train()
    if not packed:
        layout = Layout(layout.pad, None)
    dropout = key_dropout(model, settings.seed)
    return Parts(accelerator, prepared, optimizer, plan, examples, layout, "fp32", dropout, embeddings, None)


def weights(model: Any) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()])


def test_two_steps_equal_a_plain_loop_over_single_sentences(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2, dropout=0.0, warmup_share=0.5)
    parts = make_parts(settings)
    measured = [run_step(parts, settings, step) for step in range(2)]

    plain, _ = new_student(settings.student, settings.labels, settings.seed, dropout=0.0)
    plain.train()
    words = plain.get_input_embeddings().weight  # rows that are not looked up stay as they are
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in plain.parameters() if p.ndim > 1 and p is not words], "weight_decay": 0.01},
            {"params": [p for p in plain.parameters() if p.ndim <= 1 or p is words], "weight_decay": 0.0},
        ]
    )
    for step, rate in enumerate([settings.learning_rate / 2, settings.learning_rate]):  # 1 of 2 warms up
        losses = []
        for example in step_examples(parts.plan.steps[step], parts.examples):
            for window, targets, _ in example.windows:  # one at a time: no padding, no mask
                logits = plain(input_ids=torch.from_numpy(window.input_ids)[None].long()).logits[0]
                target = torch.full((len(window),), -100)
                target[torch.from_numpy(window.positions).long()] = torch.from_numpy(targets).argmax(-1)
                losses.append(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
        labels = sum(example.labels for example in step_examples(parts.plan.steps[step], parts.examples))
        loss = torch.stack(losses).sum()
        (loss / labels).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        assert sum(measured[step][0].labels) == labels
        assert float(measured[step][1].sum()) == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(weights(parts.model), weights(plain), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("forward_tokens", "packed"), [(8, True), (40, True), (40, False), (None, False)])
def test_how_a_step_is_laid_out_changes_nothing_beyond_rounding(
    make_settings: SettingsMaker, dropout: float, forward_tokens: int | None, packed: bool
) -> None:
    results = []
    for tokens, pack in ((None, True), (forward_tokens, packed)):
        settings = make_settings(steps=3, dropout=dropout, forward_tokens=tokens)
        parts = make_parts(settings, packed=pack)
        losses = [float(run_step(parts, settings, step)[1].sum()) for step in range(3)]
        results.append((losses, weights(parts.model)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=2e-6)


def test_an_untrained_students_first_loss_is_near_that_of_guessing(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=1)
    step, loss = run_step(make_parts(settings), settings, 0)
    assert float(loss.sum()) / sum(step.labels) == pytest.approx(math.log(5), abs=0.2)  # five classes


def test_dropout_depends_on_seed_and_step_and_not_on_what_came_before(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2)
    first = float(run_step(make_parts(settings), settings, 0)[1].sum())
    torch.rand(1000)
    assert float(run_step(make_parts(settings), settings, 0)[1].sum()) == first
    other = make_settings(steps=2, seed=settings.seed)
    parts = make_parts(other)
    changed = other.model_copy(update={"seed": 9})
    assert float(run_step(parts, changed, 0)[1].sum()) != first


def test_a_step_without_any_label_changes_no_direction(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=1, weight_decay=0.0, dropout=0.0)
    parts = make_parts(settings)
    blank = parts.examples["original", "original:0"].__class__("original", ())
    parts.examples.update(dict.fromkeys(parts.examples, blank))
    before = weights(parts.model)
    step, loss = run_step(parts, settings, 0)
    assert (step.labels, step.tokens, loss.tolist()) == ((0, 0), (0, 0), [0.0, 0.0])
    assert torch.equal(weights(parts.model), before)


def test_the_loop_tells_of_every_step_and_saves_when_it_should(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=7, checkpoint_every=2)
    logged, saved = [], []
    done = run_steps(
        make_parts(settings),
        settings,
        1,
        stop=lambda: False,
        log=logged.append,
        checkpoint=saved.append,
        checkpoint_at=[3, 7],
    )
    assert done == 7
    assert [step.number for step in logged] == [1, 2, 3, 4, 5, 6]
    assert [sum(step.loss) > 0 for step in logged] == [True] * 6
    assert saved == [2, 3, 4, 6]


def test_a_loss_that_is_no_number_stops_the_run(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2)
    parts = make_parts(settings)
    with torch.no_grad():
        parts.model.classifier.weight.fill_(float("inf"))
    with pytest.raises(CheckFailed, match="the loss is nan at step 1; lower learning_rate"):
        run_steps(
            parts,
            settings,
            0,
            stop=lambda: False,
            log=lambda step: None,
            checkpoint=lambda steps: None,
        )


def test_biases_norms_and_embeddings_do_not_decay(make_settings: SettingsMaker) -> None:
    settings = make_settings(weight_decay=0.5)
    model, _ = new_student(settings.student, settings.labels, 1)
    embeddings = model.get_input_embeddings().weight
    optimizer, names = new_optimizer(model, embeddings, settings)
    decaying, level = optimizer.param_groups
    assert (decaying["weight_decay"], level["weight_decay"]) == (0.5, 0.0)
    assert names == sorted(names, key=lambda name: any(part in name for part in ("bias", "LayerNorm", "word_emb")))
    assert any(weights is embeddings for weights in level["params"])
    assert len(names) == len(decaying["params"]) + len(level["params"]) == len(list(model.parameters()))
    assert learning_rate(settings, 0, 1) == settings.learning_rate


@pytest.mark.parametrize(("max_norm", "scale"), [(0.5, 0.1), (5.0, 1.0), (6.0, 1.0)])
def test_gradients_are_scaled_down_to_the_norm_and_never_up(max_norm: float, scale: float) -> None:
    # 3 and 4 make 5; of the embeddings only row 1 counts, and one without a gradient is passed over
    plain, embeddings, untouched = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((2,), (2, 1), (3,)))
    plain.grad, embeddings.grad = torch.tensor([3.0, 0.0]), torch.tensor([[0.0], [4.0]])
    clip_gradients([plain, embeddings, untouched], embeddings, np.array([1]), max_norm)
    torch.testing.assert_close(plain.grad, torch.tensor([3.0, 0.0]) * scale)
    torch.testing.assert_close(embeddings.grad, torch.tensor([[0.0], [4.0]]) * scale)
    assert untouched.grad is None


def test_a_norm_that_is_no_number_is_not_passed_over() -> None:
    broken, other = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    broken.grad, other.grad = torch.tensor([math.nan]), torch.tensor([1.0])
    clip_gradients([broken, other], other, np.array([0]), 1.0)
    assert other.grad.isnan().all()
