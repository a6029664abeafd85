"""The whole pipeline without a model: one size in one process, so that its peak memory is its own.

python scripts/bench/scripted.py CORPUS SIZE        # prints one line of JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.export import export
from nerkd_local.annotate.folder import prepare_job, write_corpus
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings, ScriptedSettings
from nerkd_local.annotate.watch import Watch
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.records import Document, from_words
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore


def run(corpus: Path, size: int) -> dict[str, Any]:
    """Annotate `size` sentences with the scripted engine, export them, and resume the finished store."""
    base = list(read_corpus(CorpusSettings(path=corpus)))

    def documents() -> Iterator[Document]:
        for number in range(size):
            document = base[number % len(base)]
            words = [document.text[start:end] for start, end in document.tokens]
            yield from_words(f"s:{number}", [*words, f"n{number}"])  # no two texts are the same

    settings = load_settings(AnnotatorSettings, configs_folder("annotators") / "bench_lines.yaml", [])
    settings = settings.model_copy(update={"engine": ScriptedSettings(script="capitals")})
    job = prepare_job(settings)
    engine = start_engine(settings.engine)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus.jsonl", documents())
        with (
            SentenceFile(folder / "corpus.jsonl", folder / "index") as sentences,
            AnswerStore(folder / "answers.sqlite") as store,
        ):
            run_id = store.open_run(job.identity())
            annotation = Annotation(sentences, job, engine, store, run_id, Watch(StringIO()))
            began = time.perf_counter()
            annotation.ask()
            store.commit()
            took = time.perf_counter() - began
            speed = annotation.speed()
        began = time.perf_counter()
        with (
            SentenceFile(folder / "corpus.jsonl", folder / "index") as sentences,
            AnswerStore(folder / "answers.sqlite") as store,
        ):
            run_id = store.open_run(job.identity())
            annotation = Annotation(sentences, job, engine, store, run_id, Watch(StringIO()))
            resumed = time.perf_counter() - began
            assert not len(annotation.agenda.asked)
            began = time.perf_counter()
            export(sentences, job, store, run_id, folder, {})
            exported = time.perf_counter() - began
    return {
        "rate": size / took,
        "export_rate": size / exported,
        "resume_s": resumed,
        "peak_mib": _peak_kib() / 1024,
        "time": speed["time"],
    }


def _peak_kib() -> int:
    """This program's own peak. `getrusage` would count what the process was before it became this program."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]))))
