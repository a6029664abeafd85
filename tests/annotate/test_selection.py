"""A folder's corpus: read from its source once, and again only when something changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nerkd_local.annotate import selection as module
from nerkd_local.annotate.selection import CORPUS, SELECTION, Selection, is_taken, read_selection, take_corpus
from nerkd_local.errors import InputError
from nerkd_local.files import read_json, write_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.store.seal import check_seal, read_seal, seal_folder

CONLL = "Ann B-PER\nleft O\n\nIt O\nrained O\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "gold.conll"
    path.write_text(CONLL)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every corpus that is written from its source."""
    written: list[Path] = []
    write = module.write_corpus

    def counted(path: Path, documents: object) -> int:
        written.append(path)
        return write(path, documents)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "write_corpus", counted)
    return written


def test_an_unchanged_source_is_not_read_again_and_its_folder_stays_sealed(
    tmp_path: Path, source: Path, reads: list[Path]
) -> None:
    here = tmp_path / "here"
    taken = take_corpus(Selection(corpus=source), here)
    assert taken.source_sha256 == digest_file(source)
    assert taken.corpus_sha256 == digest_file(here / CORPUS)
    seal_folder(here, [CORPUS, SELECTION])
    assert take_corpus(Selection(corpus=source), here) == taken == read_selection(here)
    assert reads == [here / CORPUS]
    assert read_seal(here)
    check_seal(here)
    assert (here / "index" / "index.npy").exists()


@pytest.mark.parametrize(
    "change",
    ["grown source", "limit", "format", "encoding", "corpus damaged", "corpus gone", "no record", "old record"],
)
def test_whatever_changed_is_read_again(tmp_path: Path, source: Path, reads: list[Path], change: str) -> None:
    here = tmp_path / "here"
    wanted = Selection(corpus=source, limit=1 if change == "limit" else None)
    taken = take_corpus(wanted, here)
    seal_folder(here, [CORPUS, SELECTION])
    match change:
        case "grown source":
            source.write_text(CONLL + "\nBonn B-LOC\n")
        case "limit":
            wanted = Selection(corpus=source)
        case "format":
            wanted = Selection(corpus=source, format="conll")
        case "encoding":
            wanted = Selection(corpus=source, encoding="latin-1")
        case "corpus damaged":
            (here / CORPUS).write_bytes((here / CORPUS).read_bytes()[:-5])
        case "corpus gone":
            (here / CORPUS).unlink()
        case "no record":
            (here / SELECTION).unlink()
        case "old record":  # as written before there were hashes in it
            names = ("corpus", "format", "encoding", "limit", "examples", "seed")
            write_json(here / SELECTION, {name: read_json(here / SELECTION)[name] for name in names})
    assert not is_taken(wanted.of_now(), here)
    again = take_corpus(wanted, here)
    assert len(reads) == 2
    assert read_seal(here) is None
    assert is_taken(again, here)
    assert len((here / CORPUS).read_text().splitlines()) == (3 if change == "grown source" else 2)
    assert (again == taken) == (change in ("corpus damaged", "corpus gone", "no record", "old record"))


def test_another_choice_of_examples_is_noted_and_reads_nothing(tmp_path: Path, source: Path, reads: list[Path]) -> None:
    take_corpus(Selection(corpus=source), tmp_path / "here")
    take_corpus(Selection(corpus=source, examples=source, seed=3), tmp_path / "here")
    kept = read_selection(tmp_path / "here")
    assert kept is not None
    assert (kept.examples, kept.seed, len(reads)) == (source, 3, 1)


def test_a_folder_of_texts_is_known_by_all_its_files(tmp_path: Path, reads: list[Path]) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("Ann left.\n")
    wanted = Selection(corpus=texts)
    take_corpus(wanted, tmp_path / "here")
    take_corpus(wanted, tmp_path / "here")
    assert len(reads) == 1
    (texts / "b.txt").write_text("It rained.\n")
    take_corpus(wanted, tmp_path / "here")
    assert len(reads) == 2


def test_what_is_no_regular_file_is_never_taken_for_unchanged(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.conll")
    wanted = Selection(corpus=tmp_path / "pipe.conll").of_now()
    assert wanted.source_sha256 is None
    assert not wanted.is_of(wanted)


def test_another_corpus_is_refused_and_the_folder_left(tmp_path: Path, source: Path) -> None:
    take_corpus(Selection(corpus=source), tmp_path / "here")
    before = (tmp_path / "here" / SELECTION).read_bytes()
    source.write_text(CONLL.replace("Ann", "Bob"))
    with pytest.raises(InputError, match=r"corpus\.jsonl: holds another corpus"):
        take_corpus(Selection(corpus=source), tmp_path / "here")
    assert (tmp_path / "here" / SELECTION).read_bytes() == before


def test_a_missing_source_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.conll: no such file"):
        take_corpus(Selection(corpus=tmp_path / "absent.conll"), tmp_path / "here")
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "a JSON list; an object is needed"),
        ('{"corpus": "a.conll", "limit": "all"}', "limit: input should be a valid integer"),
        ('{"corpus": "a.conll", "limits": 3}', "limits: extra inputs are not permitted"),
        ("{", "not valid JSON"),
    ],
)
def test_a_record_that_is_something_else_is_refused_by_its_path(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / SELECTION).write_text(text)
    with pytest.raises(InputError, match=rf"^{tmp_path / SELECTION}: {message}"):
        read_selection(tmp_path)
