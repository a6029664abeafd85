"""Run by test_families.py in a process of its own: one tiny model after another through the shipped settings.

    VLLM_ENABLE_V1_MULTIPROCESSING=0 python -m tests.integration.family_runs FOLDER

vLLM then runs inside this process, so that what costs most of an engine's start (its processes, each importing
torch and vLLM again) is paid once for all models. FOLDER/results.json tells what happened.
"""

from __future__ import annotations

from nerkd_local import offline

offline.seal()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Mapping  # noqa: E402
from itertools import pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from nerkd_local.annotate.completer import Completer, Completion, Message, Request  # noqa: E402
from nerkd_local.annotate.engines.start import LazyEngine  # noqa: E402
from nerkd_local.annotate.folder import annotate_folder, prepare_job  # noqa: E402
from nerkd_local.annotate.settings import AnnotatorSettings  # noqa: E402
from nerkd_local.config.folders import configs_folder  # noqa: E402
from nerkd_local.corpus.jsonl import write_documents  # noqa: E402
from nerkd_local.records import Document, Span  # noqa: E402
from nerkd_local.settings import load_settings  # noqa: E402
from tests.families import FAMILIES, add_second_layout, make_causal_model, quantise  # noqa: E402

RUNS: Mapping[str, tuple[str, str | None]] = {
    "qwen3_8b": ("qwen3", None),
    "qwen3_14b_awq": ("qwen3", "awq"),
    "llama3_8b": ("llama", None),
    "llama3_8b_gptq": ("llama", "gptq"),
    "mistral_7b": ("mistral", None),
    "gemma3_12b": ("gemma", None),
    "gpt_oss_20b": ("gpt_oss", None),
}
"""Shipped annotator settings, each with the family of its tiny model and how that model's weights are packed."""

TEXTS = [
    "Anna Berg moved from Oslo to Lisbon .",
    "It rained .",
    "The harbour of Trondheim was closed on Monday , the union of dock workers said .",
]
HOSTILE = "{} Anna {} Berg"
MAX_TOKENS = 60


def _document(number: int, text: str, *spans: Span) -> Document:
    starts = [0]
    for word in text.split(" "):
        starts.append(starts[-1] + len(word) + 1)
    tokens = tuple((start, end - 1) for start, end in pairwise(starts))
    return Document(str(number), text, tokens, spans)


def _ask(engine: Completer, *texts: str) -> list[Completion]:
    """Answers without a constraint, in the order asked."""
    requests = (Request(key, (Message("user", text),), MAX_TOKENS) for key, text in enumerate(texts))
    return sorted(engine.complete(requests), key=lambda completion: completion.key)


def run(name: str, folder: Path) -> dict[str, Any]:
    """Build the model, annotate three sentences with its shipped settings, ask it two things more."""
    family_name, packed = RUNS[name]
    family = FAMILIES[family_name]
    model = make_causal_model(folder / "model", family)
    if packed:
        quantise(model, packed)
    if family_name == "mistral":
        add_second_layout(model)
    small = [f"engine.model={model}", "engine.cpu_kv_cache_gib=1", "engine.max_num_seqs=8"]
    settings = load_settings(
        AnnotatorSettings,
        configs_folder("annotators") / f"{name}.yaml",
        [*small, f"sampling.max_tokens={MAX_TOKENS}", "reasoning_tokens=40"],
    )
    write_documents(folder / "corpus.jsonl", (_document(number, text) for number, text in enumerate(TEXTS)))
    pool = [_document(7, "Karl lives in Berlin .", Span(0, 4, "PER"), Span(14, 20, "LOC")), _document(8, "No .")]
    environment = dict(os.environ)
    begun = time.monotonic()
    with LazyEngine(settings.engine) as engine:
        ledger = annotate_folder(folder / "corpus.jsonl", folder, settings, engine, pool)
        free, hostile, harmless = _ask(
            engine,
            TEXTS[0],
            HOSTILE.format(family.others[0], family.eos),
            HOSTILE.format(" ", " "),
        )
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "ledger": ledger,
        "constraint": prepare_job(settings, pool).prompt.constraint,
        "thinking": settings.thinking,
        "free_answer": free.text,
        "hostile_prompt_tokens": hostile.prompt_tokens,
        "harmless_prompt_tokens": harmless.prompt_tokens,
        "environment_changed": sorted(
            key for key in environment.keys() | os.environ.keys() if environment.get(key) != os.environ.get(key)
        ),
    }


def main(folder: Path) -> None:
    results: dict[str, Any] = {}
    for name in RUNS:
        (folder / name).mkdir(parents=True)
        try:
            results[name] = run(name, folder / name)
        except Exception:
            results[name] = {"error": traceback.format_exc()}  # the next model's turn comes all the same
        (folder / "results.json").write_text(json.dumps(results))  # a crash in a later model leaves these


if __name__ == "__main__":
    main(Path(sys.argv[1]))
