"""Agreement between ranks, with an accelerator that answers for the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nerkd_local.errors import InputError
from nerkd_local.train.ranks import RankFailed, check_same, from_first_rank, join_ranks, together


class FakeAccelerator:
    """One rank of several; `others` is what all of them send (this one's own entry is replaced)."""

    device = torch.device("cpu")

    def __init__(self, rank: int, others: list[int]) -> None:
        self.process_index = rank
        self.others = others

    def gather(self, mine: torch.Tensor) -> torch.Tensor:
        values = torch.tensor(self.others)
        values[self.process_index] = mine[0]
        return values


def fail() -> int:
    raise InputError("no such file")


def test_all_go_on_when_all_are_well() -> None:
    assert together(FakeAccelerator(0, [0, 0]), lambda: 5) == 5


def test_rank_0_says_its_own_error() -> None:
    with pytest.raises(InputError, match="no such file"):
        together(FakeAccelerator(0, [0, 2]), fail)


def test_another_rank_that_failed_alone_says_so_itself() -> None:
    with pytest.raises(RankFailed, match="rank 1: no such file") as caught:
        together(FakeAccelerator(1, [0, 0, 2]), fail)
    assert (caught.value.own, caught.value.exit_code) == (True, 2)


@pytest.mark.parametrize("rank", [0, 2])
def test_the_ranks_that_were_well_end_with_the_same_code(rank: int) -> None:
    with pytest.raises(RankFailed, match="rank 1 failed") as caught:
        together(FakeAccelerator(rank, [0, 2, 0]), lambda: 5)
    assert (caught.value.own, caught.value.exit_code) == (False, 2)


def test_ranks_with_different_files_stop() -> None:
    check_same(FakeAccelerator(0, [0, 0xABC]), "abc")
    with pytest.raises(InputError, match="different settings or files"):
        check_same(FakeAccelerator(0, [0, 0xABD]), "abc")


def test_the_first_ranks_value_counts() -> None:
    assert from_first_rank(FakeAccelerator(1, [7, 0]), 3) == 7


@pytest.mark.parametrize(
    ("gpus", "processes", "backend"), [(0, 2, None), (2, 2, None), (1, 2, "gloo"), (2, 4, "gloo"), (1, 1, None)]
)
def test_ranks_that_share_a_gpu_talk_over_gloo(
    monkeypatch: pytest.MonkeyPatch, gpus: int, processes: int, backend: str | None
) -> None:
    asked: list[Any] = []

    class Joined:
        num_processes = 1

        def __init__(self, *, mixed_precision: str, kwargs_handlers: list[Any]) -> None:
            asked.extend(handler.backend for handler in kwargs_handlers)

    monkeypatch.setattr("accelerate.Accelerator", Joined)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    join_ranks()
    assert asked == ([backend] if backend else [])
