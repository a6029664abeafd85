"""Answers in SQLite: one writer, committed in groups, checked when read.

Raw answers are what is stored; parsing and alignment are repeated from them at export, so a better parser
needs no second annotation. Write-ahead log with synchronous FULL: after a commit neither a kill nor a power
cut loses an answer (measured against the alternatives; WAL with NORMAL loses thousands).
"""

from __future__ import annotations

import json
import sqlite3
import time
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import numpy as np
from numpy.typing import NDArray

from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.fingerprints import digest_json
from nerkd_local.store.filesystem import refuse_network
from nerkd_local.store.rows import StoredAnswer, Work, logprobs_crc32
from nerkd_local.store.seal import break_seal, is_sealed

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    work TEXT
);
CREATE TABLE IF NOT EXISTS answers (
    run_id INTEGER NOT NULL,
    sentence_no INTEGER NOT NULL,
    sentence_id TEXT NOT NULL,
    text_key INTEGER NOT NULL,
    answer TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    copy_of INTEGER,
    crc32 INTEGER NOT NULL,
    PRIMARY KEY (run_id, sentence_no)
) WITHOUT ROWID;
"""
_LOGPROBS = """
CREATE TABLE IF NOT EXISTS token_logprobs (
    run_id INTEGER NOT NULL,
    sentence_no INTEGER NOT NULL,
    value TEXT NOT NULL,
    crc32 INTEGER NOT NULL,
    PRIMARY KEY (run_id, sentence_no)
) WITHOUT ROWID
"""
"""Made when the first are kept: a store without any is the same file with this package as with those before it."""
_SCHEMA_VERSION = 2
_NONE: Mapping[int, str] = {}
_COLUMNS = "sentence_no, sentence_id, text_key, answer, finish_reason, prompt_tokens, output_tokens, copy_of, crc32"


class AnswerStore:
    """An open database. Use as a context manager; leaving it commits what was added.

    One process writes at a time, held by a lock file beside the database. Readers need no lock.
    """

    SYNCHRONOUS = "FULL"
    """Only what measures that less loses data sets another."""
    GROUP_SIZE = 512
    GROUP_SECONDS = 0.25
    PIECE = 4096

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create. Raises InputError if another process is writing, or the file is something else, or the
        folder is on a network file system. `read_only` opens a store that is there, and takes no lock.
        """
        self.path = path
        self._read_only = read_only
        self._lock: filelock.BaseFileLock | None = None
        if read_only:
            if not path.is_file():
                raise InputError("no such store; check the path", path=path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            refuse_network(path)
            self._lock = self._only_writer()
        try:
            if not read_only:
                break_seal(path.parent)
            # nobody writes a sealed file, and one on a network file system cannot be locked: no locks then
            mode = "rwc" if not read_only else "ro&immutable=1" if is_sealed(path) else "ro"
            self._database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", isolation_level=None, uri=True)
            self._prepare()
        except BaseException as error:
            if "_database" in self.__dict__:
                self._database.close()
            if self._lock:
                self._lock.release()
            if isinstance(error, sqlite3.DatabaseError):
                raise InputError(f"cannot be used as a store ({error})", path=path) from None
            raise
        self._waiting = 0
        self._last_commit = time.monotonic()

    def _only_writer(self) -> filelock.BaseFileLock:
        lock = filelock.FileLock(self.path.with_name(self.path.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            problem = "another process is annotating into this store; wait for it or stop it"
            raise InputError(problem, path=self.path) from None
        return lock

    def _prepare(self) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != _SCHEMA_VERSION and not (version == 0 and not self._read_only):
            problem = f"a store of version {version}; this tool reads version {_SCHEMA_VERSION}: use another folder"
            raise InputError(problem, path=self.path)
        if not self._read_only:
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute(f"PRAGMA synchronous={self.SYNCHRONOUS}")
            if not version:  # a store that is there stays, to the byte, what it is until something is added
                self._database.executescript(_SCHEMA)
                self._database.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.commit()
        finally:
            self._database.close()
            if self._lock:
                self._lock.release()

    def seal(self) -> None:
        """Commit, and bring everything into the database's one file, fit to be hashed and copied once it is closed.

        The file stays in WAL mode: to change that nobody may be reading it, and to open it again would change it back.
        Raises InterruptedRun if somebody has been reading for so long that the log cannot be emptied, or the disk is
        full: the answers are safe in the log then.
        """
        self.commit()
        (busy, _, _) = self._write("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise InterruptedRun(
                f"{self.path}: another program is reading it, so its log cannot be emptied; end that, and the same "
                "command goes on"
            )

    def open_run(self, settings: Mapping[str, Any]) -> int:
        """The number of the run with exactly these settings, begun now if there is none."""
        self.commit()
        fingerprint = digest_json(settings)
        self._write(
            "INSERT OR IGNORE INTO runs (fingerprint, settings) VALUES (?, ?)",
            (fingerprint, json.dumps(settings, ensure_ascii=False, sort_keys=True)),
        )
        query = "SELECT run_id FROM runs WHERE fingerprint = ?"
        (run_id,) = self._database.execute(query, (fingerprint,)).fetchone()
        return int(run_id)

    def runs(self) -> dict[int, dict[str, Any]]:
        """The settings of every run, by its number, in the order they were begun."""
        rows = self._database.execute("SELECT run_id, settings FROM runs ORDER BY run_id")
        return {run_id: json.loads(settings) for run_id, settings in rows}

    def work(self, run_id: int) -> Work | None:
        """What a run is about; None where that was never said."""
        (value,) = self._database.execute("SELECT work FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return None if value is None else Work(**json.loads(value))

    def set_work(self, run_id: int, work: Work) -> None:
        """Keep what a run is about, at once."""
        self.commit()
        value = json.dumps({name: getattr(work, name) for name in Work.__slots__})
        self._write("UPDATE runs SET work = ? WHERE run_id = ?", (value, run_id))

    def add(self, run_id: int, *answers: StoredAnswer, logprobs: Mapping[int, str] = _NONE) -> None:
        """Keep answers, all in the same commit; they are safe once that is done. One already stored stays as it was.

        `logprobs` are those of their tokens where they are kept, by the answers' sentence numbers. A group is committed
        when it is large or old enough: see `commit_if_old` for when nothing more comes.
        """
        if answers and not self._waiting:
            self._write("BEGIN IMMEDIATE")
        if logprobs:
            self._write(_LOGPROBS)
        for answer in answers:
            new = self._write(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (run_id, *answer, answer.crc32())
            ).rowcount
            value = logprobs.get(answer.sentence_no)
            if new and value is not None:
                row = (run_id, answer.sentence_no, value, logprobs_crc32(answer.sentence_no, value))
                self._write("INSERT OR REPLACE INTO token_logprobs VALUES (?, ?, ?, ?)", row)
        self._waiting += len(answers)
        if self._waiting >= self.GROUP_SIZE:
            self.commit()
        else:
            self.commit_if_old()

    def commit_if_old(self) -> None:
        """Commit if something waits and the last commit is a while ago."""
        if self._waiting and time.monotonic() - self._last_commit >= self.GROUP_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Make everything added so far safe."""
        waiting, self._waiting = self._waiting, 0
        if waiting:
            self._write("COMMIT")
        self._last_commit = time.monotonic()

    def _write(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            self._waiting = 0  # SQLite has rolled the group back, or does so now
            if self._database.in_transaction:
                self._database.rollback()
            advice = "mend that, and the same command goes on from the last commit"
            if error.sqlite_errorname == "SQLITE_FULL" or error.sqlite_errorname.startswith("SQLITE_IOERR"):
                # nothing that was acknowledged is lost, and nothing is wrong with the input
                raise InterruptedRun(f"{self.path}: cannot be written ({error}); {advice}") from None
            raise InputError(f"cannot be written ({error}); {advice}", path=self.path) from None

    def answered(self, run_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of all committed answers' sentences, ascending, and their texts' keys: two int64 arrays."""
        self.commit()
        query = "SELECT sentence_no, text_key FROM answers WHERE run_id = ? ORDER BY sentence_no"
        numbers, keys = array("q"), array("q")
        for number, key in self._select(query, (run_id,)):
            numbers.append(number)
            keys.append(key)
        return np.frombuffer(numbers, dtype=np.int64), np.frombuffer(keys, dtype=np.int64)

    def answer(self, run_id: int, sentence_no: int) -> StoredAnswer | None:
        """One sentence's answer, if there is one, its checksum verified.

        Commits nothing, nor does `logprobs`: what is read while answers arrive must not make groups of one of them.
        """
        query = f"SELECT {_COLUMNS} FROM answers WHERE run_id = ? AND sentence_no = ?"
        rows = list(self._select(query, (run_id, sentence_no)))
        return self._verified(rows[0]) if rows else None

    def answers(self, run_id: int) -> Iterator[StoredAnswer]:
        """A run's committed answers by ascending sentence number, each row's checksum verified.

        Read in pieces, so that neither memory nor the write-ahead log grows while a long iteration and the
        writing go on side by side. Raises InputError for a damaged row or file.
        """
        query = f"SELECT {_COLUMNS} FROM answers WHERE run_id = ? AND sentence_no > ? ORDER BY sentence_no LIMIT ?"
        last = -1
        while True:
            self.commit()
            rows = list(self._select(query, (run_id, last, self.PIECE)))
            for row in rows:
                yield self._verified(row)
            if len(rows) < self.PIECE:
                return
            last = rows[-1][0]

    def logprobs(self, run_id: int, answer: StoredAnswer) -> str | None:
        """The kept log-probabilities of an answer's tokens, the checksum verified; a copy's are those of its original.

        None where none are kept. Raises InputError for a damaged row or file.
        """
        if not self._keeps_logprobs():
            return None
        number = answer.sentence_no if answer.copy_of is None else answer.copy_of
        query = "SELECT value, crc32 FROM token_logprobs WHERE run_id = ? AND sentence_no = ?"
        for value, checksum in self._select(query, (run_id, number)):
            if logprobs_crc32(number, value) != checksum:
                problem = f"the stored log-probabilities of sentence {answer.sentence_id!r} are damaged (checksum)"
                raise InputError(problem, path=self.path)
            return str(value)
        return None

    def _keeps_logprobs(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'token_logprobs'"
        return any(self._select(query, ()))

    def _select(self, query: str, values: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._database.execute(query, values)
        except sqlite3.DatabaseError as error:
            raise InputError(f"the store is damaged ({error})", path=self.path) from None

    def _verified(self, row: tuple[Any, ...]) -> StoredAnswer:
        answer = StoredAnswer(*row[:-1])
        if answer.crc32() != row[-1]:
            problem = f"the stored answer of sentence {answer.sentence_id!r} is damaged (checksum)"
            raise InputError(problem, path=self.path)
        return answer

    def count(self, run_id: int) -> int:
        """How many answers a run holds."""
        (count,) = self._database.execute("SELECT count(*) FROM answers WHERE run_id = ?", (run_id,)).fetchone()
        return int(count)
