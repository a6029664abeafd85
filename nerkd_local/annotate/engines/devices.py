"""Whether the GPUs that an engine may see can do what its settings ask. Decided before vLLM starts.

Which GPUs those are is not chosen here. Slurm (or the user) grants them through CUDA_VISIBLE_DEVICES, and CUDA
itself reads it: this package never looks past it, and sets it for the engines it starts only, to a part of what was
granted. These are plain functions of what was found, so that they hold on machines that the tests have not got.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nerkd_local.annotate.settings import ModelSettings, VllmSettings
from nerkd_local.errors import InputError
from nerkd_local.machine import VISIBLE

_JOB = "SLURM_JOB_ID"
_BFLOAT16_SINCE = (8, 0)


@dataclass(frozen=True, slots=True)
class Devices:
    """What this process may use: so many GPUs, or, on the CPU, so many NUMA nodes (a core's near memory).

    `capability` is the first GPU's compute capability, such as (8, 9). None stands for what could not be found out.
    """

    on_cpu: bool
    count: int | None = None
    capability: tuple[int, int] | None = None


def check_devices(settings: ModelSettings, devices: Devices, environment: Mapping[str, str]) -> None:
    """Raise InputError if the settings ask for more devices than there are, or for numbers they cannot compute with.

    vLLM would say so too, but from inside its own processes, after seconds to minutes and over many lines.
    """
    wanted = settings.tensor_parallel_size
    if devices.on_cpu:
        if devices.count is not None and wanted > devices.count:
            raise InputError(
                f"engine.tensor_parallel_size is {wanted}, but there is no GPU, and on the CPU each part of the model "
                f"needs a NUMA node (here: {devices.count}); set it to 1"
            )
        return
    if devices.count == 0:
        raise InputError(
            f"no GPU is visible{_granted(environment)}, and this vLLM was built for GPUs; in a Slurm job, ask for "
            "one (--gres=gpu:1)"
        )
    if devices.count is not None and wanted > devices.count:
        raise InputError(
            f"engine.tensor_parallel_size is {wanted}, but {_count(devices.count)} visible{_granted(environment)}; "
            f"lower it, or ask for {wanted} GPUs"
        )
    if settings.dtype == "bfloat16" and devices.capability is not None and devices.capability < _BFLOAT16_SINCE:
        raise InputError(
            f"engine.dtype is bfloat16, which this GPU does not compute (compute capability {_dotted(devices)}, "
            "8.0 is needed); with `auto` vLLM takes what fits the GPU and the model"
        )


def share_gpus(settings: VllmSettings, gpus: Sequence[str], environment: Mapping[str, str]) -> list[dict[str, str]]:
    """For each engine to start, what its environment has beside this one's: its own GPUs of the visible ones.

    Without GPUs, or with one engine, nothing is added. Raises InputError if there are fewer than the settings ask for.
    """
    group = settings.tensor_parallel_size
    engines = max(1, len(gpus) // group) if settings.engines == "auto" else settings.engines
    if engines == 1 or not gpus:
        return [{} for _ in range(engines)]
    if engines * group > len(gpus):
        raise InputError(
            f"engine.engines is {engines}, with {group} of the GPUs each (engine.tensor_parallel_size), but "
            f"{_count(len(gpus))} visible{_granted(environment)}; lower it, or leave it at auto"
        )
    return [{VISIBLE: ",".join(gpus[number * group : (number + 1) * group])} for number in range(engines)]


def describe_cast(stored: str | None, used: str, devices: Devices) -> str | None:
    """A line for the user where `dtype: auto` computes in another format than the weights are stored in.

    Where the formats agree, or the model folder names none, there is nothing to say. Names are as in the settings
    (`bfloat16`).
    """
    if stored is None or stored == used:
        return None
    lacks = not devices.on_cpu and devices.capability is not None and devices.capability < _BFLOAT16_SINCE
    why = f", as this GPU (compute capability {_dotted(devices)}) has no bfloat16" if lacks else ""
    return f"the model is stored in {stored} and computed in {used}{why}"


def _granted(environment: Mapping[str, str]) -> str:
    """Who decided on the number of GPUs, in brackets; empty where the machine itself did."""
    told = []
    if VISIBLE in environment:
        told.append(f"{VISIBLE}={environment[VISIBLE] or '(empty)'}")
    if _JOB in environment:
        told.append(f"Slurm job {environment[_JOB]}")
    return f" ({', '.join(told)})" if told else ""


def _count(gpus: int) -> str:
    return "1 GPU is" if gpus == 1 else f"{gpus} GPUs are"


def _dotted(devices: Devices) -> str:
    assert devices.capability is not None
    return "{}.{}".format(*devices.capability)
