"""One shard in a folder of its own: what it is, when it is finished, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.shards import Shard, parse_shard, read_account
from nerkd_local.errors import InputError
from nerkd_local.store.seal import check_seal, read_seal
from tests.annotate.replayed import TEXTS, Replayed, files


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    return Replayed(tmp_path)


@pytest.mark.parametrize("text", ["1/1", "2/8", "10000/10000"])
def test_a_shard_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_shard(text)) == text


@pytest.mark.parametrize(
    "text", ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1 /2", "1/10001", "¹/²", "1/2\n"]
)
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(InputError, match="is no shard; write i/n, such as 2/8"):
        parse_shard(text)


def test_a_shard_leaves_a_sealed_folder_without_labels_or_a_corpus(tmp_path: Path, replayed: Replayed) -> None:
    told = replayed.command(tmp_path / "out", tmp_path / "node").annotate_shard(Shard(2, 3))
    folder = tmp_path / "out" / "shard-2-of-3"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shard-2-of-3"]
    assert set(files(folder)) == {
        "SHA256SUMS", "annotator.yaml", "answers.sqlite", "selection.json", "shard.json", "speed.jsonl",
    }  # fmt: skip
    check_seal(folder)
    account = read_account(folder)
    assert account is not None
    assert 0 < account.share == account.answers < account.sentences == len(TEXTS)
    assert told == str(account) == f"shard 2/3: {account.share} of {account.share} answers are stored"


def test_a_finished_shard_is_left_as_it_is(tmp_path: Path, replayed: Replayed) -> None:
    command = replayed.command(tmp_path / "out", tmp_path / "node")
    command.annotate_shard(Shard(1, 2))
    before = files(tmp_path / "out" / "shard-1-of-2")
    replayed.answers.unlink()  # nothing is asked
    again = replayed.command(tmp_path / "out", tmp_path / "other node").annotate_shard(Shard(1, 2))
    assert again.endswith("answers are stored; it was finished before")
    assert files(tmp_path / "out" / "shard-1-of-2") == before
    assert not (tmp_path / "other node").exists()


def test_a_finished_shard_of_a_corpus_that_grew_goes_on(tmp_path: Path, replayed: Replayed) -> None:
    replayed.shards(tmp_path / "out", 2)
    replayed.write([*TEXTS, "Bob met Eve", "Eve met Bob", "Eve left Kiel", "Ann met Bob"])
    told = [replayed.command(tmp_path / "out").annotate_shard(Shard(number, 2)) for number in (1, 2)]
    assert not any("finished before" in line for line in told)
    accounts = [read_account(tmp_path / "out" / f"shard-{number}-of-2") for number in (1, 2)]
    assert sum(account.answers for account in accounts if account) >= len(TEXTS) + 4


def test_a_finished_shard_of_another_annotator_is_another_run(tmp_path: Path, replayed: Replayed) -> None:
    replayed.shards(tmp_path / "out", 2)
    changed = replayed.command(tmp_path / "out", sampling={"max_tokens": 300})
    assert "finished before" not in changed.annotate_shard(Shard(1, 2))
    assert any("sampling.max_tokens was 200 and is 300" in line for line in replayed.said)


def test_a_damaged_shard_is_not_taken_for_finished(tmp_path: Path, replayed: Replayed) -> None:
    (folder,) = replayed.shards(tmp_path / "out", 1)
    (folder / "shard.json").write_text((folder / "shard.json").read_text() + "\n")
    with pytest.raises(InputError, match=r"shard\.json: is not the file that was sealed"):
        replayed.command(tmp_path / "out").annotate_shard(Shard(1, 1))


def test_a_folder_of_another_shard_is_refused(tmp_path: Path, replayed: Replayed) -> None:
    (folder,) = replayed.shards(tmp_path / "out", 1)
    folder.rename(tmp_path / "out" / "shard-2-of-3")
    with pytest.raises(InputError, match=r"holds shard 1/1 of its corpus, not 2/3; use another folder"):
        replayed.command(tmp_path / "out").annotate_shard(Shard(2, 3))


def test_a_run_that_fails_says_what_it_has(tmp_path: Path, replayed: Replayed) -> None:
    lines = replayed.answers.read_text().splitlines(True)
    replayed.answers.write_text("".join(lines[:5]))
    with pytest.raises(InputError, match="no answer is recorded"):
        replayed.command(tmp_path / "out", tmp_path / "node").annotate_shard(Shard(1, 1))
    account = read_account(tmp_path / "out" / "shard-1-of-1")
    assert account is not None
    assert 0 < account.answers < account.share == len(TEXTS)
    assert read_seal(tmp_path / "out" / "shard-1-of-1")
