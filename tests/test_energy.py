"""Meters of a made-up machine: a power capping folder as Linux shows it, and a library as NVIDIA's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from nerkd_local.energy import Found, Metering, RaplMeter, add_joules, describe_meters, find_meters


def write_zone(powercap: Path, zone: str, name: str, microjoules: int | None, most: int | None = 1000) -> Path:
    here = powercap / zone
    here.mkdir(parents=True)
    (here / "name").write_text(f"{name}\n")
    if microjoules is not None:
        (here / "energy_uj").write_text(f"{microjoules}\n")
    if most is not None:
        (here / "max_energy_range_uj").write_text(f"{most}\n")
    return here


class NVMLError(Exception):
    pass


@dataclass
class Gpu:
    uuid: str
    millijoules: int | None
    name: str | bytes = "NVIDIA H200"


def fake_nvml(gpus: Sequence[Gpu], *, driver: bool = True) -> SimpleNamespace:
    def start() -> None:
        if not driver:
            raise NVMLError("Driver Not Loaded")

    def energy(gpu: Gpu) -> int:
        if gpu.millijoules is None:
            raise NVMLError("Not Supported")
        return gpu.millijoules

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=start,
        nvmlDeviceGetCount=lambda: len(gpus),
        nvmlDeviceGetHandleByIndex=lambda number: gpus[number],
        nvmlDeviceGetUUID=lambda gpu: gpu.uuid,
        nvmlDeviceGetName=lambda gpu: gpu.name,
        nvmlDeviceGetTotalEnergyConsumption=energy,
    )


@dataclass
class Counter:
    """A meter that reads what it is told, one value after the other."""

    values: list[float | None]
    range_joules: float | None = None
    name: str = "counter"
    read_by: Iterator[float | None] = field(init=False)

    def __post_init__(self) -> None:
        self.read_by = iter(self.values)

    def read(self) -> float | None:
        return next(self.read_by)


def test_a_package_and_its_memory_are_counted_and_neither_its_parts_nor_the_board(tmp_path: Path) -> None:
    write_zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000, 262_143_328_850)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 1)
    write_zone(tmp_path, "intel-rapl:0:1", "dram", 2_500_000)
    write_zone(tmp_path, "intel-rapl:1", "psys", 1)
    write_zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1)
    (tmp_path / "intel-rapl:2").mkdir()
    found = find_meters(tmp_path, [])
    assert [(meter.name, meter.read()) for meter in found.meters] == [
        ("cpu package-0", 5.0),
        ("cpu package-0 dram", 2.5),
    ]
    assert found.meters[0].range_joules == pytest.approx(262143.32885)
    assert found.problems == ()
    assert describe_meters(found) == ["cpu package-0 (RAPL)", "cpu package-0 dram (RAPL)"]


def test_a_counter_that_only_root_may_read_is_named_and_not_used(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, "intel-rapl:0", "package-0", None)
    (zone / "energy_uj").mkdir()  # as unreadable as it gets, for root too
    found = find_meters(tmp_path, [])
    assert found.meters == ()
    assert found.problems == (f"cpu package-0 (RAPL): {zone}/energy_uj cannot be read; as a rule only root may",)


def test_a_machine_without_meters_has_none(tmp_path: Path) -> None:
    found = find_meters(tmp_path / "absent", [])
    assert found == Found((), ())
    assert describe_meters(found) == ["none: what work costs in energy cannot be told here"]
    with Metering(found.meters) as metering:
        pass
    assert metering.joules == {}


@pytest.mark.parametrize(
    ("visible", "seen"),
    [(["1"], ["gpu 1"]), (["0", "1"], ["gpu 0", "gpu 1"]), (["GPU-bb"], ["gpu 1"]), (["MIG-aa"], [])],
)
def test_the_gpus_that_a_process_may_see_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: list[str], seen: list[str]
) -> None:
    gpus = [Gpu("GPU-aa11", 1000), Gpu("GPU-bb22", 2500, b"NVIDIA L4")]
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(gpus))
    found = find_meters(tmp_path, visible)
    assert [meter.name[:5] for meter in found.meters] == seen
    readings = {"gpu 0 NVIDIA H200": 1.0, "gpu 1 NVIDIA L4": 2.5}
    assert all(meter.read() == readings[meter.name] for meter in found.meters)
    with Metering(found.meters) as metering:
        gpus[1].millijoules = 4000
    assert metering.joules.get("gpu 1 NVIDIA L4") == (1.5 if "gpu 1" in seen else None)


def test_a_gpu_without_a_counter_a_driver_or_the_library_is_a_line_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml([Gpu("GPU-aa", None)]))
    old = find_meters(tmp_path, ["0"])
    assert (old.meters, old.problems) == ((), ("gpu 0 NVIDIA H200 (NVML): this GPU does not count its energy",))
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml([], driver=False))
    assert find_meters(tmp_path, ["0"]).problems == ("1 GPU(s): NVML says Driver Not Loaded",)
    monkeypatch.setitem(sys.modules, "pynvml", None)  # what makes an import fail
    (problem,) = find_meters(tmp_path, ["0", "1"]).problems
    assert problem == "2 GPU(s): read through nvidia-ml-py, which is not installed"


def test_a_counter_that_begins_again_from_0_is_followed(tmp_path: Path) -> None:
    zone = write_zone(tmp_path, "intel-rapl:0", "package-0", 900, most=1000)
    (meter,) = find_meters(tmp_path, []).meters
    assert isinstance(meter, RaplMeter)
    with Metering([meter]) as metering:
        (zone / "energy_uj").write_text("100")  # 200 on
        metering.look()
        (zone / "energy_uj").write_text("50")  # 950 on
    assert metering.joules == {"cpu package-0": pytest.approx(1150e-6, abs=1e-3)}


def test_wraps_add_up() -> None:
    # 90 -> 10 of 100: 20; 10 -> 60: 50; 60 -> 5: 45
    with Metering([Counter([90.0, 10.0, 60.0, 5.0], range_joules=100.0)]) as metering:
        metering.look()
        metering.look()
    assert metering.joules == {"counter": 115.0}


@pytest.mark.parametrize("values", [[5.0, None], [5.0, 2.0], [None]])
def test_a_counter_that_fails_or_falls_back_says_nothing_and_never_0(values: list[float | None]) -> None:
    with Metering([Counter(values), Counter([1.0, 4.0], name="other")]) as metering:
        pass
    assert metering.joules == {"other": 3.0}


def test_a_second_block_begins_anew() -> None:
    metering = Metering([Counter([0.0, 7.0, 10.0, 12.0], range_joules=100.0)])
    with metering:
        pass
    assert metering.joules == {"counter": 7.0}
    with metering:
        pass
    assert metering.joules == {"counter": 2.0}


def test_of_work_in_two_parts_only_what_both_counted_is_known() -> None:
    assert add_joules({"a": 1.5, "b": 2.0}, {"a": 1.0, "c": 4.0}) == {"a": 2.5}
    assert add_joules({}, {"a": 1.0}) == {}
