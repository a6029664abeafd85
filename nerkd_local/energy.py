"""How much energy was used, as this machine's meters count it; nothing is estimated where there is none.

Two kinds of meter. A GPU's own (NVML's total energy counter, since Volta), read through `pynvml`, which comes with
vLLM. And the CPU's (Intel's and AMD's RAPL, read from Linux' power capping folder), one a processor package and, on
servers, one for its memory; since 2020 only root may read them as a rule (CVE-2020-8694). The zone `psys`, the whole
board where it is there, holds the packages and is left out.

A meter counts what its part of the machine uses, whoever uses it: of two programs side by side each sees both. On a
part of a GPU (MIG) there is no meter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from nerkd_local.machine import visible_gpus

POWERCAP = Path("/sys/class/powercap")
_LOOK_EVERY_S = 30.0
"""The smallest range of a package's counter is 65 kJ: at 2 kW that is more than half a minute."""


class Meter(Protocol):
    """A counter of energy that only rises."""

    @property
    def name(self) -> str:
        """One of a kind on its machine."""
        ...

    @property
    def range_joules(self) -> float | None:
        """Where it begins again from 0; None for one that does not."""
        ...

    def read(self) -> float | None:
        """Joules since a beginning of its own; None where it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class RaplMeter:
    """One zone of the power capping folder, such as `intel-rapl:0` (AMD's processors have the same)."""

    name: str
    zone: Path
    range_joules: float | None

    def read(self) -> float | None:
        """See `Meter`."""
        return _read_microjoules(self.zone / "energy_uj")


@dataclass(frozen=True, slots=True)
class NvmlMeter:
    """One GPU. `library` is pynvml, `handle` what it knows the GPU by."""

    name: str
    library: Any
    handle: Any
    range_joules: None = None

    def read(self) -> float | None:
        """See `Meter`."""
        try:
            return float(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1000
        except self.library.NVMLError:
            return None


@dataclass(frozen=True, slots=True)
class Found:
    """`meters` that can be read, and in `problems` a line for each that is there and cannot."""

    meters: tuple[Meter, ...]
    problems: tuple[str, ...]


def find_meters(powercap: Path = POWERCAP, gpus: Sequence[str] | None = None) -> Found:
    """The meters of the GPUs that this process may see (`gpus`: by the names of `visible_gpus`) and of its CPU.

    Never raises for a machine that has none.
    """
    found = [_find_gpus(visible_gpus() if gpus is None else gpus), _find_rapl(powercap)]
    return Found(
        tuple(meter for each in found for meter in each.meters),
        tuple(problem for each in found for problem in each.problems),
    )


class Metering:
    """What meters count while a block runs. A context manager; entered again, it begins anew.

    A counter that begins again from 0 is looked at every half minute meanwhile, by a thread, so that no round of it is
    missed. A meter that fails on the way, or falls back for another reason, says nothing of the whole block.
    """

    def __init__(self, meters: Iterable[Meter] | None = None) -> None:
        """`meters`: all that there are, where it is not given; looked for when the block begins."""
        self._meters = meters
        self._counting: dict[str, tuple[Meter, float]] = {}
        self._joules: dict[str, float] = {}
        self._over = threading.Event()
        self._looking = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Metering:
        self._counting, self._joules = {}, {}
        self._over.clear()
        for meter in find_meters().meters if self._meters is None else self._meters:
            now = meter.read()
            if now is not None:
                self._counting[meter.name], self._joules[meter.name] = (meter, now), 0.0
        if any(meter.range_joules is not None for meter, _ in self._counting.values()):
            self._thread = threading.Thread(target=self._look_often, name="energy", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
            self._thread = None
        self.look()

    def look(self) -> None:
        """Take in what the meters counted since the last look."""
        with self._looking:
            for name, (meter, last) in list(self._counting.items()):
                now = meter.read()
                counted = None if now is None else now - last
                if counted is not None and counted < 0:
                    counted = None if meter.range_joules is None else counted + meter.range_joules
                if now is None or counted is None or counted < 0:
                    del self._counting[name], self._joules[name]
                    continue
                self._counting[name] = (meter, now)
                self._joules[name] += counted

    @property
    def joules(self) -> dict[str, float]:
        """By meter, up to the last look; empty where there is none."""
        return {name: round(joules, 3) for name, joules in self._joules.items()}

    def _look_often(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            self.look()


def describe_meters(found: Found) -> list[str]:
    """A line for each meter, and for each that is there and cannot be read."""
    kinds = {True: "NVML", False: "RAPL"}
    lines = [f"{meter.name} ({kinds[isinstance(meter, NvmlMeter)]})" for meter in found.meters]
    return [*lines, *found.problems] or ["none: what work costs in energy cannot be told here"]


def add_joules(earlier: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Of work in two parts, by meter: only what was counted in both is known of the whole."""
    return {name: round(earlier[name] + joules, 3) for name, joules in now.items() if name in earlier}


def _find_rapl(powercap: Path) -> Found:
    meters: list[Meter] = []
    problems = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        name = _zone_name(zone)
        if name is None:
            continue
        if _read_microjoules(zone / "energy_uj") is None:
            problems.append(f"{name} (RAPL): {zone / 'energy_uj'} cannot be read; as a rule only root may")
            continue
        meters.append(RaplMeter(name, zone, _read_microjoules(zone / "max_energy_range_uj")))
    return Found(tuple(meters), tuple(problems))


def _zone_name(zone: Path) -> str | None:
    """Of a package, or of the memory beside it; None for what is inside a package (`core`, `uncore`) or around it."""
    name = _read(zone / "name")
    if name is None:
        return None
    if name.startswith("package"):
        return f"cpu {name}"
    if name == "dram":
        package = _read(zone.with_name(zone.name.rpartition(":")[0]) / "name")
        return f"cpu {package or zone.name} dram"
    return None


def _find_gpus(visible: Sequence[str]) -> Found:
    if not visible:
        return Found((), ())
    try:
        import pynvml
    except ImportError:
        return Found((), (f"{len(visible)} GPU(s): read through nvidia-ml-py, which is not installed",))
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        return Found((), (f"{len(visible)} GPU(s): NVML says {error}",))
    meters: list[Meter] = []
    problems = []
    for number, handle in enumerate(handles):
        if not _is_visible(number, _text(pynvml.nvmlDeviceGetUUID(handle)), visible):
            continue
        meter = NvmlMeter(f"gpu {number} {_text(pynvml.nvmlDeviceGetName(handle))}", pynvml, handle)
        if meter.read() is None:
            problems.append(f"{meter.name} (NVML): this GPU does not count its energy")
        else:
            meters.append(meter)
    return Found(tuple(meters), tuple(problems))


def _is_visible(number: int, uuid: str, visible: Sequence[str]) -> bool:
    """CUDA numbers GPUs as NVML does where they are all of one kind, or CUDA_DEVICE_ORDER is PCI_BUS_ID."""
    return any(name == str(number) if name.isdigit() else uuid.startswith(name) for name in visible)


def _text(value: str | bytes) -> str:
    # old releases of pynvml give bytes
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _read_microjoules(path: Path) -> float | None:
    text = _read(path)
    return int(text) / 1e6 if text and text.isascii() and text.isdigit() else None
