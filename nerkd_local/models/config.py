"""What a model's JSON files may say: no key that makes a library load code, a kernel or a plug-in.

Loaders that are told not to trust a folder's code have run it all the same, again and again: by `auto_map` at the top
(CVE-2026-22807) or inside a part's config (CVE-2025-66448), by parts that were loaded as trusted (CVE-2026-27893), by
`trust_remote_code` in a config of their own (CVE-2026-5241), and by `_attn_implementation_internal`, which names a
kernel on the hub (CVE-2026-4372). So the keys themselves are refused, wherever in a file they stand.

So are those by which a folder has something else loaded in its place, whose bytes no hash of it covers: a config or a
tokenizer in another file, an audio tokenizer or a half of the model by its path, and, by `speculators_config`, which
vLLM follows whoever wrote it, another model altogether.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.models.names import ModelFolder, is_readable
from nerkd_local.models.problems import Problem, Role

_REFUSED = re.compile(
    r"""
    auto_map | .*trust_remote_code.* | code_revision | custom_(?:generate|pipelines?|code)
    | _?\w*(?:attn|attention|experts|moe|kernel)s?_implementation\w* | \w*hub_kernels?\w* | use_kernels? | kernel_config
    | io_processor_plugin | .*_plugins?
    | speculators_config | configuration_files | fast_tokenizer_files | audio_tokenizer | (?:audio|text)_model_id
    """,
    re.VERBOSE | re.IGNORECASE,
)
_VOCABULARIES = ("tokenizer.json", "vocab.json", "added_tokens.json", "tekken.json")
"""Their keys are tokens: any word."""
_LABELS = ("id2label", "label2id")
_DEPTH = 64


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json; empty where it cannot be read."""
    if not is_readable(folder, "config.json"):
        return {}
    try:
        value = read_json(folder / "config.json")
    except InputError:
        return {}
    return value if isinstance(value, dict) else {}


def architectures(config: dict[str, Any]) -> list[str]:
    """The classes that the config names; none where it names none in a way that can be read."""
    named = config.get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def role_of(config: dict[str, Any]) -> Role:
    """What such a model is for: whatever generates text is an annotator, all others are students."""
    generates = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    return "annotator" if any(name.endswith(generates) for name in architectures(config)) else "student"


def check_config(folder: ModelFolder) -> list[Problem]:
    """Unreadable JSON files, refused keys in any of them, and what config.json lacks."""
    problems = []
    for name in folder.readable:
        if not name.endswith(".json") or name.endswith(".safetensors.index.json"):
            continue
        try:
            value = read_json(folder.path / name)
        except InputError as error:
            problems.append(Problem("config", "broken", name, error.problem, "take another copy of the model"))
            continue
        if not isinstance(value, dict) and name != "vocab.json":
            what = f"is a JSON {type(value).__name__}, not an object"
            problems.append(Problem("config", "broken", name, what, "take another copy of the model"))
        elif name not in _VOCABULARIES:
            problems += [_refused(name, *found) for found in _suspicious(value, ())]
    return problems + _lacks(folder)


def _lacks(folder: ModelFolder) -> list[Problem]:
    if "config.json" not in folder.names:
        return [Problem("config", "broken", "config.json", "is not there", "give a model's own folder")]
    config = read_config(folder.path)
    problems = []
    if config and not isinstance(config.get("model_type"), str):
        what = "names no model_type, so no library knows what it is"
        problems.append(Problem("config", "broken", "config.json", what, "take a copy of the model that does"))
    if config and not architectures(config):
        what = "names no architectures, so vLLM does not know which model it is"
        problems.append(Problem("config", "broken", "config.json", what, "take a copy of the model that does"))
    return problems


def _refused(name: str, place: str, value: Any) -> Problem:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    what = f"has the key {place} ({shown}), with which a loader can be made to run code or read another model"
    return Problem("config", "unsafe", name, what, "ask where the model is from; a copy without that key is taken in")


def _suspicious(value: Any, place: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Refused keys with the path to each (`vision_config.auto_map`), and what they hold."""
    if len(place) > _DEPTH:
        yield ".".join(place[:3]) + "…", "nested too deeply"
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if _REFUSED.fullmatch(key) and inner is not None:
                yield ".".join((*place, key)), inner
            elif key not in _LABELS:
                yield from _suspicious(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _suspicious(inner, (*place, str(number)))
