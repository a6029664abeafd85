"""Shards together are what an unsharded run leaves, to the byte; whatever does not fit is refused in one line."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.annotate.merging import merge_shards, read_parts
from nerkd_local.annotate.shards import Shard
from nerkd_local.errors import InputError
from nerkd_local.files import read_json, write_json
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.seal import break_seal, check_seal, read_seal, seal_folder
from tests.annotate.replayed import SHARDS, Replayed, files


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)


@pytest.fixture
def parts(replayed: Replayed, tmp_path: Path) -> list[Path]:
    return replayed.shards(tmp_path / "parts")


LABELS = ("annotations.jsonl", "ledger.json", "corpus.jsonl", "annotator.yaml", "selection.json")


@pytest.mark.parametrize("count", [1, 2, 12])
def test_merged_shards_are_an_unsharded_run(tmp_path: Path, replayed: Replayed, count: int) -> None:
    replayed.command(tmp_path / "whole").annotate()
    folders = replayed.shards(tmp_path / "parts", count)
    merge_shards(folders[::-1], tmp_path / "merged", say=silent)  # in any order
    whole, merged = files(tmp_path / "whole"), files(tmp_path / "merged")
    assert {name: merged[name] for name in LABELS} == {name: whole[name] for name in LABELS}
    check_seal(tmp_path / "merged")
    assert set(read_seal(tmp_path / "merged") or ()) == {*LABELS, "answers.sqlite"}
    # and it goes on as one: nothing is asked, where no answer is recorded any more
    replayed.answers.unlink()
    assert replayed.command(tmp_path / "merged").annotate().startswith("sentences: 40 = 40 annotated")
    assert files(tmp_path / "merged")["annotations.jsonl"] == whole["annotations.jsonl"]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.sampled_from(["a", "b", "Ann left", "ü", "in Kiel"]), min_size=1, max_size=12))
def test_stored_rows_are_the_same_whatever_repeats(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    here = tmp_path_factory.mktemp("merge")
    replayed = Replayed(here, texts)
    replayed.command(here / "whole").annotate()
    merge_shards(replayed.shards(here / "parts", 2), here / "merged", say=silent)
    stored = []
    for name in ("whole", "merged"):
        with AnswerStore(here / name / "answers.sqlite", read_only=True) as store:
            stored.append([(store.runs()[run], store.work(run), list(store.answers(run))) for run in store.runs()])
    assert stored[0] == stored[1]


def test_a_merge_on_scratch_is_carried_over(tmp_path: Path, replayed: Replayed, parts: list[Path]) -> None:
    merge_shards(parts, tmp_path / "here", say=silent)
    merge_shards(parts, tmp_path / "there", scratch=tmp_path / "scratch", say=silent)
    check_seal(tmp_path / "there")
    here, there = files(tmp_path / "here"), files(tmp_path / "there")
    assert {name: here[name] for name in there} == there
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_corpus_may_have_moved(tmp_path: Path, replayed: Replayed, parts: list[Path]) -> None:
    merge_shards(parts, tmp_path / "here", say=silent)
    (tmp_path / "moved").mkdir()
    replayed.corpus.rename(tmp_path / "moved" / "c.conll")
    with pytest.raises(InputError, match=r"c\.conll: is where the shards' corpus should be, and is not there"):
        merge_shards(parts, tmp_path / "there", say=silent)
    for number, source in enumerate((tmp_path / "moved" / "c.conll", tmp_path / "here" / "corpus.jsonl")):
        merge_shards(parts, tmp_path / f"there{number}", corpus=source, say=silent)
        assert files(tmp_path / f"there{number}")["ledger.json"] == files(tmp_path / "here")["ledger.json"]


def unfinished(folder: Path) -> None:
    """As a drained run leaves it: fewer answers, and an account that says so."""
    take_answer(folder)
    account = read_json(folder / "shard.json")
    write_json(folder / "shard.json", account | {"answers": account["answers"] - 1})


def change_rows(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "answers.sqlite") as database:
        database.execute(statement)
    database.close()


def take_answer(folder: Path) -> None:
    change_rows(folder, "DELETE FROM answers WHERE sentence_no = (SELECT max(sentence_no) FROM answers)")


def add_foreign_answer(folder: Path) -> None:
    """A sentence of another shard, as that shard has it."""
    with AnswerStore(folder.parent / f"shard-2-of-{SHARDS}" / "answers.sqlite", read_only=True) as other:
        (run,) = other.runs()
        row = next(other.answers(run))
    with AnswerStore(folder / "answers.sqlite") as store:
        store.add(run, row)
        store.seal()


def other_run(folder: Path) -> None:
    account = read_json(folder / "shard.json")
    account["run"]["sampling"]["max_tokens"] = 300
    write_json(folder / "shard.json", account)


def other_corpus(folder: Path) -> None:
    write_json(folder / "shard.json", read_json(folder / "shard.json") | {"corpus_sha256": "0" * 64})


def flip(folder: Path) -> None:
    path = folder / "answers.sqlite"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")


def resealed(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """The change, made by somebody who sealed the folder again."""

    def changed(folder: Path) -> None:
        names = list(read_seal(folder) or {})
        change(folder)
        seal_folder(folder, names)

    return changed


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone": (shutil.rmtree, r"shard-1-of-3: no such folder"),
    "not sealed": (break_seal, r"shard-1-of-3: holds no sealed shard"),
    "broken seal": (flip, r"shard-1-of-3/answers\.sqlite: is not the file that was sealed"),
    "settings gone": (lambda folder: (folder / "annotator.yaml").unlink(), r"annotator\.yaml: stands in SHA256SUMS"),
    "unfinished": (resealed(unfinished), r"shard-1-of-3: holds shard 1/3 unfinished: 1 answers lack"),
    "an answer lost": (resealed(take_answer), r"shard-1-of-3: holds shard 1/3 unfinished: 1 answers lack"),
    "another's answer": (resealed(add_foreign_answer), r"shard 1/3 has an answer to sentence \d+ \('c:\d+'\), which "
                         r"belongs to shard 2/3"),
    "another run": (resealed(other_run), r"is of another run than .*: sampling\.max_tokens was \d+ and is \d+$"),
    "another corpus": (resealed(other_corpus), r"is of another corpus than "),
    "damaged row": (resealed(lambda folder: change_rows(folder, "UPDATE answers SET answer = 'NONF'")),
                    r"shard-1-of-3/answers\.sqlite: the stored answer of sentence 'c:\d+' is damaged \(checksum\)"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path, parts: list[Path], damage: str) -> None:
    change, message = DAMAGES[damage]
    change(parts[0])
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=message) as refused:
        merge_shards(parts, tmp_path / "merged", say=silent)
    assert "\n" not in str(refused.value)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ([0, 2], r"^of 3 shards, these are missing: 2; annotate them"),
        ([1], r"^of 3 shards, these are missing: 1, 3;"),
        ([0, 1, 2, 1], r"shard-2-of-3: holds shard 2/3, and so does .*shard-2-of-3; give each shard once"),
    ],
)
def test_gaps_and_repetitions_are_named(parts: list[Path], chosen: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_parts([parts[number] for number in chosen])


def test_shards_of_two_divisions_and_of_two_runs(tmp_path: Path, replayed: Replayed, parts: list[Path]) -> None:
    halves = replayed.shards(tmp_path / "halves", 2)
    with pytest.raises(InputError, match=r"shard-2-of-2: holds shard 2/2, and .*shard-1-of-3 shard 1/3"):
        read_parts([parts[0], halves[1]])
    asked = replayed.shards(tmp_path / "other", labels={"PER": "people", "LOC": "locations"})
    with pytest.raises(InputError, match=r"is of another run than .*shard-1-of-3: prompt_sha256 was .* and is "):
        read_parts([parts[0], *asked[1:]])


def test_many_missing_shards_are_counted(replayed: Replayed, tmp_path: Path) -> None:
    replayed.command(tmp_path / "parts").annotate_shard(Shard(1, 60))
    with pytest.raises(InputError, match=r"^of 60 shards, these are missing: 2, .*, 21 and 39 more; "):
        read_parts([tmp_path / "parts" / "shard-1-of-60"])


def test_a_corpus_that_changed_since(tmp_path: Path, replayed: Replayed, parts: list[Path]) -> None:
    replayed.corpus.write_text(replayed.corpus.read_text().replace("saw", "met"))
    with pytest.raises(InputError, match=r"c\.conll: reads as another corpus than the shards'"):
        merge_shards(parts, tmp_path / "merged", say=silent)
    assert not (tmp_path / "merged").exists()


def test_an_output_that_holds_something_is_left_alone(tmp_path: Path, parts: list[Path]) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"merged: is there already; merge into a new folder"):
        merge_shards(parts, tmp_path / "merged", say=silent)
    (tmp_path / "merged" / "mine.txt").unlink()
    merge_shards(parts, tmp_path / "merged", say=silent)
    check_seal(tmp_path / "merged")
