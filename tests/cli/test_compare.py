from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from nerkd_local.cli.main import nerkd
from nerkd_local.errors import InputError
from tests.evidence.runs import write_run

SKILLS = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.6}


def call(*arguments: object) -> str:
    result = CliRunner().invoke(nerkd, ["compare", *map(str, arguments)], catch_exceptions=False, standalone_mode=False)
    return result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("compared"), skills=SKILLS, evaluation=100, sizes=(10,)).output


def test_the_table_and_the_verdicts_are_printed_and_written(run: Path, tmp_path: Path) -> None:
    said = call(run, "--csv", tmp_path / "out.csv", "--level", "0.9")
    assert "F1 (90% interval)" in said
    assert "10 original sentences: " in said
    assert "simple_mix has the highest F1" in said
    assert "2 comparisons, corrected for together (Holm), over 25 documents and 3 seeds" in said
    with (tmp_path / "out.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["regimen"] for row in rows] == ["simple_mix", "linear", "original_only"]
    assert [row["verdict"] for row in rows][::2] == ["better", ""]
    assert float(rows[0]["difference_f1_low"]) > 0


def test_another_reference_and_a_size(run: Path) -> None:
    assert "difference to linear" in call(run, "--to", "linear", "--size", "10")


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no settings.yaml; name the output folder of `nerkd run`"):
        call(tmp_path / "nowhere")


def test_a_run_without_a_finished_student_is_named(tmp_path: Path) -> None:
    unfinished = [f"{name}-seed0" for name in ("original_only-n10", "linear-n10-news")]
    settings = write_run(tmp_path, regimens=("original_only", "linear"), sizes=(10,), seeds=(0,), unfinished=unfinished)
    with pytest.raises(InputError, match="has no finished student"):
        call(settings.output)


def test_a_run_of_a_label_study_alone_is_named(tmp_path: Path) -> None:
    study = {"label_study": {"source": "news", "sizes": [10]}}
    settings = write_run(tmp_path, regimens=("linear",), sizes=(10,), seeds=(0,), more=study)
    (settings.output / "cells" / "linear-n10-news-seed0" / "result.json").unlink()
    with pytest.raises(InputError, match="has no finished student of its grid"):
        call(settings.output)


def test_a_run_scored_on_other_sentences_is_named(run: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path, sizes=(10,), seeds=(0,), evaluation=20).output
    with pytest.raises(InputError, match=f"{other}: .*scored on other sentences"):
        call(run, other)


def test_an_unknown_reference_is_answered_with_the_nearest(run: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'original_only'"):
        call(run, "--to", "orignal_only")


def test_no_run_at_all_is_a_usage_error() -> None:
    result = CliRunner().invoke(nerkd, ["compare"])
    assert result.exit_code == 2
    assert "RUN" in result.output
