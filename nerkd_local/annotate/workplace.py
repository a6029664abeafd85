"""Where an annotation works: in its output folder, or on a disk of the machine's own, from where it is carried over.

A store's locks and log hold on a local disk only. So on a cluster the work is done on the node's scratch disk: what
the output holds already is brought in, and when the work ends, whole or not, the sealed folder is copied back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nerkd_local.annotate.selection import CORPUS, SELECTION
from nerkd_local.annotate.shards import ACCOUNT
from nerkd_local.errors import InputError, InterruptedRun, NerkdError
from nerkd_local.files import write_text
from nerkd_local.fingerprints import digest_file
from nerkd_local.stopping import listen_for_stop
from nerkd_local.store.absorb import absorb
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.seal import check_seal, copy_file, copy_sealed, read_seal, seal_folder

STORE = "answers.sqlite"
SPEED = "speed.jsonl"
SEALED = (
    STORE,
    SPEED,
    CORPUS,
    SELECTION,
    ACCOUNT,
    "annotator.yaml",
    "annotations.jsonl",
    "annotations.conll",
    "annotations.parquet",
    "quarantined.jsonl",
    "ledger.json",
)
"""What is sealed of an annotation's folder, where it is there."""


@contextmanager
def workplace(output: Path, scratch: Path | None, say: Callable[[str], None]) -> Iterator[Path]:
    """The folder to work in: `scratch` if there is one, else the output itself. Sealed at the end.

    With `scratch`, the answers that the output holds are there when the block begins, and when it ends, well or not,
    what it stored is in the output, under a new seal. (A block that fails before it stores anything may have found
    that scratch or output hold other work; nothing is copied then.) Raises InputError for an output whose seal does
    not fit, InterruptedRun where it cannot be written: the work stays on scratch then.
    """
    here = scratch or output
    if scratch and scratch.resolve() == output.resolve():
        raise InputError("is the output itself; leave out --scratch to work there", path=scratch)
    brought = _bring_in(output, scratch) if scratch else None
    before = _count(scratch) if scratch else 0
    try:
        yield here
    except BaseException as error:
        if scratch:
            try:
                if isinstance(error, InterruptedRun) or _count(scratch) > before:
                    _carry_over(scratch, output, brought)
            except NerkdError as problem:  # beside the one that is on its way
                say(f"what is stored stays in {scratch}: {problem}")
        elif isinstance(error, InterruptedRun):
            with suppress(NerkdError):  # why the work ends is told, not that it could not be sealed either
                seal_work(here)
        raise
    if scratch:
        _carry_over(scratch, output, brought)
    else:
        seal_work(here)


def seal_work(folder: Path) -> None:
    """Leave the folder's store one file, and seal what an annotation leaves; one that is sealed stays so."""
    if read_seal(folder) is None:
        if (folder / STORE).exists():
            with AnswerStore(folder / STORE) as store:
                store.seal()
        seal_folder(folder, SEALED)


def _bring_in(output: Path, scratch: Path) -> str | None:
    """Have on scratch what the output's store holds; returns the hash that stands for it in the seal, if it is sealed.

    An output without a seal was cut off while it was copied to: each of its files is whole, and a store's rows are
    checked one by one.
    """
    theirs, mine, incoming = output / STORE, scratch / STORE, scratch / "incoming.sqlite"
    if not theirs.is_file():
        return None
    log = theirs.with_name(f"{STORE}-wal")
    if log.exists() and log.stat().st_size:  # worked on in place, and killed: make the two files one
        with AnswerStore(theirs) as store:
            store.seal()
    sealed = (read_seal(output) or {}).get(STORE)
    if sealed:
        check_seal(output)
    scratch.mkdir(parents=True, exist_ok=True)
    _clear(incoming)  # of a run that was killed here
    try:
        copy_file(theirs, incoming, sealed or digest_file(theirs))
        if sealed and not mine.exists():
            incoming.replace(mine)
        else:
            with AnswerStore(mine) as store, AnswerStore(incoming, read_only=True) as other:
                absorb(store, other)
    finally:
        _clear(incoming)
    _join_lines(output / SPEED, scratch / SPEED)
    return sealed


def _clear(store: Path) -> None:
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()


def _count(folder: Path) -> int:
    """How many answers the folder's store holds."""
    if not (folder / STORE).is_file():
        return 0
    with AnswerStore(folder / STORE) as store:  # to write: one that was killed while it was made is completed so
        return sum(store.count(run) for run in store.runs())


def _join_lines(earlier: Path, here: Path) -> None:
    """Put the lines of an earlier file that are not in this one before it."""
    before = earlier.read_text(encoding="utf-8").splitlines(True) if earlier.is_file() else []
    lines = here.read_text(encoding="utf-8").splitlines(True) if here.is_file() else []
    known = set(lines)
    if not known.issuperset(before):
        write_text(here, "".join([*(line for line in before if line not in known), *lines]))


def _carry_over(scratch: Path, output: Path, brought: str | None) -> None:
    """Seal the work and copy it. A stop signal is heard when that is done."""
    if not (scratch / STORE).is_file():
        return
    with listen_for_stop():
        try:
            if (read_seal(output) or {}).get(STORE) != brought:  # another run of the same work ended in between
                _bring_in(output, scratch)
            seal_work(scratch)
            copy_sealed(scratch, output)
        except OSError as error:
            problem = f"{output}: cannot be written ({error.strerror or error}); the work stays in {scratch}"
            raise InterruptedRun(f"{problem}, and the same command goes on from there") from None
