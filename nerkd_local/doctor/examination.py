"""Everything that the doctor looks at, in the order in which one thing rests on another."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from nerkd_local import __version__, offline
from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.config.folders import models_folder
from nerkd_local.doctor import accelerator, network, resources, software, storage, system
from nerkd_local.doctor.finding import Finding
from nerkd_local.doctor.models import examine_model
from nerkd_local.energy import describe_meters, find_meters
from nerkd_local.machine import describe_cpu, visible_gpus
from nerkd_local.models.problems import CHEAP, DEEP
from nerkd_local.offline import guard
from nerkd_local.software import package_version

_SHIPPED: tuple[Literal["demo-annotator", "demo-student"], ...] = ("demo-annotator", "demo-student")
_LIBRARIES = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "safetensors",
    "seqeval",
    "numpy",
    "matplotlib",
    "openai",
)


def examine(
    models: Sequence[Path] = (),
    *,
    store: Path | None = None,
    import_vllm: bool = False,
    egress: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """What was found, as plain JSON: a few facts, the `findings`, and as `problems` those that must be mended, a line
    each; none where all is well.

    Each of `models` is loaded dry; where none is named, the shipped ones are looked at and not loaded. `store` is the
    folder that annotations are to go to. `import_vllm` takes up to a minute, `egress` one or two; `say` hears of it
    before.
    """
    devices, room = accelerator.look()
    findings = [*_machine(store), *_network(egress), *_software(devices, import_vllm=import_vllm, say=say)]
    described: list[str] = []
    for folder in models or map(models_folder, _SHIPPED):
        if models:
            say(f"loading {folder} dry, which takes up to a minute")
        parts = CHEAP + DEEP if models else CHEAP
        line, found = examine_model(folder, parts=parts, room=room or resources.free_memory())
        findings.extend(found)
        if line is not None:
            described.append(line)
    if egress:
        findings.extend(_egress(say))
    return {
        "nerkd-local": __version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "cpu": describe_cpu(),
        "vllm": vllm_version() or "not installed (annotating with a model needs it)",
        "libraries": [f"{name} {package_version(name) or 'not installed'}" for name in _LIBRARIES],
        "energy": describe_meters(find_meters()),
        "offline": "all set" if offline.is_sealed() else "not set",
        "models": described,
        "findings": [finding.as_json() for finding in findings],
        "problems": [f"{finding.check}: {finding.seen}" for finding in findings if finding.status == "fail"],
    }


def _machine(store: Path | None) -> list[Finding]:
    found = [
        system.python(),
        system.python_modules(),
        system.isolation(),
        system.glibc(),
        system.runtime_libraries(),
        system.compiler(gpus=bool(visible_gpus())),
        system.clock(),
        resources.memory(),
        resources.shared_memory(),
        resources.open_files(),
        resources.core_dumps(),
        resources.temporary_folder(),
        resources.disk(store or Path.cwd()),
    ]
    if store is not None:
        found.append(storage.store_file_system(store))
        found.append(storage.store_durability(store))
    return found


def _network(egress: bool) -> list[Finding]:
    found = [
        network.switches(),
        network.profile(guard.active()),
        network.loopback(),
        network.free_ports(),
        network.proxies(os.environ),
    ]
    return found if egress else [*found, network.blind_spots()]


def _software(devices: list[Finding], *, import_vllm: bool, say: Callable[[str], None]) -> list[Finding]:
    """The packages and the devices that they see."""
    found = [software.locked_versions(), software.libraries(), *devices]
    if import_vllm:
        if vllm_version() is not None:
            say("importing vLLM in a process of its own, which takes up to a minute (--no-vllm leaves it out)")
        found.append(software.vllm_import())
    return found


def _egress(say: Callable[[str], None]) -> list[Finding]:
    # imported here: it starts trainers and engines, which nothing else of the doctor does
    from nerkd_local.doctor.egress import check

    say("watching every way out while parts of the toolkit run, which takes a minute or two")
    return check(say)
