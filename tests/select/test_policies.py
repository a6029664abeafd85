"""What each policy rules on sentences whose answer can be told by hand."""

from __future__ import annotations

from typing import Any

import pytest

from nerkd_local.records import SELECTED, TOKEN_WEIGHTS, Document, Span, from_words
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.run import select_documents
from nerkd_local.select.settings import (
    AgreementSettings,
    KeepAllSettings,
    Policy,
    PolicyFile,
    ThresholdSettings,
    WeightedSettings,
)

ANN, NEW_YORK, BONN = Span(0, 3, "PER"), Span(8, 16, "LOC"), Span(21, 25, "LOC")
WORDS = ["Ann", "saw", "New", "York", "and", "Bonn"]


def labelled(*spans: Span, id: str = "a", **meta: Any) -> Document:
    return from_words(id, WORDS, spans, meta)


def one(document: Document, policy: Policy, opinion: Opinion | None = None) -> tuple[Document | None, Any]:
    documents, ledger = select_documents([document], policy, {document.id: opinion} if opinion else None)
    return next(documents, None), ledger


def rulings(document: Document) -> tuple[str, list[str]]:
    selected = document.meta[SELECTED]
    sentence, entities = selected["sentence"], selected["entities"]
    return " ".join(sentence.values()), [" ".join(each.values()) for each in entities]


@pytest.mark.parametrize(
    ("entity", "sentence", "by", "expected", "weights"),
    [
        (0.2, 0.0, "mean", ("kept sure", ["kept sure"] * 3), None),
        (0.5, 0.0, "mean", ("masked unsure", ["kept sure", "masked unsure", "kept sure"]), [1, 1, 0, 0, 1, 1]),
        (0.95, 0.0, "mean", ("masked unsure", ["masked unsure"] * 3), [0, 1, 0, 0, 1, 0]),
        (0.0, 0.5, "mean", ("kept sure", ["kept sure"] * 3), None),  # their mean is 0.6: as much as 0.9 + 0.2 + 0.7
        (0.0, 0.61, "mean", None, None),
        (0.0, 0.5, "min", None, None),
        (0.0, 0.2, "min", ("kept sure", ["kept sure"] * 3), None),
    ],
)
def test_a_threshold(entity: float, sentence: float, by: Any, expected: Any, weights: list[float] | None) -> None:
    document = labelled(ANN, NEW_YORK, BONN, confidences=[0.9, 0.2, 0.7])
    policy = ThresholdSettings(entity=entity, sentence=sentence, sentence_by=by)
    selected, ledger = one(document, policy)
    if expected is None:
        assert selected is None
        assert ledger.to_json()["entities"] == {"kept": 0, "weighted": 0, "masked": 0, "dropped": 3}
        return
    assert selected is not None
    assert rulings(selected) == expected
    assert selected.meta.get(TOKEN_WEIGHTS) == weights
    assert selected.spans == document.spans


def test_weights_are_the_confidences_and_those_it_came_with_are_multiplied() -> None:
    document = labelled(ANN, NEW_YORK, BONN, confidences=[1.0, 0.25, 0], token_weights=[1, 1, 2, 1, 0.5, 1])
    selected, ledger = one(document, WeightedSettings())
    assert selected is not None
    assert rulings(selected) == (
        "weighted confidence",
        ["kept confidence", "weighted confidence", "masked confidence"],
    )
    assert selected.meta[TOKEN_WEIGHTS] == [1, 1, 0.5, 0.25, 0.5, 0]
    assert ledger.to_json()["words"] == {"kept": 3, "weighted": 2, "masked": 1, "dropped": 0}
    sure, _ = one(labelled(ANN, confidences=[1]), WeightedSettings())
    assert sure is not None
    assert rulings(sure) == ("kept confidence", ["kept confidence"])
    assert TOKEN_WEIGHTS not in sure.meta


