"""Mixes with a selection: named after it, made of the labels it lets through, with an account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nerkd_local.annotate.folder import write_corpus
from nerkd_local.config.experiment import ExperimentSettings, load_experiment
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.evaluate.calibration import load_calibration
from nerkd_local.experiment import distilled
from nerkd_local.experiment.calibrate import calibrated_annotators, prepare_calibration
from nerkd_local.experiment.cells import list_cells, student_of
from nerkd_local.experiment.crossfit import CrossFitSettings
from nerkd_local.experiment.distilled import write_distilled
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import demonstration_ids, prepare
from nerkd_local.experiment.summary import selected_mixes, selection_cells
from nerkd_local.files import read_json
from nerkd_local.records import Document, Span, from_words
from nerkd_local.select.opinions import Opinion

SELECTIONS: dict[str, Any] = {
    "sure": {"kind": "threshold", "entity": 0.5},
    "right": {"kind": "weighted", "confidence": "calibrated"},
    "both": {"kind": "agreement"},
}


def changed(settings: ExperimentSettings, **changes: object) -> ExperimentSettings:
    return ExperimentSettings.model_validate({**settings.model_dump(), "selections": SELECTIONS, **changes})


def mixes(*selections: str | None) -> list[dict[str, Any]]:
    return [{"sources": ["news"], "selection": selection} for selection in selections]


def annotate(settings: ExperimentSettings) -> RunFolder:
    """As an annotator might: Ann is labelled everywhere, surely in every other sentence; the last one has no answer."""
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    documents = list(read_documents(folder.unlabelled("news")))
    labelled = []
    for number, document in enumerate(documents):
        end = document.tokens[0][1]
        meta = {"status": "annotated", "confidences": [0.9 if number % 2 else 0.1]}
        labelled.append(Document(document.id, document.text, document.tokens, (Span(0, end, "PER"),), meta))
    last = labelled[-1]
    labelled[-1] = Document(last.id, last.text, last.tokens, (), {"status": "looped"})
    write_documents(folder.annotation("news") / "annotations.jsonl", labelled)
    return folder


def test_a_selection_is_a_part_of_the_mixs_name_and_changes_no_others(settings: ExperimentSettings) -> None:
    settings = changed(settings, mixes=mixes(None, "sure"))
    folder = RunFolder(settings.output)
    cells = [cell for cell in list_cells(settings) if cell.original_size == 5]
    assert [cell.name for cell in cells] == ["mixed-n5-news-seed0", "mixed-n5-news~sure-seed0"]
    files = [student_of(cell, settings, folder).distilled for cell in cells]
    assert files == [folder.root / "annotations" / f"distilled-news{end}.jsonl" for end in ("", "~sure")]


def test_each_mix_has_its_labels_and_their_account(settings: ExperimentSettings) -> None:
    settings = changed(settings, mixes=mixes(None, "sure"))
    folder = annotate(settings)
    said: list[str] = []
    assert write_distilled(settings, folder, said.append) == {"news": 19, "news~sure": 19}
    plain, sure = (list(read_documents(folder.distilled(name))) for name in ("news", "news~sure"))
    assert plain == list(read_documents(folder.annotation("news") / "annotations.jsonl"))[:-1]
    assert [document.meta.get("token_weights") for document in sure] == [
        [0, 1, 1] if n % 2 == 0 else None for n in range(19)
    ]
    assert said[:2] == [
        "select news~sure",
        "sentences: 20 = 9 kept (sure) + 10 masked (unsure) + 1 dropped (unusable)\n"
        "entities: 19 = 9 kept (sure) + 10 masked (unsure)\nwords: 60 = 47 kept + 10 masked + 3 dropped",
    ]
    assert not folder.selection_ledger("news").exists()
    assert read_json(folder.selection_ledger("news~sure"))["policy"]["entity"] == 0.5
    headers, (cells,) = selection_cells(selected_mixes(settings, folder), folder)
    assert cells == (
        "news~sure",
        "threshold, confidence annotator, entity 0.5, sentence 0.0, sentence_by mean",
        *("9", "0", "10", "1", "9", "0", "10", "0"),
    )
    assert len(headers) == len(cells)


def test_students_are_asked_for_their_opinions_on_the_sources_usable_sentences(
    settings: ExperimentSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = changed(settings, mixes=mixes("both"), opinions={"folds": 3})
    folder = annotate(settings)
    asked: list[tuple[int, CrossFitSettings, Path]] = []

    def cross_fit(
        documents: Sequence[Document], fitting: CrossFitSettings, here: Path, *, say: Callable[[str], None]
    ) -> dict[str, Opinion]:
        asked.append((len(documents), fitting, here))
        return {document.id: Opinion(document.spans, (1.0,), (1.0,)) for document in documents}

    monkeypatch.setattr(distilled, "cross_fit", cross_fit)
    with pytest.raises(InputError, match="run without --no-train"):
        write_distilled(settings, folder, lambda line: None, train=False)
    assert write_distilled(settings, folder, lambda line: None) == {"news~both": 19}
    ((count, fitting, here),) = asked
    assert (count, here) == (19, folder.opinions("news"))
    assert (fitting.folds, fitting.also, fitting.labels) == (3, folder.original(5), ("PER", "LOC"))
    assert fitting.training == settings.training


def test_confidences_are_calibrated_on_originals_that_the_annotator_was_not_shown(settings: ExperimentSettings) -> None:
    assert calibrated_annotators(settings) == []
    settings = changed(settings, mixes=mixes("right", "sure"))
    assert calibrated_annotators(settings) == [None]
    folder = annotate(settings)
    with pytest.raises(InputError, match="too few sentences to calibrate"):
        prepare_calibration(changed(settings, annotator={**settings.annotator.model_dump(), "shots": 5}), folder)
    fewer = changed(settings, annotator={**settings.annotator.model_dump(), "shots": 2})
    prepare_calibration(fewer, folder)
    there = {document.id for document in read_documents(folder.calibration_corpus(None))}
    shown = demonstration_ids(fewer, folder)
    assert (len(there), len(shown)) == (3, 2)
    assert not there & shown
    assert folder.calibration("other").name == "calibration-other"
    # examples of its own for each sentence never are the sentence itself
    retrieving = {**settings.annotator.model_dump(), "shots": 5}
    retrieving["demonstrations"] = {"kind": "entity_knn", "encoder": "models/encoder"}
    folder.calibration_corpus(None).unlink()
    prepare_calibration(changed(settings, annotator=retrieving), folder)
    assert len(list(read_documents(folder.calibration_corpus(None)))) == 5
    with pytest.raises(InputError, match="holds another corpus"):
        write_corpus(folder.calibration_corpus(None), list(read_documents(folder.original(5)))[::-1])


def test_calibrated_confidences_weigh_the_labels_of_their_annotator(settings: ExperimentSettings) -> None:
    settings = changed(settings, mixes=mixes("right"))
    folder = annotate(settings)
    human = [from_words(f"h:{number}", ["Ann", "saw", "Bonn"], (Span(0, 3, "PER"),)) for number in range(60)]
    # three in four are right where the annotator says 0.9, one in four where it says 0.1
    given = []
    for number, document in enumerate(human):
        sure, right = number % 2 == 0, number % 8 not in (0, 3, 5, 7)
        spans = document.spans if right else (Span(0, 3, "LOC"),)
        given.append(replace(document, spans=spans, meta={"confidences": [0.9 if sure else 0.1]}))
    write_documents(folder.calibration_corpus(None), human)
    write_documents(folder.calibration(None) / "annotations.jsonl", given)
    write_distilled(settings, folder, lambda line: None)
    weights = [document.meta["token_weights"] for document in read_documents(folder.distilled("news~right"))]
    assert {tuple(each[1:]) for each in weights} == {(1, 1)}
    low, high = sorted({each[0] for each in weights})
    assert (low, high) == pytest.approx((0.25, 0.75), abs=0.05)
    fitted = load_calibration(folder.calibration(None) / "calibration.json")
    assert (fitted.spans, fitted.right) == (60, 30)
    write_documents(folder.calibration(None) / "annotations.jsonl", human)
    with pytest.raises(InputError, match=r"calibration/annotations\.jsonl: .* has no confidences"):
        write_distilled(settings, folder, lambda line: None)


def test_a_selection_that_leaves_nothing_is_refused(settings: ExperimentSettings) -> None:
    nothing = {"none": {"kind": "threshold", "sentence": 1.0}}
    settings = changed(settings, selections=nothing, mixes=mixes("none"))
    folder = annotate(settings)
    with pytest.raises(InputError, match=r"selections\.none leaves no sentence of news"):
        write_distilled(settings, folder, lambda line: None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mixes": mixes("shure")}, r"no selection is called 'shure' \(did you mean 'sure'\?\)"),
        ({"mixes": mixes("both"), "folds": {"count": 3}, "evaluation": None}, "goes by the original sentences"),
        ({"mixes": mixes("right"), "folds": {"count": 3}, "evaluation": None}, "goes by the original sentences"),
        ({"selections": {"A b": {"kind": "keep_all"}}}, "pattern"),
        ({"mixes": mixes("sure", "sure")}, "two mixes have the same name"),
    ],
)
def test_selections_that_cannot_be(settings: ExperimentSettings, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        changed(settings, **changes)


def test_folds_go_with_an_annotators_own_confidence(settings: ExperimentSettings) -> None:
    assert changed(settings, mixes=mixes("sure"), folds={"count": 3}, evaluation=None).all_mixes[0].name == "news~sure"


def test_a_policy_may_be_named_and_changed(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "configs" / "experiments" / "selection_cpu.yaml"
    settings = load_experiment(path, ["selections.agreement.disagreements=1"])
    assert settings.selections["agreement"].model_dump() == {
        "kind": "agreement",
        "disagreements": 1,
        "student_confidence": 0.5,
    }


def both_annotated(settings: ExperimentSettings) -> RunFolder:
    """19 usable sentences of news, and as many of the texts' as there are."""
    folder = annotate(settings)
    write_documents(folder.annotation("texts") / "annotations.jsonl", read_documents(folder.unlabelled("texts")))
    return folder


