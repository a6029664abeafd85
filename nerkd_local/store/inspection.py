"""What is in a store, and whether all of it is sound. Looks only."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_json
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.filesystem import file_system
from nerkd_local.store.rows import StoredAnswer, Work, logprobs_crc32
from nerkd_local.store.seal import is_sealed, read_seal, seal_problems

STORE = "answers.sqlite"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run of a store: `finished` counts its answers by how they ended, `copies` those of another sentence."""

    fingerprint: str
    settings: dict[str, Any]
    work: Work | None
    finished: dict[str, int]
    copies: int
    prompt_tokens: int
    output_tokens: int

    @property
    def answers(self) -> int:
        """How many."""
        return sum(self.finished.values())


@dataclass
class Findings:
    """What was looked at, and everything wrong with it, a line each."""

    rows: int = 0
    sealed: int = 0
    problems: list[str] = field(default_factory=list)


def find_stores(path: Path) -> list[Path]:
    """The stores that a path means: a file, a folder's, or those of the shards in it. Raises InputError if none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError("no such file or folder; check the path", path=path)
    found = [path / STORE] if (path / STORE).is_file() else []
    found += sorted(path.glob(f"shard-*-of-*/{STORE}"), key=lambda store: (len(store.parent.name), store.parent.name))
    if not found:
        raise InputError(f"holds no {STORE}, nor shards that do; check the path", path=path)
    return found


class _Inspected(AnswerStore):
    """A store that is only looked at: a damaged row ends nothing, it is noted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True)
        # damage may leave bytes that are no UTF-8: they are a damaged row, not the end of the reading
        self._database.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
        self.damaged: list[StoredAnswer] = []

    def _verified(self, row: tuple[Any, ...]) -> StoredAnswer:
        answer = StoredAnswer(*row[:-1])
        try:
            whole = answer.crc32() == row[-1]
        except UnicodeEncodeError:
            whole = False
        if not whole:
            self.damaged.append(answer)
        return answer

    def logprobs_problems(self) -> list[str]:
        """What is wrong with the kept log-probabilities, over all runs."""
        if not self._keeps_logprobs():
            return []
        query = (
            "SELECT token_logprobs.run_id, token_logprobs.sentence_no, value, token_logprobs.crc32, "
            "answers.sentence_no IS NULL FROM token_logprobs LEFT JOIN answers USING (run_id, sentence_no)"
        )
        problems = []
        for run_id, number, value, checksum, without_answer in self._select(query, ()):
            what = f"the log-probabilities of sentence {number} (run {run_id})"
            if without_answer:
                problems.append(f"{what} are of no answer")
            try:
                whole = logprobs_crc32(number, value) == checksum
            except UnicodeEncodeError:
                whole = False
            if not whole:
                problems.append(f"{what} are damaged (checksum)")
        return problems

    def structure_problems(self) -> list[str]:
        """What SQLite finds wrong with its own file."""
        lines = (line for (line,) in self._database.execute("PRAGMA quick_check"))
        return [" ".join(line.split()) for line in lines if line != "ok"]

    def summary(self, run_id: int, settings: dict[str, Any]) -> RunSummary:
        """A run's counts."""
        query = (
            "SELECT finish_reason, count(*), count(copy_of), sum(prompt_tokens), sum(output_tokens) "
            "FROM answers WHERE run_id = ? GROUP BY finish_reason ORDER BY finish_reason"
        )
        rows = list(self._select(query, (run_id,)))
        return RunSummary(
            fingerprint=digest_json(settings),
            settings=settings,
            work=self.work(run_id),
            finished={row[0]: row[1] for row in rows},
            copies=sum(row[2] for row in rows),
            prompt_tokens=sum(row[3] for row in rows),
            output_tokens=sum(row[4] for row in rows),
        )


def summarise(path: Path) -> list[RunSummary]:
    """The runs of a store, in the order they were begun. Raises InputError for what is no store, or a damaged one."""
    with _Inspected(path) as store:
        return [store.summary(number, settings) for number, settings in store.runs().items()]


def describe_store(path: Path) -> list[str]:
    """Lines for a person: where the store is, and each run with what it is about and what it holds."""
    kind, point = file_system(path)
    seal = "sealed" if is_sealed(path) else "not sealed"
    lines = [f"{path}: {path.stat().st_size:,} bytes, {seal}, on {kind} ({point})"]
    for run in summarise(path):
        work = "not said"
        if run.work:
            part = "" if run.work.shards == 1 else f", shard {run.work.shard}/{run.work.shards}"
            work = f"{run.work.sentences:,} sentences{part}, SHA-256 {run.work.corpus_sha256}"
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in run.finished.items())
        lines += [
            f"run {run.fingerprint}",
            f"  engine: {_shown(run.settings.get('engine'))}",
            f"  prompt: {_shown(run.settings.get('prompt'))}, format {_shown(run.settings.get('format'))}, "
            f"labels {_shown(run.settings.get('labels'))}",
            f"  corpus: {work}",
            f"  answers: {run.answers:,}{f' ({reasons})' if reasons else ''}, {run.copies:,} of them copies",
            f"  tokens: {run.prompt_tokens:,} in, {run.output_tokens:,} out",
        ]
    return lines


def _shown(value: Any) -> str:
    """A value of a run's settings on one line, printable and cut short."""
    pairs = value.items() if isinstance(value, dict) else None
    text = ", ".join(f"{name} {item}" for name, item in pairs) if pairs else str(value)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 160 else f"{text[:157]}..."


def verify_store(path: Path) -> Findings:
    """Check a store: the seal beside it, SQLite's own structure, and the checksum of every row of every run, of the
    kept log-probabilities too.

    All that is wrong is found, not only the first of it. Raises InputError for a seal that cannot be read.
    """
    findings = Findings(sealed=len(read_seal(path.parent) or {}))
    findings.problems += [str(problem) for problem in seal_problems(path.parent)]
    try:
        with _Inspected(path) as store:
            findings.problems += [f"{path}: {problem}" for problem in store.structure_problems()]
            for run_id in store.runs():
                for _ in store.answers(run_id):
                    findings.rows += 1
                    while store.damaged:
                        answer = store.damaged.pop()
                        name = f"sentence {answer.sentence_no} ({_shown(answer.sentence_id)})"
                        findings.problems.append(f"{path}: the answer to {name} is damaged (checksum)")
            findings.problems += [f"{path}: {problem}" for problem in store.logprobs_problems()]
    except (sqlite3.DatabaseError, InputError) as error:
        findings.problems.append(error.args[0] if isinstance(error, InputError) else f"{path}: is damaged ({error})")
    return findings
