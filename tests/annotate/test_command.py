"""The whole command, called from within: what it leaves, what a second call does, and where."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from nerkd_local.annotate.shards import Shard
from nerkd_local.errors import InputError
from nerkd_local.store.seal import check_seal, read_seal
from tests.annotate.replayed import TEXTS, Replayed, files
from tests.conftest import missing


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)


def states(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file each name is: it changes when the file is written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def test_a_finished_annotation_is_sealed_and_left_alone(tmp_path: Path, replayed: Replayed) -> None:
    told = replayed.command(tmp_path / "out").annotate()
    assert told.startswith(f"sentences: {len(TEXTS)} = ")
    assert set(read_seal(tmp_path / "out") or ()) == {
        "annotations.jsonl", "annotator.yaml", "answers.sqlite", "corpus.jsonl", "ledger.json", "selection.json",
        "speed.jsonl",
    }  # fmt: skip
    check_seal(tmp_path / "out")
    before = states(tmp_path / "out")
    replayed.answers.unlink()
    assert replayed.command(tmp_path / "out").annotate() == told
    assert states(tmp_path / "out") == before


def test_settings_that_change_no_answer_are_kept_and_sealed_again(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "out").annotate()
    before = states(tmp_path / "out")
    replayed.command(tmp_path / "out", name="another name").annotate()
    after = states(tmp_path / "out")
    assert {name for name in after if after[name] != before[name]} == {"annotator.yaml", "SHA256SUMS"}
    assert "another name" in (tmp_path / "out" / "annotator.yaml").read_text()
    check_seal(tmp_path / "out")


def test_a_grown_corpus_is_annotated_further_in_the_same_folder(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "out").annotate()
    replayed.write([*TEXTS, "Bob left"])
    told = replayed.command(tmp_path / "out").annotate()
    assert told.startswith(f"sentences: {len(TEXTS) + 1} = ")
    check_seal(tmp_path / "out")


def test_the_work_on_scratch_ends_as_that_in_place(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "here", exports=("conll",)).annotate()
    replayed.command(tmp_path / "there", tmp_path / "node", exports=("conll",)).annotate()
    here, there = files(tmp_path / "here"), files(tmp_path / "there")
    for name in ("SHA256SUMS", "answers.sqlite", "answers.sqlite.lock", "speed.jsonl"):
        here.pop(name)
        there.pop(name, None)
    assert there == here
    check_seal(tmp_path / "there")
    # finished, it is not worked on again, wherever that would be
    before = states(tmp_path / "there")
    replayed.command(tmp_path / "there", tmp_path / "other node").annotate()
    assert states(tmp_path / "there") == before
    assert not (tmp_path / "other node").exists()


def test_a_part_of_a_corpus_is_gone_on_with_on_another_node(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "whole").annotate()
    part = replayed.command(tmp_path / "out", tmp_path / "node1")
    part.selection = part.selection.model_copy(update={"limit": 9})
    assert part.annotate().startswith("sentences: 9 = ")
    replayed.command(tmp_path / "out", tmp_path / "node2").annotate()
    whole, out = files(tmp_path / "whole"), files(tmp_path / "out")
    assert {name: out[name] for name in ("annotations.jsonl", "ledger.json", "corpus.jsonl")} == {
        name: whole[name] for name in ("annotations.jsonl", "ledger.json", "corpus.jsonl")
    }
    assert out["speed.jsonl"].count(b"\n") == 2
    check_seal(tmp_path / "out")


def test_exports_are_added_to_a_finished_annotation(tmp_path: Path, replayed: Replayed) -> None:
    if importlib.util.find_spec("pyarrow") is None:
        missing("pyarrow is not installed")
    replayed.command(tmp_path / "out").annotate()
    replayed.command(tmp_path / "out", exports=("conll", "parquet")).annotate()
    assert {"annotations.conll", "annotations.parquet"} <= set(read_seal(tmp_path / "out") or ())
    check_seal(tmp_path / "out")
    assert replayed.said[-2:] == [
        f"{len(TEXTS)} sentences -> annotations.conll",
        f"{len(TEXTS)} sentences -> annotations.parquet",
    ]


def test_an_engine_that_is_not_there_is_noticed_before_anything_is_written(tmp_path: Path, replayed: Replayed) -> None:
    replayed.answers.unlink()
    for scratch in (None, tmp_path / "node"):
        with pytest.raises(InputError, match=r"answers\.jsonl: no such file"):
            replayed.command(tmp_path / "out", scratch).annotate()
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "node").exists()


def test_a_network_file_system_is_refused_to_work_on(
    tmp_path: Path, replayed: Replayed, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, mounts = tmp_path / "out", tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {out} rw - nfs4 x rw\n")
    monkeypatch.setattr("nerkd_local.store.filesystem.refuse_network.__defaults__", (mounts,))
    for call in (replayed.command(out).annotate, lambda: replayed.command(out).annotate_shard(Shard(1, 2))):
        with pytest.raises(InputError, match=r"network file system \(nfs4 at .*--scratch"):
            call()
    assert not out.exists()
    replayed.command(out, tmp_path / "node").annotate()
    check_seal(out)


def test_scratch_with_another_corpus_is_refused_and_nothing_copied(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "one", tmp_path / "node").annotate()
    replayed.write(["Eve met Bob"])
    for call in (
        replayed.command(tmp_path / "two", tmp_path / "node").annotate,
        lambda: replayed.command(tmp_path / "two", tmp_path / "node").annotate_shard(Shard(1, 2)),
    ):
        with pytest.raises(InputError, match=r"node/corpus\.jsonl: holds another corpus"):
            call()
    assert not (tmp_path / "two").exists()


def test_an_output_with_another_corpus_is_refused_and_left_as_it_is(tmp_path: Path, replayed: Replayed) -> None:
    replayed.command(tmp_path / "out", tmp_path / "node1").annotate()
    before = states(tmp_path / "out")
    replayed.write(["Eve met Bob", "Bob met Eve"])
    with pytest.raises(InputError, match=r"out/corpus\.jsonl: holds another corpus"):
        replayed.command(tmp_path / "out", tmp_path / "node2").annotate()
    assert states(tmp_path / "out") == before
