"""The processes of a run: that they really joined, and that they go on, or end, together."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from nerkd_local.errors import InputError, NerkdError

T = TypeVar("T")


class RankFailed(NerkdError):
    """Some rank cannot go on; `own` says that it is this one, whose message this is."""

    def __init__(self, problem: str, exit_code: int, *, own: bool) -> None:
        super().__init__(problem)
        self.exit_code = exit_code
        self.own = own


def join_ranks() -> Any:
    """The accelerator of this process, after checking that all processes the launcher started are in it.

    Raises InputError if they are not: each would train alone and write over the others. accelerate chooses the device;
    ranks that share a GPU talk over gloo, as NCCL takes one process a GPU.
    """
    from accelerate import Accelerator, InitProcessGroupKwargs

    crowded = 0 < torch.cuda.device_count() < int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    accelerator = Accelerator(
        mixed_precision="no",  # the run's own `precision` decides, not the launcher
        kwargs_handlers=[InitProcessGroupKwargs(backend="gloo")] if crowded else [],
    )
    expected = int(os.environ.get("WORLD_SIZE", "1"))
    if expected != accelerator.num_processes:
        raise InputError(
            f"the launcher started {expected} processes and this one sees {accelerator.num_processes}: they "
            "did not join; without GPUs, set ACCELERATE_USE_CPU=true before `accelerate launch` (`nerkd "
            "train` does)"
        )
    return accelerator


def together(accelerator: Any, work: Callable[[], T]) -> T:
    """What `work` returns, once it has succeeded on every rank. Every rank calls this; `work` must not
    communicate.

    If it raises a NerkdError on rank 0, rank 0 raises that and the others RankFailed; if only on others, all
    raise RankFailed, with the exit code of the lowest. So no rank waits for one that is gone.
    """
    result, problem = None, None
    try:
        result = work()
    except NerkdError as error:
        problem = error
    codes = _gather(accelerator, 0 if problem is None else problem.exit_code)
    failed = next((rank for rank, code in enumerate(codes) if code), None)
    if failed is not None:
        own = problem is not None and failed == accelerator.process_index
        if problem is not None and own and failed == 0:
            raise problem
        message = f"rank {failed}: {problem}" if own else f"rank {failed} failed"
        raise RankFailed(message, codes[failed], own=own) from problem
    return result  # type: ignore[return-value]  # work returned: there was no problem


def check_same(accelerator: Any, fingerprint: str) -> None:
    """Raise InputError on all ranks if they do not all call this with the same fingerprint (hex)."""
    if len(set(_gather(accelerator, int(fingerprint[:15], 16)))) > 1:
        raise InputError("the ranks read different settings or files; give every machine the same ones")


def from_first_rank(accelerator: Any, value: int) -> int:
    """Rank 0's value, on every rank."""
    return _gather(accelerator, value)[0]


def joined_ranks(accelerator: Any) -> list[int]:
    """The number each process reports as its rank, gathered: 0 to world size - 1 when all is well."""
    return _gather(accelerator, accelerator.process_index)


def _gather(accelerator: Any, value: int) -> list[int]:
    """Each rank's value, in rank order, on every rank. As tensors: gathering objects would pickle them."""
    mine = torch.tensor([value], dtype=torch.int64, device=accelerator.device)
    values: list[int] = accelerator.gather(mine).tolist()
    return values


def leave_ranks() -> None:
    """Close the connections between the ranks, if there are any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
