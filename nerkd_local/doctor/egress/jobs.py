"""What is run under watch: the toolkit's own commands on made-up news, with the models that are shipped."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from nerkd_local.annotate.engines.start import vllm_version
from nerkd_local.config.folders import configs_folder, models_folder
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.demo.corpus import write_sentences
from nerkd_local.files import write_text

FRESH = "{fresh}"
"""Stands in a command for a path where nothing is yet; another one each time the command is run."""

_NERKD = (sys.executable, "-c", "from nerkd_local.cli.main import main; main()")
_SENTENCES = {"labelled": 16, "news": 24, "evaluation": 16}
_LABELS = ["PER", "ORG", "LOC", "MISC"]
_STEPS, _BATCH = 3, 4


@dataclass(frozen=True, slots=True)
class Job:
    """A command with its name. It is to end with 0, else it proves nothing."""

    name: str
    command: tuple[str, ...]

    def ready(self, fresh: Path) -> list[str]:
        """The command, with a path for what it writes."""
        return [str(fresh) if word == FRESH else word.replace(FRESH, str(fresh)) for word in self.command]


def write_inputs(folder: Path) -> None:
    """Write what the jobs read: news, labelled and not, and the settings and the plan of a training."""
    sentences = write_sentences("scored", sum(_SENTENCES.values()), seed=0)
    for name, size in _SENTENCES.items():
        write_documents(folder / f"{name}.jsonl", islice(sentences, size))
    texts = folder / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    for number, sentence in enumerate(write_sentences("scored", 3, seed=1)):
        write_text(texts / f"{number}.txt", f"{sentence.text}\n")
    settings = {
        "student": str(models_folder("demo-student")),
        "labels": _LABELS,
        "plan": str(folder / "plan.jsonl"),
        "original": str(folder / "labelled.jsonl"),
        "output": "given with --set",
        "max_tokens": 128,
    }
    write_text(folder / "train.yaml", json.dumps(settings))  # JSON is YAML


def plan_job(folder: Path) -> Job:
    """Plans the training of `train_job`, which wants it done."""
    sizes = ["--steps", str(_STEPS), "--batch-size", str(_BATCH)]
    original = ["--original", str(folder / "labelled.jsonl")]
    return _job("plan", "plan", "original_only", *original, *sizes, "--output", str(folder / "plan.jsonl"))


def train_job(folder: Path) -> Job:
    """A student on two processes."""
    changes = _set(output=FRESH)
    return _job(
        "train, two processes", "train", str(folder / "train.yaml"), "--accelerate", "cpu_two_processes", *changes
    )


def annotate_job(folder: Path, engine: str = "vllm") -> Job:
    """A corpus through vLLM: in this process's worker, or with `serve` behind a server of its own."""
    changes = _set(**{"engine.model": models_folder("demo-annotator"), "engine.kind": engine})
    name = {"vllm": "annotate, vLLM in process", "serve": "annotate, vLLM server"}[engine]
    return _job(name, "annotate", "demo", str(folder / "news.jsonl"), "--output", FRESH, *changes)


def sweep_job(folder: Path) -> Job:
    """Annotate, train under several regimens on two workers at once, score, tabulate."""
    changes = _set(
        **{
            "output": FRESH,
            "data_root": folder,
            "student": models_folder("demo-student"),
            "annotator.engine.model": models_folder("demo-annotator"),
            "original.sizes": [_SENTENCES["labelled"]],
            "regimens": ["original_only", "simple_mix"],
            "seeds": [0, 1],
            "training.steps": _STEPS,
            "training.batch_size": _BATCH,
            "workers": 2,
        }
    )
    return _job("sweep, two workers", "run", str(configs_folder("experiments") / "demo.yaml"), *changes)


def report_job(run: Path) -> Job:
    """The report of a run that `sweep_job` has finished."""
    return _job("report", "report", str(run), "--output", FRESH)


def predict_jobs(folder: Path, trained: Path) -> list[Job]:
    """A student on a sentence, a file and a folder; `trained` is what `train_job` has written."""
    student = str(trained / "student")
    written = ("--output", f"{FRESH}.jsonl")
    return [
        _job("predict, a sentence", "predict", student, "--text", "Coach Mirolina Standov left Karobridge."),
        _job("predict, a file", "predict", student, str(folder / "news.jsonl"), *written),
        _job("predict, a folder", "predict", student, str(folder / "texts"), *written),
    ]


def has_vllm() -> bool:
    """Whether vLLM is installed, which annotating with a model needs."""
    return vllm_version() is not None


def _job(name: str, *arguments: str) -> Job:
    return Job(name, (*_NERKD, *arguments))


def _set(**changes: object) -> Sequence[str]:
    words = []
    for key, value in changes.items():
        plain = str(value) if isinstance(value, Path) else value
        words += ["--set", f"{key}={json.dumps(plain, ensure_ascii=False)}"]
    return words
