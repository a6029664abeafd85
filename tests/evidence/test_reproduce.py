"""A run done again: what is found equal, what within noise, what is not, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nerkd_local import pipeline
from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.evidence.reproduce import reproduce
from nerkd_local.evidence.reproduction import Reproduction, describe_reproduction
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.students import Student, finished_students
from nerkd_local.files import read_json, write_json
from nerkd_local.records import CONFIDENCES, RAW_TAGS
from tests.evidence.runs import SKILLS, write_run, write_student


class Training:
    """Stands for the training of the students that are missing: each finds what it found the first time, but for the
    first so many mentions that `lost` says."""

    def __init__(self, settings: ExperimentSettings) -> None:
        self._settings = settings
        self.lost: dict[str, int] = {}
        self.trained: list[str] = []
        self.stop_after = 100
        self.threads: list[int | None] = []
        self.made_with: Mapping[str, Any] = {}

    def __call__(self, students: Sequence[Student], shared: Any, folder: RunFolder, say: Any) -> dict[str, Any]:
        self.threads.append(shared.training.threads)
        results = finished_students(students, shared, folder)
        for student in students:
            if student.name in results:
                continue
            if len(self.trained) == self.stop_after:
                raise InterruptedRun("stopped")
            self.trained.append(student.name)
            settings = self._settings.model_copy(update={"student": shared.student, "training": shared.training})
            result = dict(write_student(student, settings, folder, SKILLS.get(student.regimen, 0.65)))
            if student.name in self.lost:
                result["scores"] = lose(student, folder, self.lost[student.name])
            result["made_with"] = self.made_with
            write_json(folder.student(student.name) / "result.json", result)
            results[student.name] = result
        return results


def lose(student: Student, folder: RunFolder, count: int) -> dict[str, Any]:
    """Take the first so many right mentions out of what a student found; returns its scores."""
    (evaluation, path), here = *student.evaluations.items(), folder.student(student.name)
    gold = list(read_documents(path))
    found = []
    for human, document in zip(gold, read_documents(here / f"predictions-{evaluation}.jsonl"), strict=True):
        kept = []
        for span in document.spans:
            lost = span in human.spans and count > 0
            count -= lost
            kept += [] if lost else [span]
        fewer = replace(document, spans=tuple(kept))
        found.append(replace(fewer, meta={RAW_TAGS: spans_to_tags(fewer)}))
    assert count == 0
    write_documents(here / f"predictions-{evaluation}.jsonl", found)
    sides = [spans_to_tags(document) for document in gold], [spans_to_tags(document) for document in found]
    tables: dict[str, Any] = {evaluation: sentence_counts(*sides).astype(np.uint16)}
    np.savez(here / "counts.npz", **tables)
    return {evaluation: list(scores_to_rows(score_tags(*sides)))}


@pytest.fixture
def settings(tmp_path: Path) -> ExperimentSettings:
    return write_run(tmp_path, regimens=("original_only", "simple_mix"), sizes=(10,), seeds=(0, 1))


@pytest.fixture
def training(settings: ExperimentSettings, monkeypatch: pytest.MonkeyPatch) -> Training:
    stand_in = Training(settings)
    monkeypatch.setattr(pipeline, "run_students", stand_in)
    return stand_in


NAMES = (
    *("original_only-n10-seed0", "simple_mix-n10-news-seed0"),
    *("original_only-n10-seed1", "simple_mix-n10-news-seed1"),
)


def again(settings: ExperimentSettings, **options: Any) -> Reproduction:
    return reproduce(settings.output, lambda line: None, **options)


def verdicts(found: Reproduction, part: str) -> dict[str, str]:
    return {finding.name: finding.verdict for finding in found.findings if finding.part == part}


def test_a_run_that_comes_out_the_same_is_bit_equal_in_all_parts(
    settings: ExperimentSettings, training: Training
) -> None:
    found = again(settings)
    assert found.output == settings.output.with_name("run-reproduced")
    assert training.trained == list(NAMES)
    assert {finding.verdict for finding in found.findings} == {"bit-equal"}
    assert verdicts(found, "corpora") == dict.fromkeys(
        ("evaluation.jsonl", "hidden-news.jsonl", "original-10.jsonl", "unlabelled-news.jsonl"), "bit-equal"
    )
    assert verdicts(found, "annotations") == {"news": "bit-equal"}
    assert tuple(verdicts(found, "inputs")) == tuple(verdicts(found, "predictions")) == NAMES
    # micro strict, micro lenient, macro and each of the demo's types, by precision, recall, F1 and support
    types = len(settings.annotator.labels)
    assert len(verdicts(found, "scores")) == 4 * (3 + types) * 4
    # of two lines: F1, its interval, lenient F1, precision and recall; of one also the difference with its interval
    assert len(verdicts(found, "table")) == 2 * 6 + 3
    assert found.differs == []
    assert found.verdict.startswith("All ")
    written = read_json(found.output / "reproduce.json")
    assert written["verdict"] == found.verdict
    assert (found.output / "reproduce.md").read_text() == describe_reproduction(found)


def test_a_number_that_moves_less_than_another_seed_moves_it_is_within_noise(
    settings: ExperimentSettings, training: Training
) -> None:
    # one entity lost: less than there is between two seeds of the made-up students
    training.lost["simple_mix-n10-news-seed1"] = 1
    found = again(settings)
    assert verdicts(found, "inputs")["simple_mix-n10-news-seed1"] == "bit-equal"
    assert verdicts(found, "predictions") == {
        name: "within noise" if name == "simple_mix-n10-news-seed1" else "bit-equal" for name in NAMES
    }
    (finding,) = [each for each in found.findings if each.part == "predictions" and each.verdict == "within noise"]
    assert finding.first is not None
    assert finding.again is not None
    assert finding.bound is not None
    assert 0 < abs(finding.first - finding.again) <= finding.bound
    assert finding.detail.startswith("1 of 40 sentences labelled otherwise; F1 ")
    assert finding.detail.endswith("shown the same, with the same losses in all 20 steps")
    moved = [each.verdict for each in found.findings if each.part == "table" and each.name.startswith("simple_mix")]
    assert "within noise" in moved
    (together,) = [each for each in found.findings if each.part == "together"]
    assert together.again == pytest.approx((finding.again - finding.first) / 4)


def test_a_number_that_moves_more_differs(settings: ExperimentSettings, training: Training) -> None:
    training.lost["simple_mix-n10-news-seed1"] = 30
    found = again(settings)
    assert verdicts(found, "predictions")["simple_mix-n10-news-seed1"] == "differs"
    assert "simple_mix, 10, news, f1_mean" in {each.name for each in found.differs}
    assert "## What differs" in describe_reproduction(found)


def test_without_a_second_seed_nothing_is_within_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,))
    training = Training(settings)
    monkeypatch.setattr(pipeline, "run_students", training)
    training.lost["original_only-n10-seed0"] = 1
    found = again(settings)
    (finding,) = [each for each in found.findings if each.part == "predictions"]
    assert (finding.verdict, finding.bound) == ("differs", None)


def test_all_students_moving_as_one_is_found_where_no_single_one_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regimens = ("original_only", "mixed", "linear", "cosine", "simple_mix", "reverse", "exponential", "sigmoid_decay")
    settings = write_run(tmp_path, regimens=regimens, sizes=(10,), seeds=(0, 1, 2), evaluation=80)
    training = Training(settings)
    monkeypatch.setattr(pipeline, "run_students", training)
    # three entities of every student: a point or two of F1, where another seed moves more
    training.lost = dict.fromkeys((path.name for path in (settings.output / "cells").iterdir()), 3)
    found = again(settings)
    assert len(training.trained) == len(regimens) * 3
    single = list(verdicts(found, "predictions").values())
    assert set(single) == {"within noise"}
    assert verdicts(found, "together") == {f"mean difference in strict F1 of {len(single)} students": "differs"}


def test_other_corpora_and_labels_are_told_with_their_sentences(
    settings: ExperimentSettings, training: Training, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "data", tmp_path / "other")
    news = tmp_path / "other" / "news.jsonl"
    rows = [json.loads(line) for line in news.read_text().splitlines()]
    rows[3]["text"], rows[3]["tokens"], rows[3]["spans"] = "It rained .", [[0, 2], [3, 9], [10, 11]], []
    news.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    answers = tmp_path / "answers.jsonl"
    answers.write_text(answers.read_text() + '{"text": "It rained .", "answer": "NONE"}\n')
    found = again(settings, overrides=[f"data_root={tmp_path / 'other'}"])
    assert verdicts(found, "corpora") == {
        "evaluation.jsonl": "bit-equal",
        "hidden-news.jsonl": "differs",
        "original-10.jsonl": "bit-equal",
        "unlabelled-news.jsonl": "differs",
    }
    details = {each.name: each.detail for each in found.differs}
    assert details["unlabelled-news.jsonl"] == "1 of 30 sentences have another text or other labels"
    assert details["news"].startswith("1 of 30 sentences have another text or other labels; asked otherwise: ")
    assert "distilled (there " in details["simple_mix-n10-news-seed0"]
    assert verdicts(found, "inputs")["original_only-n10-seed0"] == "bit-equal"


def test_another_encoder_is_another_input(settings: ExperimentSettings, training: Training, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"other": 1}')
    found = again(settings, overrides=[f"student={tmp_path / 'other'}"])
    assert set(verdicts(found, "inputs").values()) == {"differs"}
    assert "student (there " in found.differs[0].detail
    assert f"`--set student={tmp_path / 'other'}`" in describe_reproduction(found)


def test_some_students_by_name(settings: ExperimentSettings, training: Training) -> None:
    found = again(settings, students=["*-seed1"])
    assert found.students == tuple(training.trained) == NAMES[2:]
    assert found.of == 4
    # the table's lines have two seeds, of which one was repeated
    assert verdicts(found, "table") == {}
    assert "2 of 4 students" in describe_reproduction(found)


def test_a_sample_is_always_the_same_and_of_the_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0, 1), unfinished=["linear-n10-news-seed0"])
    training = Training(settings)
    monkeypatch.setattr(pipeline, "run_students", training)
    found = again(settings, sample=3)
    assert len(found.students) == 3
    assert "linear-n10-news-seed0" not in found.students
    assert again(settings, sample=3).students == found.students
    assert len(training.trained) == 3
    with pytest.raises(InputError, match="--sample 6: 5 students are finished"):
        again(settings, sample=6)


def test_a_run_with_unfinished_students_is_refused(tmp_path: Path) -> None:
    settings = write_run(tmp_path, sizes=(10,), seeds=(0,), unfinished=["linear-n10-news-seed0"])
    with pytest.raises(InputError, match=r"run: 1 of 3 students are not finished, the first is linear-n10-news-seed0"):
        again(settings)
    assert not settings.output.with_name("run-reproduced").exists()


def test_a_name_that_fits_nobody_is_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(InputError, match=r"--students: no student is called 'simple_mux-\*'"):
        again(settings, students=["simple_mux-*"])


def test_corpora_that_are_gone_are_named(settings: ExperimentSettings, training: Training, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"elsewhere/train\.jsonl: the corpus is not there, .*--set data_root=FOLDER"):
        again(settings, overrides=[f"data_root={tmp_path / 'elsewhere'}"])


@pytest.mark.parametrize("place", ["run", "run/again", "."])
def test_an_output_in_one_folder_with_the_run_is_refused(
    settings: ExperimentSettings, tmp_path: Path, place: str
) -> None:
    with pytest.raises(InputError, match="name another --output"):
        again(settings, output=tmp_path / place)


def test_it_goes_on_where_it_was_stopped(settings: ExperimentSettings, training: Training) -> None:
    training.stop_after = 1
    with pytest.raises(InterruptedRun):
        again(settings)
    training.stop_after = 100
    assert again(settings).differs == []
    assert training.trained == list(NAMES)


def test_annotations_can_be_taken_as_they_are(settings: ExperimentSettings, training: Training, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").unlink()
    with pytest.raises(InputError):
        again(settings)
    found = again(settings, output=tmp_path / "second", reuse_annotations=True)
    assert verdicts(found, "annotations") == {"news": "not compared"}
    assert found.differs == []
    assert "Not compared: news (taken from the first run, and not made again)." in describe_reproduction(found)
    # nor is it called made again where the same call goes on without the option
    found = again(settings, output=tmp_path / "second")
    assert verdicts(found, "annotations") == {"news": "not compared"}


def test_annotations_that_are_not_there_cannot_be_taken(settings: ExperimentSettings) -> None:
    (settings.output / "annotations" / "news" / "annotations.jsonl").unlink()
    with pytest.raises(InputError, match="is not there to be used again"):
        again(settings, reuse_annotations=True)


def test_what_was_made_otherwise_stands_beside_the_numbers(settings: ExperimentSettings, training: Training) -> None:
    training.made_with = {"torch": "2.0", "threads": 1, "commit": None}
    found = again(settings)
    assert found.made_with == (("torch", "not recorded", "2.0"), ("threads", "not recorded", "1"))
    assert found.threads is None
    assert "is not recorded; another number is another rounding" in describe_reproduction(found)


def test_students_are_trained_with_as_many_threads_as_the_first_ones(
    settings: ExperimentSettings, training: Training
) -> None:
    for name in NAMES:
        path = settings.output / "cells" / name / "result.json"
        write_json(path, {**read_json(path), "made_with": {"threads": 3}})
    training.made_with = {"threads": 3}
    found = again(settings)
    assert (found.threads, training.threads) == (3, [3])
    assert found.made_with == ()
    again(settings, output=settings.output.with_name("other"), overrides=["training.threads=1"])
    assert training.threads == [3, 1]


def test_results_without_texts_are_compared_by_their_counts(settings: ExperimentSettings, training: Training) -> None:
    for name in NAMES:
        (settings.output / "cells" / name / "predictions-evaluation.jsonl").unlink()
    found = again(settings)
    details = {each.detail for each in found.findings if each.part == "predictions"}
    assert details == {"counts of every sentence"}
    training.lost["simple_mix-n10-news-seed1"] = 1
    moved = again(settings, output=settings.output.with_name("other"))
    details = {each.detail.partition(";")[0] for each in moved.findings if each.part == "predictions"}
    assert details == {"1 of 40 sentences with other counts", "counts of every sentence"}


def rewrite(path: Path, change: Any) -> None:
    """Change the meta of every sentence of a file of predictions."""
    documents = [replace(document, meta=change(dict(document.meta))) for document in read_documents(path)]
    write_documents(path, documents)


def test_what_another_version_writes_beside_the_labels_is_no_difference(
    settings: ExperimentSettings, training: Training
) -> None:
    path = settings.output / "cells" / NAMES[0] / "predictions-evaluation.jsonl"
    rewrite(path, lambda meta: {**meta, "of_labels": []})
    assert verdicts(again(settings), "predictions") == dict.fromkeys(NAMES, "bit-equal")


def test_other_confidences_in_the_same_labels_are_noise(settings: ExperimentSettings, training: Training) -> None:
    path = settings.output / "cells" / NAMES[0] / "predictions-evaluation.jsonl"
    rewrite(path, lambda meta: {**meta, CONFIDENCES: [max(sure - 0.125, 0) for sure in meta[CONFIDENCES]]})
    (finding,) = [each for each in again(settings).findings if each.verdict != "bit-equal"]
    assert (finding.part, finding.name, finding.verdict) == ("predictions", NAMES[0], "within noise")
    assert finding.detail.startswith("0 of 40 sentences labelled otherwise, confidences up to 0.12 apart; F1 ")


def test_a_run_folder_of_its_own_is_not_taken_for_a_reproduction(
    settings: ExperimentSettings, training: Training
) -> None:
    # its students would be found finished, and everything bit-equal with nothing trained
    copied = settings.output.with_name("run-reproduced")
    shutil.copytree(settings.output, copied)
    before = (copied / "settings.yaml").read_bytes()
    with pytest.raises(InputError, match="run-reproduced: is a run folder of its own, and no reproduction"):
        again(settings)
    assert training.trained == []
    assert (copied / "settings.yaml").read_bytes() == before


def test_settings_without_the_students_that_are_asked_for_are_refused(
    settings: ExperimentSettings, training: Training
) -> None:
    expected = r"--set: .* 2 of the 4 students do not exist, the first is original_only-n10-seed1"
    with pytest.raises(InputError, match=expected):
        again(settings, overrides=["seeds=[0]"])
    assert not settings.output.with_name("run-reproduced").exists()
    assert again(settings, students=["*-seed0"], overrides=["seeds=[0]"]).differs == []


def test_a_stopped_reproduction_says_that_it_is_not_finished(settings: ExperimentSettings, training: Training) -> None:
    output = again(settings, students=["original_only-n10-seed0"]).output
    training.stop_after = 2
    with pytest.raises(InterruptedRun):
        again(settings)
    assert read_json(output / "reproduce.json")["verdict"] == "not finished"
    assert not (output / "reproduce.md").exists()


def test_what_is_not_made_again_is_named(settings: ExperimentSettings, training: Training) -> None:
    write_documents(settings.output / "corpus" / "annotator-study.jsonl", [])
    shutil.copytree(settings.output / "annotations" / "news", settings.output / "annotations" / "study-standard-lines")
    found = again(settings)
    assert verdicts(found, "corpora")["annotator-study.jsonl"] == "not compared"
    assert verdicts(found, "annotations") == {"news": "bit-equal", "study-standard-lines": "not compared"}
    assert found.verdict.endswith("findings are bit-equal. 2 more are not compared.")
    expected = "Not compared: annotator-study.jsonl, study-standard-lines (not made again)."
    assert expected in describe_reproduction(found)


def test_an_output_among_the_settings_is_refused(settings: ExperimentSettings) -> None:
    # it would not be heard
    with pytest.raises(InputError, match="--set output: name the new folder with --output"):
        again(settings, overrides=["output=elsewhere"])
