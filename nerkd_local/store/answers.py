"""Answers in SQLite: one writer, committed in groups, checked when read.

Raw answers are what is stored; parsing and alignment are repeated from them at export, so a better parser
needs no second annotation. Write-ahead log with synchronous FULL: after a commit neither a kill nor a power
cut loses an answer (measured against the alternatives; WAL with NORMAL loses thousands).
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock

from nerkd_local.errors import InputError
from nerkd_local.fingerprints import digest_json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    run_id INTEGER NOT NULL,
    sentence_no INTEGER NOT NULL,
    sentence_id TEXT NOT NULL,
    text_sha256 TEXT NOT NULL,
    answer TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    PRIMARY KEY (run_id, sentence_no)
) WITHOUT ROWID;
"""
_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One answer: `sentence_no` is the sentence's place in the corpus (from 0), `text_sha256` its text's hash."""

    sentence_no: int
    sentence_id: str
    text_sha256: str
    answer: str
    finish_reason: str
    prompt_tokens: int
    output_tokens: int

    def _row(self) -> tuple[Any, ...]:
        return (
            self.sentence_no,
            self.sentence_id,
            self.text_sha256,
            self.answer,
            self.finish_reason,
            self.prompt_tokens,
            self.output_tokens,
        )

    def _crc32(self) -> int:
        return zlib.crc32(json.dumps(self._row(), ensure_ascii=False).encode("utf-8", "surrogatepass"))


class AnswerStore:
    """An open database. Use as a context manager; leaving it commits what was added.

    One process writes at a time, held by a lock file beside the database. Readers need no lock.
    """

    GROUP_SIZE = 512
    GROUP_SECONDS = 0.25
    PIECE = 4096

    def __init__(self, path: Path) -> None:
        """Open or create. Raises InputError if another process is writing, or the file is something else."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(path.with_name(path.name + ".lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(
                "another process is annotating into this store; wait for it or stop it", path=path
            ) from None
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _SCHEMA_VERSION):
                raise InputError(f"a store of version {version}; this tool writes version {_SCHEMA_VERSION}", path=path)
            self._database.executescript(_SCHEMA)
            self._database.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        except sqlite3.DatabaseError as error:
            self._lock.release()
            raise InputError(f"cannot be used as a store ({error})", path=path) from None
        except InputError:
            self._lock.release()
            raise
        self._waiting = 0
        self._last_commit = time.monotonic()

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.commit()
        finally:
            self._database.close()
            self._lock.release()

    def open_run(self, settings: Mapping[str, Any]) -> int:
        """The number of the run with exactly these settings, begun now if there is none."""
        self.commit()
        fingerprint = digest_json(settings)
        self._database.execute(
            "INSERT OR IGNORE INTO runs (fingerprint, settings) VALUES (?, ?)",
            (fingerprint, json.dumps(settings, ensure_ascii=False, sort_keys=True)),
        )
        query = "SELECT run_id FROM runs WHERE fingerprint = ?"
        (run_id,) = self._database.execute(query, (fingerprint,)).fetchone()
        return int(run_id)

    def add(self, run_id: int, answer: StoredAnswer) -> None:
        """Keep one answer; it is safe once its group is committed. An answer already stored stays as it was."""
        if not self._waiting:
            self._write("BEGIN IMMEDIATE")
        self._write(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (run_id, *answer._row(), answer._crc32()),
        )
        self._waiting += 1
        if self._waiting >= self.GROUP_SIZE or time.monotonic() - self._last_commit >= self.GROUP_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Make everything added so far safe."""
        waiting, self._waiting = self._waiting, 0
        if waiting:
            self._write("COMMIT")
        self._last_commit = time.monotonic()

    def _write(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        try:
            self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            self._waiting = 0  # SQLite has rolled the group back
            problem = f"cannot be written ({error}); mend that, and the same command goes on from the last commit"
            raise InputError(problem, path=self.path) from None

    def answers(self, run_id: int) -> Iterator[StoredAnswer]:
        """A run's committed answers by ascending sentence number, each row's checksum verified.

        Read in pieces, so that neither memory nor the write-ahead log grows while a long iteration and the
        writing go on side by side. Raises InputError for a damaged row or file.
        """
        query = (
            "SELECT sentence_no, sentence_id, text_sha256, answer, finish_reason, prompt_tokens, output_tokens,"
            " crc32 FROM answers WHERE run_id = ? AND sentence_no > ? ORDER BY sentence_no LIMIT ?"
        )
        last = -1
        while True:
            self.commit()
            try:
                rows = self._database.execute(query, (run_id, last, self.PIECE)).fetchall()
            except sqlite3.DatabaseError as error:
                raise InputError(f"the store is damaged ({error})", path=self.path) from None
            for *fields, crc32 in rows:
                answer = StoredAnswer(*fields)
                if answer._crc32() != crc32:
                    problem = f"the stored answer of sentence {answer.sentence_id!r} is damaged (checksum)"
                    raise InputError(problem, path=self.path)
                yield answer
            if len(rows) < self.PIECE:
                return
            last = rows[-1][0]

    def count(self, run_id: int) -> int:
        """How many answers a run holds."""
        (count,) = self._database.execute("SELECT count(*) FROM answers WHERE run_id = ?", (run_id,)).fetchone()
        return int(count)
