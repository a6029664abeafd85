"""The evaluation sentences' documents: from the corpus, and from what was kept of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.documents import documents_file, write_document_numbers
from nerkd_local.evidence.run import Run, open_run
from tests.evidence.runs import write_run


def made(tmp_path: Path, folds: bool) -> Run:
    more = {"folds": {"count": 3, "nested": False}} if folds else None
    return open_run(write_run(tmp_path, sizes=(12, 20), seeds=(0,), more=more).output)


@pytest.mark.parametrize("folds", [False, True])
def test_they_are_the_same_without_the_corpus(tmp_path: Path, folds: bool) -> None:
    run = made(tmp_path, folds)
    before = [run.documents(size) for size in (12, 20)]
    write_document_numbers(run.settings, run.folder, documents_file(run.folder))
    shutil.rmtree(run.folder.corpus)
    after = [open_run(run.folder.root).documents(size) for size in (12, 20)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert (len(after[0]) == len(after[1])) is not folds


def test_neither_corpus_nor_kept(tmp_path: Path) -> None:
    run = made(tmp_path, folds=False)
    shutil.rmtree(run.folder.corpus)
    with pytest.raises(InputError, match=r"neither the corpus nor documents\.npz"):
        run.documents(12)


def test_damaged(tmp_path: Path) -> None:
    run = made(tmp_path, folds=True)
    path = documents_file(run.folder)
    write_document_numbers(run.settings, run.folder, path)
    shutil.rmtree(run.folder.corpus)
    for content in (b"", b"no archive", path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            run.documents(12)
    np.savez(path, format=np.array("nerkd documents 9"))
    with pytest.raises(InputError, match="not in the format"):
        run.documents(12)
    np.savez(path, format=np.array("nerkd documents 1"), n20=np.zeros(3, np.uint16))
    with pytest.raises(InputError, match="no documents for 12 original"):
        run.documents(12)
