"""Who trains on what when no student may have seen what it speaks of."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.config.experiment import TrainingSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.experiment import crossfit
from nerkd_local.experiment.crossfit import CrossFitSettings, cross_fit, deal, folded_mentions
from nerkd_local.records import Document, Span, from_words
from tests.experiment.small_students import train_in_process

TRAINING = {"steps": 40, "batch_size": 4, "max_tokens": 32, "stride": 8, "precision": "fp32", "threads": 1}


def sentence(number: int, name: str, place: str, label: str = "LOC") -> Document:
    spans = (Span(0, len(name), "PER"), Span(len(name) + 10, len(name) + 10 + len(place), label))
    return from_words(f"s:{number}", [name, "lives", "in", place], spans, {"document": f"text-{number // 2}"})


def sentences() -> list[Document]:
    names, places = ["anna", "karl", "berlin7", "old3"], ["paris", "berlin", "town9"]
    return [sentence(number, names[number % 4], places[number % 3]) for number in range(12)]


@pytest.fixture
def settings(tiny_encoder: Path) -> CrossFitSettings:
    training = TrainingSettings.model_validate({**TRAINING, "learning_rate": 1e-2})
    return CrossFitSettings(
        student=tiny_encoder, labels=("PER", "LOC"), folds=3, training=training, entity_disjoint=False
    )


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return train_in_process(monkeypatch, crossfit)


def test_texts_stay_whole_and_no_student_sees_its_own_fold() -> None:
    documents = sentences()
    folds = deal(documents, 3, 1, entity_disjoint=False)
    assert sorted(d.id for fold in folds for d in fold.held_out) == sorted(d.id for d in documents)
    for fold in folds:
        assert {d.id for d in fold.training} == {d.id for d in documents} - {d.id for d in fold.held_out}
        texts = {d.meta["document"] for d in fold.held_out}
        assert texts.isdisjoint(d.meta["document"] for d in fold.training)


def test_entity_disjoint_students_see_no_mention_of_their_fold_in_any_spelling() -> None:
    documents = [sentence(0, "Anna", "Paris"), sentence(2, "ANNA", "Rome"), sentence(4, "Karl", "Oslo")]
    assert folded_mentions(from_words("d", ["Ada", "of", "York"], (Span(0, 11, "PER"),))) == {"ada of york"}
    seen = {
        tuple(d.id for d in fold.held_out): ([d.id for d in fold.training], fold.shared)
        for fold in deal(documents, 3, 1, entity_disjoint=True)
    }
    assert seen == {("s:0",): (["s:4"], 1), ("s:2",): (["s:4"], 1), ("s:4",): (["s:0", "s:2"], 0)}


def test_a_student_left_without_training_data_is_refused() -> None:
    documents = [sentence(number, "anna", "paris") for number in range(0, 8, 2)]
    problem = r"all documents with a mention outside fold 0 share one, or their text, .* entity_disjoint to false"
    with pytest.raises(InputError, match=problem):
        deal(documents, 4, 1, entity_disjoint=True)
    # sentences without a mention would teach that there are none
    empty = [from_words(f"e:{number}", ["it", f"rained{number}"]) for number in range(4)]
    with pytest.raises(InputError, match="all documents with a mention outside fold"):
        deal([*documents, *empty], 4, 1, entity_disjoint=True)
    assert [len(fold.training) for fold in deal(empty, 4, 1, entity_disjoint=True)] == [3, 3, 3, 3]


def test_a_sentence_that_stands_in_the_fold_too_is_not_trained_on() -> None:
    twice = [sentence(0, "anna", "paris"), sentence(2, "anna", "paris", "PER"), sentence(4, "karl", "rome")]
    folds = {fold.held_out[0].id: fold for fold in deal(twice, 3, 1, entity_disjoint=False)}
    assert [d.id for d in folds["s:0"].training] == [d.id for d in folds["s:2"].training] == ["s:4"]
    assert [d.id for d in folds["s:4"].training] == ["s:0", "s:2"]
    assert [folds[id].shared for id in ("s:0", "s:2", "s:4")] == [1, 1, 0]


def test_opinions_are_of_the_labels_and_tell_a_wrong_one(
    settings: CrossFitSettings, tmp_path: Path, trained: list[str]
) -> None:
    documents = sentences()
    documents[5] = sentence(5, "karl", "paris", "PER")  # eleven others say that a town is a place
    said: list[str] = []
    opinions = cross_fit(documents, settings, tmp_path / "fit", say=said.append)
    assert list(opinions) == [document.id for document in documents]
    assert all(len(opinions[d.id].of_labels) == len(d.spans) for d in documents)
    wrong = opinions["s:5"].of_labels[1]
    assert wrong < 0.5
    assert wrong == min(probability for opinion in opinions.values() for probability in opinion.of_labels)
    assert Span(14, 19, "LOC") in opinions["s:5"].spans
    assert len(trained) == 3
    assert sum("held out, trained on 8" in line for line in said) == 1
    # the same words stand in another text
    assert sum("trained on 7; 1 share the text with it and are left out" in line for line in said) == 2
    assert not list(tmp_path.rglob("*.safetensors"))

    assert cross_fit(documents, settings, tmp_path / "fit", say=said.append) == opinions
    assert len(trained) == 3
    for changed, what in (
        (replace(documents[0], spans=()), "documents"),
        (documents[0], "entity_disjoint"),
    ):
        other = settings.model_copy(update={"entity_disjoint": what == "entity_disjoint"})
        with pytest.raises(InputError, match=f"made with other {what}; choose another folder"):
            cross_fit([changed, *documents[1:]], other, tmp_path / "fit", say=said.append)


def test_finished_folds_are_not_trained_again(
    settings: CrossFitSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[str]
) -> None:
    whole = cross_fit(sentences(), settings, tmp_path / "whole", say=lambda line: None)
    trained.clear()
    all_of_them = crossfit.run_students

    def one_and_no_more(students: list[Any], *rest: Any) -> dict[str, Any]:
        all_of_them(students[:1], *rest)
        raise InterruptedRun("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(crossfit, "run_students", one_and_no_more)
        with pytest.raises(InterruptedRun):
            cross_fit(sentences(), settings, tmp_path / "fit", say=lambda line: None)
    assert trained == ["fold-0"]
    assert cross_fit(sentences(), settings, tmp_path / "fit", say=lambda line: None) == whole
    assert trained == ["fold-0", "fold-1", "fold-2"]


def test_documents_that_are_always_trained_on_are_the_original_ones(settings: CrossFitSettings, tmp_path: Path) -> None:
    also = tmp_path / "also.jsonl"
    write_documents(also, [sentence(90, "anna", "town9")])
    fitted = settings.model_copy(update={"also": also})
    opinions = cross_fit(sentences(), fitted, tmp_path / "fit", say=lambda line: None)
    assert len(opinions) == 12
    shown = (tmp_path / "fit" / "cells" / "fold-1" / "exposure.jsonl").read_text()
    assert '"s:90"' in shown
    held_out = {d.id for d in read_documents(tmp_path / "fit" / "corpus" / "held-out-1.jsonl")}
    assert held_out
    assert not any(f'"{id}"' in shown for id in held_out)
    shutil.rmtree(tmp_path / "fit")
    other = fitted.model_copy(update={"regimen": "sigmoid_decaying"})
    with pytest.raises(InputError, match="no settings are called 'sigmoid_decaying'"):
        cross_fit(sentences(), other, tmp_path / "fit", say=lambda line: None)


def test_a_label_outside_the_set_is_refused(settings: CrossFitSettings, tmp_path: Path) -> None:
    bad = [*sentences()[:-1], sentence(11, "anna", "paris", "TOWN")]
    with pytest.raises(InputError, match="label 'TOWN' of 'paris'"):
        cross_fit(bad, settings, tmp_path / "fit", say=lambda line: None)
