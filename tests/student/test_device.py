from __future__ import annotations

import pytest
import torch

from nerkd_local.student.device import autocast, pick_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_a_precision_that_is_named_is_taken(wanted: str) -> None:
    assert pick_precision(wanted, CPU) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_auto_follows_what_the_cpu_multiplies(monkeypatch: pytest.MonkeyPatch, supported: bool, chosen: str) -> None:
    monkeypatch.setattr("nerkd_local.student.device._cpu_multiplies_bf16", lambda: supported)
    assert pick_precision("auto", CPU) == chosen


def test_autocast_multiplies_in_the_precision_and_keeps_weights() -> None:
    layer = torch.nn.Linear(2, 2)
    with autocast("bf16", CPU):
        assert layer(torch.ones(1, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert layer(torch.ones(1, 2)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32
