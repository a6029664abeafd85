"""What is measured on, and one whole annotation run of it."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.folder import prepare_job, write_corpus
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.watch import Watch
from nerkd_local.config.folders import configs_folder
from nerkd_local.records import Document
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore


@dataclass(frozen=True)
class Bench:
    """What is measured on: documents, the folder for scratch files, how often each is timed."""

    model: Path
    corpus: Path
    pool: list[Document]
    documents: list[Document]
    scratch: Path
    repeats: int

    def settings(self, format: str, *overrides: str) -> AnnotatorSettings:
        return load_settings(
            AnnotatorSettings,
            configs_folder("annotators") / f"bench_{format}.yaml",
            [f"engine.model={self.model}", *overrides],
        )

    def job(self, format: str, **changes: Any) -> AnnotationJob:
        return replace(prepare_job(self.settings(format), self.pool), **changes)


def annotate_once(bench: Bench, job: AnnotationJob, engine: Completer, *, deduplicate: bool) -> dict[str, Any]:
    """One whole run into a fresh store, its index made before; returns its speed."""
    folder = Path(tempfile.mkdtemp(dir=bench.scratch))
    write_corpus(folder / "corpus.jsonl", bench.documents)
    with (
        SentenceFile(folder / "corpus.jsonl", folder / "index") as sentences,
        AnswerStore(folder / "answers.sqlite") as store,
    ):
        began = time.perf_counter()
        run_id = store.open_run(job.identity())
        watch = Watch(StringIO())
        annotation = Annotation(sentences, job, engine, store, run_id, watch, deduplicate=deduplicate)
        annotation.ask()
        store.commit()
        took = time.perf_counter() - began
    shutil.rmtree(folder)
    return {**annotation.speed(), "rate": len(bench.documents) / took}
