"""What makes two runs the same run: content, not paths, and nothing about the machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import existing_file, local_model
from nerkd_local.fingerprints import digest_file, digest_folder
from nerkd_local.regimen.plan import Plan
from nerkd_local.train.settings import TrainSettings

# Said apart, where there is one: what a run without an evaluation is made of does not name it.
_EVALUATION = {"evaluation", "evaluate_every", "keep"}
# Where results go, how often something is written, how many threads compute: none of it is the run.
NOT_THE_RUN = {"output", "cache", "log_every", "checkpoint_every", "keep_checkpoints", "threads"}
_BY_CONTENT = {"student", "plan", "original", "distilled", "channel"}


def run_fingerprints(settings: TrainSettings, plan: Plan) -> dict[str, Any]:
    """The settings that decide the result, with files replaced by SHA-256 of their content, as plain JSON.

    A source that the plan does not use is None. Raises InputError for a file or folder that is not there.
    """
    values = settings.model_dump(mode="json", exclude=NOT_THE_RUN | _BY_CONTENT | _EVALUATION)
    values["labels"] = sorted(values["labels"])
    sources = {"original": settings.original, "distilled": settings.distilled}
    return {
        "plan": plan.identity,
        "student": digest_folder(local_model(settings.student)),
        **{
            source: digest_file(existing_file(path)) if path and (count or plan.ids) else None
            for (source, path), count in zip(sources.items(), plan.examples.values(), strict=True)
        },
        "channel": digest_file(existing_file(settings.channel)) if settings.channel else None,
        **values,
        **_evaluation(settings),
    }


def _evaluation(settings: TrainSettings) -> dict[str, Any]:
    if settings.evaluation is None:
        return {}
    content = digest_file(existing_file(settings.evaluation))
    return {"evaluation": content, "evaluate_every": settings.evaluate_every, "keep": settings.keep}


def check_same_run(there: Mapping[str, Any], here: Mapping[str, Any], path: Path) -> None:
    """Raise InputError naming each difference, if `path` (with fingerprints `there`) is of another run."""
    found = differences(there, here)
    if found:
        raise InputError(
            f"is of another run, which differs in {', '.join(found)}; name another output folder, or remove this one",
            path=path,
        )


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs between two runs' fingerprints, in words, by name."""
    return [
        f"{key} (there {_short(there.get(key))}, now {_short(here.get(key))})"
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key)
    ]


def _short(value: Any) -> str:
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text
