"""Results kept without text: they open as a run does, and no word of anybody is in them."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.evidence.chosen import choose_lines
from nerkd_local.evidence.courses import read_course
from nerkd_local.evidence.keep import keep_results, neutral_settings
from nerkd_local.evidence.predictions import line_spans
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.where import look_where
from nerkd_local.pipeline import run_experiment
from tests.evidence.runs import run_settings, write_run

WORD = "qxjzvk"
"""Begins every word of the made-up sentences: it is in nothing else."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return write_run(root, sizes=(10,), seeds=(0, 1), study=True, results=True, prefix=WORD).output


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """A copy, to be changed at will."""
    return open_run(Path(shutil.copytree(made, tmp_path / "run")))


def contents(folder: Path) -> list[tuple[str, bytes]]:
    """Every file, and every file inside an archive."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append((str(path), path.read_bytes()))
            if path.suffix == ".npz":
                with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                    found += [(f"{path}/{name}", archive.read(name)) for name in archive.namelist()]
    return found


def test_no_word_of_a_sentence_is_kept(run: Run, tmp_path: Path) -> None:
    words = {word for file in run.folder.corpus.glob("*.jsonl") for d in read_documents(file) for word in d.words}
    assert len(words) > 50
    assert all(word.startswith(WORD) for word in words)
    everywhere = [name for name, content in contents(run.folder.root) if WORD.encode() in content]
    assert len(everywhere) > 10
    keep_results(run, tmp_path / "kept")
    kept = contents(tmp_path / "kept")
    assert [name for name, content in kept if WORD.encode() in content.lower()] == []
    assert str(tmp_path.parent).encode() not in b"".join(content for _, content in kept)


def test_a_kept_folder_opens_as_the_run_does(run: Run, tmp_path: Path) -> None:
    account = keep_results(run, tmp_path / "kept")
    assert (account.students, account.spans, account.courses) == (6, 6, 6)
    kept = open_run(tmp_path / "kept")
    assert [line.regimen for line in kept.lines] == [line.regimen for line in run.lines]
    assert np.array_equal(kept.documents(10), run.documents(10))
    for mine, theirs in zip(kept.lines, run.lines, strict=True):
        assert np.array_equal(kept.counts(mine), run.counts(theirs))
        ours, others = line_spans(kept, mine).by_seed[1], line_spans(run, theirs).by_seed[1]
        assert np.array_equal(ours.start, others.start)
        assert np.array_equal(ours.confidence, others.confidence)
    for name in run.results:
        a, b = (read_course(each.folder.student(name)) for each in (kept, run))
        assert a is not None
        assert b is not None
        assert np.array_equal(a.examples, b.examples)
    for name in ("summary.md", "table.csv", "figure.png"):
        assert (tmp_path / "kept" / name).read_bytes() == (run.folder.results / name).read_bytes()


def test_kept_cells_in_a_run_folder_are_found_finished_and_looked_at(run: Run, tmp_path: Path) -> None:
    chosen = choose_lines(run, 10)
    assert chosen is not None
    before = look_where(run, chosen)
    keep_results(run, tmp_path / "kept")
    shutil.rmtree(run.folder.root / "cells")
    shutil.copytree(tmp_path / "kept" / "cells", run.folder.root / "cells")
    summary = run_experiment(run.settings, lambda line: None, train=False)
    assert "students are finished" not in summary
    again = look_where(open_run(run.folder.root), chosen)
    assert before is not None
    assert again is not None
    assert again.slices == before.slices
    assert again.errors == before.errors


def test_keeping_again_replaces_what_is_the_run_s_and_nothing_else(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    keep_results(run, kept)
    (kept / "halves.md").write_text("by hand\n")
    (kept / "cells" / "gone").mkdir()
    before = {name: content for name, content in contents(kept) if "halves" not in name}
    keep_results(run, kept)
    assert {name: content for name, content in contents(kept) if "halves" not in name} == before
    assert (kept / "halves.md").read_text() == "by hand\n"
    assert not (kept / "cells" / "gone").exists()
    # and a kept folder can be kept from
    keep_results(open_run(kept), tmp_path / "again")
    assert len(open_run(tmp_path / "again").results) == 6


def test_the_name_that_a_server_gives_its_model_loses_its_path(run: Run, tmp_path: Path) -> None:
    ledger = run.folder.annotation("news") / "ledger.json"
    content = json.loads(ledger.read_text())
    content["inputs"]["run"]["engine"] = {"kind": "openai", "model": "/home/somebody/models/qwen"}
    ledger.write_text(json.dumps(content))
    keep_results(run, tmp_path / "kept")
    kept = json.loads((tmp_path / "kept" / "annotations" / "news" / "ledger.json").read_text())
    assert kept["inputs"]["run"]["engine"]["model"] == "models/qwen"
    assert kept["sentences"] == content["sentences"]


@pytest.mark.parametrize(("spans", "number"), [("all", 6), ("one", 3), ("none", 0)])
def test_how_many_students_keep_their_mentions(run: Run, tmp_path: Path, spans: str, number: int) -> None:
    account = keep_results(run, tmp_path / "kept", spans=spans)  # type: ignore[arg-type]
    assert account.spans == number == len(list((tmp_path / "kept").rglob("spans.npz")))


def test_where_it_is_not_kept(run: Run, tmp_path: Path) -> None:
    for target in (run.folder.root, run.folder.root / "kept", tmp_path):
        with pytest.raises(InputError, match="name another"):
            keep_results(run, target)
    other = write_run(tmp_path / "other", sizes=(10,), seeds=(0,)).output
    with pytest.raises(InputError, match="is a run folder with corpora"):
        keep_results(run, other)
    assert (other / "cells").is_dir()


def test_other_files_of_the_results_are_not_copied(run: Run, tmp_path: Path) -> None:
    (run.folder.results / "notes.txt").write_text("a sentence\n")
    keep_results(run, tmp_path / "kept")
    assert not (tmp_path / "kept" / "notes.txt").exists()


def test_settings_lose_what_belongs_to_a_machine(tmp_path: Path) -> None:
    settings = run_settings(tmp_path, regimens=["simple_mix"], sizes=[10], seeds=[0])
    values = settings.model_dump()
    server = {"kind": "openai", "base_url": "http://gpu7.example.org:8000/v1", "model": "m"}
    values["annotator"] = {**values["annotator"], "engine": server}
    values["distilled"][0]["corpus"]["path"] = Path("/home/somebody/news.jsonl")
    neutral = neutral_settings(ExperimentSettings.model_validate(values))
    text = neutral.model_dump_json()
    assert str(tmp_path) not in text
    assert "gpu7" not in text
    assert neutral.student == Path(tmp_path.name, "encoder")
    assert neutral.output == Path("run")
    assert neutral.distilled[0].corpus.path == Path("somebody/news.jsonl")
    assert neutral.evaluation == settings.evaluation
    assert neutral_settings(neutral) == neutral
