"""The steps against ten lines of plain torch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from nerkd_local.errors import CheckFailed
from nerkd_local.regimen.plan import load_plan
from nerkd_local.student.model import new_student, student_tags
from nerkd_local.train.data import load_examples, step_examples
from nerkd_local.train.loop import Parts, Progress, learning_rate, new_optimizer, run_step, run_steps
from nerkd_local.train.ranks import join_ranks
from nerkd_local.train.settings import TrainSettings
from tests.train.conftest import SettingsMaker


def make_parts(settings: TrainSettings) -> tuple[Parts, Any]:
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
    prepared, optimizer = accelerator.prepare(model, new_optimizer(model, settings)[0])
    prepared.train()
    parts = Parts(accelerator, prepared, optimizer, plan, examples, tokenizer.pad_token_id, "fp32")
    return parts, tokenizer


def weights(model: Any) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()])


def test_two_steps_equal_a_plain_loop_over_single_sentences(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2, dropout=0.0, warmup_share=0.5)
    parts, _ = make_parts(settings)
    measured = [run_step(parts, settings, step) for step in range(2)]

    plain, _ = new_student(settings.student, settings.labels, settings.seed, dropout=0.0)
    plain.train()
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in plain.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in plain.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
    )
    for step, rate in enumerate([settings.learning_rate / 2, settings.learning_rate]):  # 1 of 2 warms up
        losses = []
        for example in step_examples(parts.plan.steps[step], parts.examples):
            for window, classes in example.windows:  # one at a time: no padding, no mask
                logits = plain(input_ids=torch.from_numpy(window.input_ids)[None].long()).logits[0]
                target = torch.full((len(window),), -100)
                target[torch.from_numpy(window.positions).long()] = torch.from_numpy(classes)
                losses.append(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
        labels = sum(example.labels for example in step_examples(parts.plan.steps[step], parts.examples))
        loss = torch.stack(losses).sum()
        (loss / labels).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
        assert measured[step][0] == labels
        assert float(measured[step][1]) == pytest.approx(float(loss.detach()), rel=1e-5)
    torch.testing.assert_close(weights(parts.model), weights(plain), rtol=0, atol=1e-6)


@pytest.mark.parametrize("micro_batch", [1, 2, None])
def test_micro_batches_change_nothing_beyond_rounding(make_settings: SettingsMaker, micro_batch: int | None) -> None:
    results = []
    for size in (1000, micro_batch):
        settings = make_settings(steps=3, dropout=0.0, micro_batch=size)
        parts, _ = make_parts(settings)
        losses = [float(run_step(parts, settings, step)[1]) for step in range(3)]
        results.append((losses, weights(parts.model)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=0, atol=2e-6)


def test_an_untrained_students_first_loss_is_near_that_of_guessing(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=1)
    labels, loss = run_step(make_parts(settings)[0], settings, 0)
    assert float(loss) / labels == pytest.approx(math.log(5), abs=0.2)  # five classes


def test_dropout_depends_on_seed_and_step_and_not_on_what_came_before(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2)
    first = float(run_step(make_parts(settings)[0], settings, 0)[1])
    torch.rand(1000)
    assert float(run_step(make_parts(settings)[0], settings, 0)[1]) == first
    other = make_settings(steps=2, seed=settings.seed)
    parts, _ = make_parts(other)
    changed = other.model_copy(update={"seed": 9})
    assert float(run_step(parts, changed, 0)[1]) != first


def test_a_step_without_any_label_changes_no_direction(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=1, weight_decay=0.0, dropout=0.0)
    parts, _ = make_parts(settings)
    blank = parts.examples["original", "original:0"].__class__("original", ())
    parts.examples.update(dict.fromkeys(parts.examples, blank))
    before = weights(parts.model)
    labels, loss = run_step(parts, settings, 0)
    assert (labels, float(loss)) == (0, 0.0)
    assert torch.equal(weights(parts.model), before)


def test_the_loop_logs_and_saves_when_it_should(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=7, log_every=3, checkpoint_every=2)
    logged, saved = [], []
    finished = run_steps(
        make_parts(settings)[0],
        settings,
        Progress(),
        stop=lambda: False,
        log=lambda progress: logged.append(progress.step),
        checkpoint=lambda progress: saved.append(progress.step),
    )
    assert finished
    assert logged == [3, 6, 7]
    assert saved == [2, 4, 6]


def test_a_loss_that_is_no_number_stops_the_run(make_settings: SettingsMaker) -> None:
    settings = make_settings(steps=2)
    parts, _ = make_parts(settings)
    with torch.no_grad():
        parts.model.classifier.weight.fill_(float("inf"))
    with pytest.raises(CheckFailed, match="the loss is nan at step 1; lower learning_rate"):
        run_steps(
            parts,
            settings,
            Progress(),
            stop=lambda: False,
            log=lambda progress: None,
            checkpoint=lambda progress: None,
        )


def test_biases_and_norms_do_not_decay(make_settings: SettingsMaker) -> None:
    settings = make_settings(weight_decay=0.5)
    model, _ = new_student(settings.student, settings.labels, 1)
    optimizer, names = new_optimizer(model, settings)
    decaying, level = optimizer.param_groups
    assert (decaying["weight_decay"], level["weight_decay"]) == (0.5, 0.0)
    assert names == sorted(names, key=lambda name: name.endswith("bias") or "LayerNorm" in name)
    assert len(names) == len(decaying["params"]) + len(level["params"]) == len(list(model.parameters()))
    assert learning_rate(settings, 0, 1) == settings.learning_rate
