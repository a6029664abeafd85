"""A whole annotation run over documents in memory, for tests that look at what comes of it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.export import export
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.watch import Watch
from nerkd_local.records import Document
from nerkd_local.store.answers import AnswerStore


def annotate(documents: Iterable[Document], job: AnnotationJob, completer: Completer, store: AnswerStore) -> int:
    """Ask what the store lacks; returns the number of the run."""
    run_id = store.open_run(job.identity())
    Annotation(SentenceList(documents), job, completer, store, run_id, Watch(io.StringIO())).ask()
    return run_id


def annotate_and_export(
    documents: Iterable[Document], job: AnnotationJob, completer: Completer, folder: Path
) -> dict[str, Any]:
    """Ask what the folder's store lacks, and export; returns the ledger."""
    sentences = SentenceList(documents)
    with AnswerStore(folder / "answers.sqlite") as store:
        return export(sentences, job, store, annotate(sentences, job, completer, store), folder, {})
