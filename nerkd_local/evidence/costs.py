"""What distilled sentences cost: the annotator's time, tokens, GPU-hours and energy, as its folder recorded them.

An annotation folder holds `ledger.json` (sentences and tokens) and `speed.jsonl`, a line for each sitting in which
something was asked: its seconds, from the first question to the last answer, without the engine's start; how many GPUs
the engine took, or, without one, how many cores it could use; what answers that were asked for again cost; and joules
by meter (`nerkd_local.energy`) where the machine has one. What is not recorded is None here, and never 0.

Costs scale to m sentences by the sentence: what was spent on all, answers that cannot be used included, times m by the
number of sentences that students may learn from. A start of the engine is not in them.

Recorded answers cost nothing and are named as such; `priced_by` names folders whose annotator did answer (the same kind
of sentences, as a rule), from which the price of a sentence is taken in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.config.experiment import MixSettings
from nerkd_local.errors import InputError
from nerkd_local.evidence.run import Run
from nerkd_local.files import read_json, read_json_lines
from nerkd_local.settings import load_settings
from nerkd_local.train.folder import TrainFolder

_KINDS = {"replay": "recorded", "scripted": "made up", "openai": "server", "vllm": "model"}
_FREE = ("recorded", "made up")


@dataclass(frozen=True, slots=True)
class Spent:
    """What an annotation took. `sentences`: with a usable answer; `kind`: who answered, `recorded`, `made up` (by
    script), `server` or `model`. The others are None where they are not recorded, or mean nothing (recorded answers).

    `gpu_hours` are GPUs times time, `core_hours` cores times time where there was no GPU. `joules` is by meter.
    """

    name: str
    kind: str
    sentences: int
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    gpu_hours: float | None = None
    core_hours: float | None = None
    joules: Mapping[str, float] | None = None

    @property
    def energy(self) -> float | None:
        """Joules of all meters."""
        return sum(self.joules.values()) if self.joules else None


@dataclass(frozen=True, slots=True)
class Price:
    """What one sentence costs. `source`: in words, whose costs they are. Fields as in `Spent`."""

    source: str
    free: bool
    """Whether nothing was asked: the answers were recorded before, or made up by a script."""
    sentences: int
    prompt_tokens: float | None = None
    output_tokens: float | None = None
    seconds: float | None = None
    gpu_hours: float | None = None
    core_hours: float | None = None
    joules: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """Mean over the `known` of so many students: seconds of training, and joules of all meters where all have them."""

    seconds: float
    device: str
    known: int
    students: int
    joules: float | None = None


def read_spent(folder: Path, name: str | None = None) -> Spent | None:
    """What the annotation in a folder took; None where there is no ledger. Raises InputError for one that is none.

    Sittings that were killed left answers and no line: their time is taken to be that of the others, by the sentence.
    """
    path = folder / "ledger.json"
    if not path.exists():
        return None
    ledger = read_json(path)
    try:
        kind = _KINDS.get(ledger["inputs"]["run"]["engine"]["kind"], "model")
        sentences, total = int(ledger["sentences"]["annotated"]), int(ledger["sentences_total"])
        tokens = [ledger, *(ledger[key] for key in ("votes", "verification") if key in ledger)]
        prompt, output = (sum(int(each[f"{side}_tokens"]) for each in tokens) for side in ("prompt", "output"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"is no ledger of an annotation ({error!r})", path=path) from None
    name = name or _annotator_name(folder)
    if kind in _FREE:
        return Spent(name, kind, sentences)
    sittings = _sittings(folder / "speed.jsonl")
    if not sittings:
        return Spent(name, kind, sentences, prompt, output)
    asked = sum(int(each["sentences"]) for each in sittings)
    scale = max(1.0, total / asked)
    hours = [each["seconds"] / 3600 for each in sittings]
    gpus, cores = ([each.get(what) for each in sittings] for what in ("gpus", "cores"))
    energies = [each.get("energy_j") for each in sittings]
    return Spent(
        name,
        kind,
        sentences,
        prompt + sum(each.get("unused_prompt_tokens", 0) for each in sittings),
        output + sum(each.get("unused_output_tokens", 0) for each in sittings),
        scale * 3600 * sum(hours),
        _times(hours, gpus, scale),
        _times(hours, cores, scale),
        _sum_joules(energies, scale),
    )


def mix_price(run: Run, mix: MixSettings, selected: int | None, priced_by: Sequence[Path] = ()) -> Price | None:
    """What a sentence of a mix costs: from the annotations of its sources, or from the folders `priced_by`.

    `selected`: how many sentences the whole mix has; where there is a selection, what was left out is paid for too.
    None where a ledger, or that number, is not there. Raises InputError for a folder of `priced_by` without a ledger,
    or whose answers cost nothing.
    """
    if priced_by:
        spent = []
        for folder in priced_by:
            found = read_spent(folder)
            if found is None:
                raise InputError("holds no ledger.json; name folders of finished annotations", path=folder)
            if found.kind in _FREE:
                raise InputError(
                    f"its answers were {found.kind}, so they have no price; name folders whose annotator was asked",
                    path=folder,
                )
            spent.append(found)
        # elsewhere all usable sentences count: what this run selected says nothing of them
        return _price(spent, max(1, sum(each.sentences for each in spent)))
    annotators = {source.name: run.settings.annotator_of(source.annotator).name for source in run.settings.distilled}
    here = [read_spent(run.folder.annotation(source), annotators[source]) for source in mix.sources]
    known = [each for each in here if each is not None]
    sentences = selected if mix.selection else sum(each.sentences for each in known)
    return _price(known, sentences) if len(known) == len(here) and sentences else None


def training_cost(run: Run, students: Iterable[str]) -> TrainingCost | None:
    """What training these students took, on average over those that say: one that was the same as an earlier one under
    another name was not trained. None where none does."""
    done = [_done(run, name) for name in dict.fromkeys(students)]
    known = [each for each in done if each is not None]
    if not known:
        return None
    joules = [sum(each["energy_j"].values()) if each.get("energy_j") else None for each in known]
    return TrainingCost(
        mean(float(each["wall_s"]) for each in known),
        ", ".join(sorted({_device(each) for each in known})),
        len(known),
        len(done),
        None if None in joules else mean(value or 0.0 for value in joules),
    )


def _price(spent: Sequence[Spent], sentences: int) -> Price:
    def each(what: str) -> float | None:
        values = [getattr(one, what) for one in spent]
        return None if None in values else sum(values) / sentences

    names = ", ".join(dict.fromkeys(f"{one.name} ({one.kind})" if one.kind != "model" else one.name for one in spent))
    free = all(one.kind in _FREE for one in spent)
    return Price(
        names,
        free,
        sentences,
        each("prompt_tokens"),
        each("output_tokens"),
        each("seconds"),
        each("gpu_hours"),
        each("core_hours"),
        each("energy"),
    )


def _annotator_name(folder: Path) -> str:
    """What `nerkd annotate` wrote down, or else the folder's name."""
    path = folder / "annotator.yaml"
    return load_settings(AnnotatorSettings, path).name if path.exists() else folder.name