BY_STUDENT = [
    # the student's spans with its confidences, the sentence, the entities, the weights, how many were missed
    ([(ANN, 0.9), (NEW_YORK, 0.1)], "kept agreed", ["kept agreed", "kept agreed"], None, 0),
    ([(ANN, 0.9)], "masked disputed", ["kept agreed", "masked disputed"], [1, 1, 0, 0, 1, 1], 0),
    (
        # another type, and other borders: one disagreement each, the words of both masked
        [(Span(0, 7, "PER"), 0.9), (Span(8, 16, "ORG"), 0.9)],
        "masked disputed",
        ["masked disputed", "masked disputed"],
        [0, 0, 0, 0, 1, 1],
        0,
    ),
    ([(ANN, 0.9), (NEW_YORK, 0.9), (BONN, 0.5)], "masked missed", ["kept agreed"] * 2, [1, 1, 1, 1, 1, 0], 1),
    ([(ANN, 0.9), (NEW_YORK, 0.9), (BONN, 0.49)], "kept agreed", ["kept agreed"] * 2, None, 0),
    ([(BONN, 0.9)], None, ["dropped disagreements"] * 2, None, 0),
]


@pytest.mark.parametrize(("student", "sentence", "entities", "weights", "missed"), BY_STUDENT)
def test_agreement(
    student: list[tuple[Span, float]],
    sentence: str | None,
    entities: list[str],
    weights: list[float] | None,
    missed: int,
) -> None:
    opinion = Opinion(tuple(span for span, _ in student), tuple(sure for _, sure in student), (0.5, 0.5))
    selected, ledger = one(labelled(ANN, NEW_YORK), AgreementSettings(disagreements=2), opinion)
    why = ledger.to_json()["entities_why"]
    found = [f"{row['decision']} {row['reason']}" for row in why for _ in range(row["count"])]
    assert found == sorted(entities)
    assert ledger.missed == missed
    if sentence is None:
        assert selected is None
        return
    assert selected is not None
    assert rulings(selected) == (sentence, entities)
    assert selected.meta.get(TOKEN_WEIGHTS) == weights


def test_a_sentence_without_entities_is_kept_unless_the_student_finds_some() -> None:
    nothing = Opinion((), (), ())
    selected, _ = one(labelled(), AgreementSettings(), nothing)
    assert selected is not None
    assert rulings(selected) == ("kept no_entities", [])
    found = Opinion((ANN, BONN), (0.9, 0.8), ())
    selected, _ = one(labelled(), AgreementSettings(), found)
    assert selected is not None
    assert rulings(selected) == ("masked missed", [])
    assert selected.meta[TOKEN_WEIGHTS] == [0, 1, 1, 1, 1, 0]
    by_student = ThresholdSettings(confidence="student", sentence=0.11)
    assert one(labelled(), by_student, found)[0] is None  # 1 - 0.9
    assert one(labelled(), by_student, nothing)[0] is not None


def test_an_annotator_that_was_unsure_of_an_empty_answer() -> None:
    policy = ThresholdSettings(sentence=0.5)
    assert one(labelled(answer_logprob=-0.7), policy)[0] is None  # exp(-0.7) is 0.497
    assert one(labelled(answer_logprob=-0.69), policy)[0] is not None
    assert one(labelled(), policy)[0] is not None


def test_a_students_probabilities_of_the_labels_are_confidences_too() -> None:
    opinion = Opinion((), (), (0.4, 0.6))
    selected, _ = one(labelled(ANN, NEW_YORK, confidences=[1, 1]), ThresholdSettings(confidence="student"), opinion)
    assert selected is not None
    assert rulings(selected)[1] == ["masked unsure", "kept sure"]


def test_keeping_all_leaves_documents_as_they_are_but_for_those_without_an_answer() -> None:
    documents = [
        labelled(ANN, status="annotated", token_weights=[0, 1, 1, 1, 1, 1]),
        labelled(id="b", status="truncated"),
        labelled(NEW_YORK, id="c"),
    ]
    selected, ledger = select_documents(iter(documents), KeepAllSettings())
    assert list(selected) == [documents[0], documents[2]]
    assert ledger.to_json()["sentences_why"] == [
        {"decision": "kept", "reason": "policy", "count": 2},
        {"decision": "dropped", "reason": "unusable", "count": 1},
    ]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"kind": "top_budget"}, "either `sentences` or `share`"),
        ({"kind": "top_budget", "share": 0.5, "sentences": 3}, "either `sentences` or `share`"),
        ({"kind": "threshold", "entity": 1.5}, "less than or equal to 1"),
        ({"kind": "agreement", "confidence": "annotator"}, "not permitted"),
        ({"kind": "best"}, "does not match any of the expected tags"),
    ],
)
def test_settings_that_are_none(value: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PolicyFile.model_validate(value)