def test_amounts_nest_in_the_whole_mix_and_have_their_share_of_each_source(settings: ExperimentSettings) -> None:
    plain = changed(settings)
    folder = both_annotated(plain)
    counts = write_distilled(plain, folder, lambda line: None)
    before = folder.distilled("news+texts").read_bytes()
    texts = counts["news+texts"] - 19
    assert texts == 1
    amounts = changed(settings, mixes=[{"sources": ["news", "texts"], "amounts": [10, 11, "all"]}])
    assert write_distilled(amounts, folder, lambda line: None) == {
        "news+texts=10": 10,
        "news+texts=11": 11,
        "news+texts": 20,
    }
    assert folder.distilled("news+texts").read_bytes() == before
    whole, eleven, ten = (list(read_documents(folder.distilled(f"news+texts{end}"))) for end in ("", "=11", "=10"))
    # in the order of the whole file, each inside the next
    assert [document for document in whole if document in eleven] == eleven
    assert [document for document in eleven if document in ten] == ten
    # one in twenty is the text's, in the middle: at 1 of 1, after ten sentences of news, which are up to 19/19
    assert [sum(each.id.startswith("texts/") for each in documents) for documents in (ten, eleven)] == [0, 1]


def test_amounts_are_taken_after_selection_which_is_done_and_told_once(settings: ExperimentSettings) -> None:
    whole_sentences = {"kind": "threshold", "sentence": 0.5}
    mix = {"sources": ["news"], "selection": "sure", "amounts": [3, 5]}
    settings = changed(settings, selections={"sure": whole_sentences}, mixes=[mix])
    folder = annotate(settings)
    said: list[str] = []
    assert write_distilled(settings, folder, said.append) == {"news~sure=3": 3, "news~sure=5": 5}
    assert sum(line.startswith("select") for line in said) == 1
    whole = {document.id for document in read_documents(folder.distilled("news~sure"))}
    chosen = {document.id for document in read_documents(folder.distilled("news~sure=5"))}
    assert (len(whole), len(chosen & whole)) == (9, 5)
    assert folder.selection_ledger("news~sure").exists()
    assert not folder.selection_ledger("news~sure=3").exists()
    too_many = changed(settings, selections={"sure": whole_sentences}, mixes=[mix | {"amounts": [10]}])
    with pytest.raises(
        InputError, match=r"mixes: news~sure, of the sentences that may be learned from: .* 10 .* are 9"
    ):
        write_distilled(too_many, folder, lambda line: None)


def test_an_amount_beyond_the_usable_answers_is_refused(settings: ExperimentSettings) -> None:
    settings = changed(settings, mixes=[{"sources": ["news"], "amounts": [20]}])
    folder = annotate(settings)
    with pytest.raises(InputError, match=r"mixes: news, of the sentences with a usable answer: .* 20 .* are 19"):
        write_distilled(settings, folder, lambda line: None)
