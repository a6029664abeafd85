"""From named corpora to the files of an experiment: who is in, who is left out, and that the labels are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import prepare
from nerkd_local.files import write_json
from tests.experiment.conftest import sentence


def texts(path: Path) -> set[str]:
    return {document.text for document in read_documents(path)}


def test_sources_share_no_text_and_subsets_nest(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    small, large = texts(folder.original(5)), texts(folder.original(10))
    news = texts(folder.unlabelled("news"))
    evaluation = texts(folder.evaluation)
    assert (len(small), len(large), len(news), len(evaluation)) == (5, 10, 20, 10)
    assert small < large
    assert not large & evaluation
    assert not news & (large | evaluation)
    assert report["original"]["also_in_evaluation"] == [f"train:{number}" for number in range(5)]
    assert len(report["distilled"]["news"]["also_in_original"]) == 10
    assert report["distilled"]["news"]["excluded"] == 15
    # running text is compared without regard to tokens; its other sentence stays
    assert texts(folder.unlabelled("texts")) == {"It rained there."}


def test_labels_are_hidden_from_the_annotator_and_kept_for_its_score(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    shown = list(read_documents(folder.unlabelled("news")))
    hidden = list(read_documents(folder.hidden("news")))
    assert not any(document.spans for document in shown)
    assert all(len(document.spans) == 2 for document in hidden)
    assert [document.id for document in shown] == [document.id for document in hidden]
    assert all(document.id.startswith("news/train:") for document in shown)
    assert not folder.hidden("texts").exists()


def test_duplicates_can_be_allowed_and_are_counted_all_the_same(settings: ExperimentSettings) -> None:
    allowed = settings.model_copy(
        update={"exclude_duplicates": False, "original": settings.original.model_copy(update={"sizes": (45,)})}
    )
    report = prepare(allowed, RunFolder(settings.output))
    assert (report["original"]["excluded"], len(report["original"]["also_in_evaluation"])) == (0, 5)


def test_a_second_call_writes_nothing(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    first = prepare(settings, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")}
    assert prepare(settings, folder) == first
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")} == times


def test_other_sizes_or_changed_files_are_refused(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings.model_copy(update={"sample_seed": 1}), folder)
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings, folder)


def test_files_that_were_prepared_when_corpora_had_fewer_settings_stay_good(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    made_from = report["made_from"]["settings"]
    corpora = [made_from["evaluation"], *(part["corpus"] for part in (made_from["original"], *made_from["distilled"]))]
    for corpus in corpora:
        assert (corpus.pop("column"), corpus.pop("nested")) == (None, "refuse")
    write_json(folder.preparation, report)
    assert prepare(settings, folder) == report
    assert settings.evaluation
    other = settings.evaluation.model_copy(update={"nested": "outermost"})
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings.model_copy(update={"evaluation": other}), folder)


def test_prepared_files_do_without_the_corpora_they_came_from(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    elsewhere = settings.model_copy(update={"data_root": settings.data_root / "not_there"})
    assert prepare(elsewhere, folder) == report


def test_a_corpus_that_is_gone_does_not_hide_another_that_changed(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    (settings.data_root / "texts" / "a.txt").unlink()
    (settings.data_root / "texts").rmdir()
    prepare(settings, folder)
    with (settings.data_root / "dev.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="a corpus has changed since"):
        prepare(settings, folder)


def test_two_regimens_of_one_name_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="two regimens have the same name"):
        ExperimentSettings.model_validate({**settings.model_dump(), "regimens": ["mixed", "my/mixed.yaml"]})


def test_an_unreadable_source_leaves_nothing_behind(settings: ExperimentSettings) -> None:
    (settings.data_root / "texts" / "b.txt").write_bytes(b"\xa3")
    with pytest.raises(InputError, match=r"b\.txt:1: byte 0xa3 at offset 0 is not utf-8"):
        prepare(settings, RunFolder(settings.output))
    assert list(settings.output.iterdir()) == []


def test_too_few_sentences_are_refused_and_nothing_says_it_is_done(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    many = settings.model_copy(update={"original": settings.original.model_copy(update={"sizes": (41,)})})
    with pytest.raises(InputError, match=r"train\.conll: original\.sizes: a subset of 41 .* but there are 40"):
        prepare(many, folder)
    assert list(folder.root.iterdir()) == []


def test_an_undeclared_label_is_named_with_its_line(settings: ExperimentSettings) -> None:
    (settings.data_root / "train.conll").write_text(sentence(1) + sentence(2).replace("LOC", "CITY"))
    with pytest.raises(InputError, match=r"train\.conll:7: label 'CITY' of 'Bonn'"):
        prepare(settings, RunFolder(settings.output))


def folded(settings: ExperimentSettings, **changes: object) -> ExperimentSettings:
    original = {"corpus": {"path": "train.conll"}, "sizes": [10]}
    values = settings.model_dump() | {"evaluation": None, "folds": {"count": 3}, "original": original} | changes
    return ExperimentSettings.model_validate(values)


def test_folds_divide_the_original_sentences_and_training_files_leave_them_out(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(folded(settings), folder)
    everything = texts(folder.original(10))
    folds = [texts(folder.fold(10, fold)) for fold in range(3)]
    # two worked examples show both types; four are asked for, so four stay out of the folds
    shown = everything - folds[0] - folds[1] - folds[2]
    assert len(shown) == 4
    assert sorted(map(len, folds)) == [2, 2, 2]
    assert report["folds"]["10"] == {"sentences": [2, 2, 2], "worked_examples": 4}
    for fold in range(3):
        assert texts(folder.original(10, [fold])) == everything - folds[fold]
    assert texts(folder.original(10, [0, 2])) == everything - folds[0] - folds[2]
    assert not texts(folder.unlabelled("news")) & everything
    assert not folder.evaluation.exists()
    assert prepare(folded(settings), folder) == report


def test_worked_examples_differ_in_number_and_so_do_the_folds(settings: ExperimentSettings) -> None:
    prepare(folded(settings), RunFolder(settings.output))
    annotator = settings.annotator.model_copy(update={"shots": 1}).model_dump()
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(folded(settings, annotator=annotator), RunFolder(settings.output))


def test_too_few_sentences_for_the_folds_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(InputError, match=r"train\.conll: folds\.count: 7 folds .* come from 6 documents"):
        prepare(folded(settings, folds={"count": 7}), RunFolder(settings.output))
    assert list(settings.output.iterdir()) == []


def test_folds_do_not_go_with_retrieved_examples(settings: ExperimentSettings) -> None:
    retrieving = {"kind": "entity_knn", "encoder": "models/encoder"}
    values = settings.model_dump() | {"evaluation": None, "folds": {"count": 3}}
    ExperimentSettings.model_validate(values)
    values["annotator"] |= {"demonstrations": retrieving, "shots": 2}
    with pytest.raises(ValidationError, match="from which worked examples are retrieved; give an evaluation corpus"):
        ExperimentSettings.model_validate(values)
    values["annotator"]["shots"] = 0
    ExperimentSettings.model_validate(values)


def test_with_folds_a_sentence_that_stands_twice_is_left_out_once(settings: ExperimentSettings) -> None:
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(sentence(20))
    report = prepare(folded(settings), RunFolder(settings.output))
    assert (report["original"]["repeated"], report["original"]["excluded"]) == (["train:45"], 1)


def test_the_same_sentences_in_folds_and_an_evaluation_corpus_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="give either `evaluation`"):
        folded(settings, evaluation={"path": "dev.conll"})
    with pytest.raises(ValidationError, match="give either `evaluation`"):
        folded(settings, folds=None)