def _sittings(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found = []
    for line, row in read_json_lines(path):
        if not isinstance(row, dict) or not {"sentences", "seconds"} <= row.keys():
            raise InputError("is no line of an annotation's speed", path=path, line=line)
        if row["sentences"]:
            found.append(row)
    return found


def _times(hours: Sequence[float], devices: Sequence[int | None], scale: float) -> float | None:
    """Device-hours; None where a sitting does not say how many, or none of them had any."""
    if any(count is None for count in devices) or not any(devices):
        return None
    return scale * sum(hour * (count or 0) for hour, count in zip(hours, devices, strict=True))


def _sum_joules(energies: Sequence[Mapping[str, float] | None], scale: float) -> dict[str, float] | None:
    """By meter, of those that every sitting has."""
    known = [each for each in energies if each]
    if len(known) < len(energies):
        return None
    meters = [name for name in known[0] if all(name in each for each in known)]
    return {name: scale * sum(each[name] for each in known) for name in meters} or None


def _done(run: Run, name: str) -> dict[str, Any] | None:
    """What the trainer wrote at the end of a student's training."""
    here = TrainFolder(run.folder.student(name))
    for path in (here.done, here.trained):
        if path.exists():
            done: dict[str, Any] = read_json(path)
            return done if "wall_s" in done else None
    return None


def _device(done: Mapping[str, Any]) -> str:
    processes = int(done.get("world_size", 1))
    device = {"cpu": "CPU", "cuda": "GPU"}.get(str(done.get("device")), str(done.get("device")))
    threads = done.get("threads")
    alone = f"{device}, {threads} thread{'s' if threads != 1 else ''}" if device == "CPU" and threads else device
    return f"{processes} processes, each {alone}" if processes > 1 else alone
