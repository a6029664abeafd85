"""Model folders: may they be used, do they load, and is there room for them?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.doctor.finding import Finding, Status
from nerkd_local.errors import InputError
from nerkd_local.files import local_model, read_json
from nerkd_local.models.problems import CHEAP, DEEP, Kind, Part, Problem

_STATUS: dict[Kind, Status] = {"unsafe": "fail", "broken": "fail", "unknown": "unknown", "note": "warn"}
_INTAKE = "see models/README.md on what a model folder may hold"


def examine_model(
    folder: Path,
    *,
    parts: Sequence[Part] = CHEAP + DEEP,
    room: int | None = None,
    check: Callable[..., list[Problem]] | None = None,
) -> tuple[str | None, list[Finding]]:
    """A line that describes the model (None where it cannot be used), and what was found.

    `room` is the memory that its weights must fit into, in bytes; None: not known. With all parts it is loaded dry, by
    what loads it.
    """
    name = f"model {folder.name}"
    try:
        line, size = _describe(folder)
    except InputError as error:
        problem = error.problem
        return None, [
            Finding(
                name, "fail", f"{folder}: {problem}", "give the path of a local model folder with safetensors weights"
            )
        ]
    problems = (check or _check_model)(folder, parts=parts)
    findings = [
        Finding(name, _STATUS[each.kind], f"{each.file}: {each.what}", each.fix or _INTAKE) for each in problems
    ]
    if room is not None and size > room:
        fix = "choose a smaller or a quantised model, or spread it over several GPUs (engine.tensor_parallel_size)"
        seen = f"{size / 2**30:.1f} GiB of weights, and room for {room / 2**30:.1f} GiB"
        findings.append(Finding(name, "warn", seen, fix))
    if any(each.status == "fail" for each in findings):
        return None, findings
    if not findings:
        how = "loaded dry" if set(DEEP) <= set(parts) else "not loaded; name it to have that tried"
        findings.append(Finding(name, "ok", f"{folder}: {line}; {how}"))
    return f"{folder}: {line}", findings


def _check_model(folder: Path, *, parts: Sequence[Part]) -> list[Problem]:
    # imported here: a look at the machine alone needs none of it
    from nerkd_local.models.check import check_model

    return check_model(folder, parts=parts)


def _describe(folder: Path) -> tuple[str, int]:
    """What its files say it is, and the size of its weights in bytes."""
    config: Any = read_json(local_model(folder) / "config.json")
    if not isinstance(config, dict):
        raise InputError("config.json holds no settings by name", path=folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError("holds no safetensors weights; other weight formats are not loaded", path=folder)
    size = sum(path.stat().st_size for path in weights)
    kind = ", ".join(map(str, config.get("architectures") or [config.get("model_type", "unknown architecture")]))
    return f"{kind}, {size / 2**20:.0f} MiB in {len(weights)} safetensors file(s)", size
