"""Work on a disk of the machine's own: what is stored reaches the output, whole or cut short, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nerkd_local.annotate import workplace as module
from nerkd_local.annotate.workplace import STORE, seal_work, workplace
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer
from nerkd_local.store.seal import break_seal, check_seal, read_seal


def answer(number: int, text: str = "NONE") -> StoredAnswer:
    return StoredAnswer(number, f"s:{number}", 11, text, "stop", 3, 1)


def stored(folder: Path) -> dict[int, str]:
    with AnswerStore(folder / STORE, read_only=True) as store:
        return {row.sentence_no: row.answer for run in store.runs() for row in store.answers(run)}


def work(
    output: Path,
    scratch: Path | None,
    *numbers: int,
    text: str = "NONE",
    end: BaseException | None = None,
    say: Callable[[str], None] = pytest.fail,
) -> None:
    """One run that stores these answers and ends, well or with an error."""
    with workplace(output, scratch, say) as here:
        with AnswerStore(here / STORE) as store:
            run = store.open_run({})
            store.add(run, *(answer(number, text) for number in numbers))
        with (here / "speed.jsonl").open("a") as stream:
            stream.write(f"{numbers}\n")
        if end is not None:
            raise end


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_without_scratch_the_output_is_worked_in_and_sealed(out: Path) -> None:
    work(out, None, 1)
    check_seal(out)
    assert read_seal(out)
    with pytest.raises(InterruptedRun):
        work(out, None, 2, end=InterruptedRun("drained"))
    check_seal(out)
    assert stored(out) == {1: "NONE", 2: "NONE"}
    with pytest.raises(RuntimeError):
        work(out, None, 3, end=RuntimeError("a bug"))
    assert read_seal(out) is None


@pytest.mark.parametrize(
    "end",
    [InterruptedRun("drained"), RuntimeError("the engine died"), InputError("no such answer"), KeyboardInterrupt()],
)
def test_a_run_that_is_cut_short_is_carried_over_and_goes_on_elsewhere(
    tmp_path: Path, out: Path, end: BaseException
) -> None:
    with pytest.raises(type(end)):
        work(out, tmp_path / "node1", 1, 2, text="first", end=end)
    check_seal(out)
    assert stored(out) == {1: "first", 2: "first"}
    work(out, tmp_path / "node2", 2, 3, text="second")
    check_seal(out)
    assert stored(out) == {1: "first", 2: "first", 3: "second"}
    assert (out / "speed.jsonl").read_text() == "(1, 2)\n(2, 3)\n"


def test_what_a_node_kept_and_what_the_output_has_come_together(tmp_path: Path, out: Path) -> None:
    work(out, tmp_path / "node1", 1, text="first")
    with AnswerStore(tmp_path / "node1" / STORE) as store:  # killed later: this never reached the output
        store.add(store.open_run({}), answer(2, "killed"))
    work(out, tmp_path / "node2", 3, text="elsewhere")
    work(out, tmp_path / "node1", 4, text="back")
    assert stored(out) == {1: "first", 2: "killed", 3: "elsewhere", 4: "back"}
    assert (out / "speed.jsonl").read_text() == "(3,)\n(1,)\n(4,)\n"
    check_seal(out)


def test_a_run_killed_while_its_store_was_made_is_gone_on_with(tmp_path: Path, out: Path) -> None:
    (tmp_path / "node").mkdir()
    (tmp_path / "node" / STORE).touch()
    work(out, tmp_path / "node", 1)
    assert set(stored(out)) == {1}


def test_two_runs_of_the_same_work_at_a_time_lose_nothing(tmp_path: Path, out: Path) -> None:
    work(out, tmp_path / "node1", 1)
    with workplace(out, tmp_path / "node2", pytest.fail) as here:
        work(out, tmp_path / "node3", 5)
        with AnswerStore(here / STORE) as store:
            store.add(store.open_run({}), answer(6))
    assert set(stored(out)) == {1, 5, 6}


def test_an_output_worked_in_before_is_brought_in(tmp_path: Path, out: Path) -> None:
    with AnswerStore(tmp_path / "living" / STORE) as store:
        store.add(store.open_run({}), answer(1))
        store.commit()
        shutil.copytree(tmp_path / "living", out)  # what a killed process leaves: a log beside the file
    assert (out / f"{STORE}-wal").exists()
    work(out, tmp_path / "node", 2)
    assert stored(out) == {1: "NONE", 2: "NONE"}
    assert not (out / f"{STORE}-wal").exists()  # which would be laid over the new file
    check_seal(out)


def test_an_output_that_is_being_written_is_refused(tmp_path: Path, out: Path) -> None:
    with AnswerStore(out / STORE), pytest.raises(InputError, match="another process is annotating into this store"):
        work(out, tmp_path / "node", 1)


def test_scratch_is_another_folder(out: Path) -> None:
    with pytest.raises(InputError, match="is the output itself; leave out --scratch"):
        work(out, out.parent / "x" / ".." / "out", 1)


def test_a_copy_that_was_cut_off_is_taken_row_by_row(tmp_path: Path, out: Path) -> None:
    work(out, tmp_path / "node1", 1)
    break_seal(out)
    work(out, tmp_path / "node2", 2)
    assert set(stored(out)) == {1, 2}
    check_seal(out)


def test_a_damaged_output_is_refused_before_any_work(tmp_path: Path, out: Path) -> None:
    work(out, tmp_path / "node1", 1)
    (out / STORE).write_bytes((out / STORE).read_bytes()[:-1] + b"\xff")
    with pytest.raises(InputError, match=r"answers\.sqlite: is not the file that was sealed"):
        work(out, tmp_path / "node2", 2)
    assert not (tmp_path / "node2").exists()


def test_an_output_that_cannot_be_written_leaves_the_work_on_scratch(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "copy_sealed", full)
    with pytest.raises(
        InterruptedRun, match=rf"out: cannot be written \(No space left on device\); .* {tmp_path}/node"
    ):
        work(out, tmp_path / "node", 1)
    said: list[str] = []
    with pytest.raises(RuntimeError, match="a bug"):  # which is told, not what comes of it
        work(out, tmp_path / "node", 4, end=RuntimeError("a bug"), say=said.append)
    assert said == [said[0]]
    assert "what is stored stays in" in said[0]
    monkeypatch.undo()
    work(out, tmp_path / "node", 2)
    assert set(stored(out)) == {1, 2, 4}


def test_a_run_that_fails_before_it_stores_leaves_the_output_as_it_is(tmp_path: Path, out: Path) -> None:
    work(out, tmp_path / "node1", 1)
    work(tmp_path / "other", tmp_path / "node2", 7)
    before = (out / "SHA256SUMS").read_bytes()
    for node in ("node1", "node2", "node3"):
        with pytest.raises(InputError, match="another corpus"):
            work(out, tmp_path / node, end=InputError("scratch or output holds another corpus"))
    assert (out / "SHA256SUMS").read_bytes() == before
    check_seal(out)


def test_nothing_stored_is_nothing_carried_over(tmp_path: Path, out: Path) -> None:
    with pytest.raises(InputError), workplace(out, tmp_path / "node", pytest.fail):
        raise InputError("the corpus is none")
    assert not out.exists()


def test_a_sealed_folder_stays_as_it_is(out: Path) -> None:
    work(out, None, 1)
    before = (out / "SHA256SUMS").stat().st_ino
    seal_work(out)
    assert (out / "SHA256SUMS").stat().st_ino == before
