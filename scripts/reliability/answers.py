"""Reads generated answers of the worst kinds about texts of the worst kinds, and checks every promise made about them.

    .venv/bin/python scripts/reliability/answers.py                      # 100,000 answers, about six minutes
    .venv/bin/python scripts/reliability/answers.py --count 3000 --seed 7
    .venv/bin/python scripts/reliability/answers.py --only 1234          # one of them again, shown

Right answers are written about made-up documents and then damaged, each in one way or several. They go the way that
real ones go: read and aligned, stored, exported, and the export read back. Prints a summary in Markdown; ends with
exit code 4 if a promise was broken. The same seed gives the same answers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from nerkd_local.annotate.align import MENTION_STATES
from nerkd_local.annotate.export import export
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reading import read_answer
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.settings import SamplingSettings
from nerkd_local.corpus.jsonl import document_from_json, document_to_json, read_documents
from nerkd_local.files import json_line, read_json
from nerkd_local.fingerprints import text_key
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer, storable

sys.path.insert(0, str(Path(__file__).parent))
from hostile import BATCH, LABELS, Case, job_settings, make_case


def main() -> int:
    """Generate, check, and say what there was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="show and check the answer of this number alone")
    options = parser.parse_args()
    numbers = range(options.count) if options.only is None else [options.only]
    if options.only is not None:
        print(make_case(options.seed, options.only))
    tally = check_all(options.seed, numbers)
    print(tally.to_markdown())
    return 4 if tally.broken else 0


@dataclass
class Tally:
    """What there was, what became of it, and what was not as promised."""

    kinds: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    mentions: Counter[str] = field(default_factory=Counter)
    seconds: list[tuple[float, int]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def to_markdown(self) -> str:
        """Totals by kind, states, and times."""
        times = sorted(self.seconds, reverse=True)
        at = {name: times[min(int(len(times) * share), len(times) - 1)] for name, share in _SHARES.items()}
        lines = [
            f"{len(times):,} answers of {self.mentions.total():,} pieces; broken promises: {len(self.broken)}",
            "",
            "| reading one answer took | ms of CPU time | number of the answer |",
            "|---|---|---|",
            *(f"| {name} | {seconds * 1e3:.3f} | {number} |" for name, (seconds, number) in at.items()),
        ]
        for title, counts in (("kind", self.kinds), ("sentence", self.sentences), ("piece", self.mentions)):
            lines += ["", f"| {title} | count |", "|---|---|"]
            lines += [f"| {name.replace('|', '/')} | {count:,} |" for name, count in sorted(counts.items())]
        return "\n".join([*lines, *(f"\n    {problem}" for problem in self.broken[:20])])


_SHARES = {"at most": 0.0, "p99.9": 0.001, "p99": 0.01, "median": 0.5}


def check_all(seed: int, numbers: range | list[int]) -> Tally:
    """Every case of these numbers, in batches of the same job."""
    tally = Tally()
    for start in range(0, len(numbers), BATCH):
        check_batch(seed, numbers[start : start + BATCH], tally)
        if sys.stderr.isatty():
            print(f"\r{start + BATCH:,}", end="", file=sys.stderr)
    return tally


def check_batch(seed: int, numbers: range | list[int], tally: Tally) -> None:
    """Some cases of one job made, read, stored, exported and checked."""
    job = _job(numbers[0])
    cases = [make_case(seed, number) for number in numbers]
    for case in cases:
        tally.kinds.update(case.kinds)
        try:
            _check_reading(case, job, tally)
        except Exception:
            tally.broken.append(f"{case.number} {case.kinds}: {traceback.format_exc(limit=-3)}")
    try:
        _check_export(cases, job, tally)
    except Exception:
        tally.broken.append(f"export of {numbers[0]}-{numbers[-1]}: {traceback.format_exc(limit=-3)}")


def _job(number: int) -> AnnotationJob:
    name, form, thinking, constrained = job_settings(number)
    prompt = Prompt(name, LABELS, answer_format(form), thinking=thinking)
    return AnnotationJob(prompt, SamplingSettings(), constrained, {"kind": "none"})


def _check_reading(case: Case, job: AnnotationJob, tally: Tally) -> None:
    """Never raises, each piece in one state, spans in order on token borders, a line that reads back equal."""
    document = case.document
    began = time.thread_time()
    reading = read_answer(
        document, case.answer, case.finish_reason, job.prompt, job.prompt.labels, constrained=job.constrained
    )
    tally.seconds.append((time.thread_time() - began, case.number))
    parsed = job.prompt.read(case.answer, constrained=job.constrained)
    pieces = len(parsed.mentions) + parsed.malformed
    counts = reading.mentions
    assert set(counts) <= set(MENTION_STATES)
    assert all(count > 0 for count in counts.values())
    assert sum(counts.values()) == (0 if case.finish_reason in ("too_long", "failed") else pieces)
    assert len(reading.spans) == counts.get("accepted", 0) + counts.get("repaired", 0)
    assert bool(reading.spans) <= (reading.state == "annotated") <= (case.finish_reason == "stop")
    assert all(span.label in LABELS for span in reading.spans)
    labelled = replace(document, spans=reading.spans, meta={"status": reading.state})  # checks borders and order
    line = json_line(document_to_json(labelled)).encode("utf-8")
    assert document_from_json(json.loads(line)) == labelled


def _check_export(cases: list[Case], job: AnnotationJob, tally: Tally) -> None:
    """Stored and exported, every document is there, the ledger adds up, and a line says what reading says."""
    documents = SentenceList(case.document for case in cases)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with AnswerStore(folder / "store.sqlite") as store:
            run_id = store.open_run(job.identity())
            for place, case in enumerate(cases):
                answer = (
                    case.document.id,
                    text_key(case.document.text),
                    storable(case.answer),
                    case.finish_reason,
                    1,
                    1,
                )
                store.add(run_id, StoredAnswer(place, *answer))
            stored = [answer.answer for answer in store.answers(run_id)]
            ledger = export(documents, job, store, run_id, folder, {})
        assert read_json(folder / "ledger.json") == ledger
        rows = list(read_documents(folder / "annotations.jsonl"))
    assert len(rows) == len(cases) == ledger["sentences_total"] == sum(ledger["sentences"].values())
    assert ledger["mentions_total"] == sum(ledger["mentions"].values())
    counted: Counter[str] = Counter()
    for row, case, text in zip(rows, cases, stored, strict=True):
        reading = read_answer(
            case.document, text, case.finish_reason, job.prompt, job.prompt.labels, constrained=job.constrained
        )
        meta = {"status": reading.state, "mentions": reading.mentions}
        assert row == replace(case.document, spans=reading.spans, meta=meta), case.number
        counted.update(row.meta["mentions"])
    assert counted == Counter({state: count for state, count in ledger["mentions"].items() if count})
    tally.sentences.update(ledger["sentences"])
    tally.mentions.update(ledger["mentions"])


if __name__ == "__main__":
    sys.exit(main())
