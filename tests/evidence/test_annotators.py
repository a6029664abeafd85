"""An annotator's scores against human labels, by source and type."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.evidence.annotators import ALL, ledgers, source_confidences, source_scores, type_scores
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.files import write_json_lines
from nerkd_local.records import CONFIDENCES, Span, from_words
from tests.evidence.runs import write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two documents of two sentences; of four human mentions two are found, one has another type, one is missed."""
    run = open_run(write_run(tmp_path, regimens=("original_only",), sizes=(10,), seeds=(0,)).output)
    words = ["Ann", "met", "Bob"]
    ann, bob = Span(0, 3, "PER"), Span(8, 11, "LOC")
    human = [(ann, bob), (ann,), (bob,), ()]
    given = [(ann,), (Span(0, 3, "LOC"),), (bob,), ()]
    for path, sides in (
        (run.folder.hidden("news"), human),
        (run.folder.annotation("news") / "annotations.jsonl", given),
    ):
        documents = [
            from_words(f"news/{number}", words, spans, {"document": f"d{number // 2}", "status": "annotated"})
            for number, spans in enumerate(sides)
        ]
        write_documents(path, documents)
    return run


def test_scores_by_type_are_those_of_hand(run: Run) -> None:
    scores = type_scores(run)
    assert [(score.source, score.type, score.sentences, score.support) for score in scores] == [
        ("news", ALL, 4, 4),
        ("news", "LOC", 4, 2),
        ("news", "PER", 4, 2),
    ]
    numbers = [(score.precision, score.recall, score.f1_mean) for score in scores]
    assert numbers[0] == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    assert numbers[1] == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert numbers[2] == pytest.approx((1, 1 / 2, 2 / 3))
    assert all(score.f1 is not None and score.f1.low <= score.f1_mean <= score.f1.high for score in scores)
    (micro, *_) = source_scores(run)["news"]
    assert micro["f1"] == pytest.approx(4 / 7)


def test_without_texts_the_scores_that_were_written_down_are_known_without_intervals(run: Run) -> None:
    rows = [{"source": source, **row} for source, rows in source_scores(run).items() for row in rows]
    run.folder.hidden("news").unlink()
    assert type_scores(run) == []
    student = {"student": "x", "evaluation": "evaluation", **rows[0]}
    student.pop("source")
    write_json_lines(run.folder.root / "scores.jsonl", [student, *rows])
    scores = type_scores(run)
    assert [(score.type, score.f1, score.sentences, score.support) for score in scores] == [
        (ALL, None, None, 4),
        ("LOC", None, None, 2),
        ("PER", None, None, 2),
    ]
    assert scores[0].f1_mean == pytest.approx(4 / 7)
    write_json_lines(run.folder.root / "scores.jsonl", [{"source": "news", "type": "micro"}])
    with pytest.raises(InputError, match=r"scores\.jsonl:1: is no score"):
        type_scores(run)


def test_ledgers_are_read_where_they_are(run: Run) -> None:
    assert ledgers(run)["news"]["sentences_total"] == 30
    (run.folder.annotation("news") / "ledger.json").unlink()
    assert ledgers(run) == {}


def test_confidences_are_judged_where_there_are_any(run: Run) -> None:
    assert source_confidences(run) == {}
    path = run.folder.annotation("news") / "annotations.jsonl"
    sure = [
        type(document)(
            document.id,
            document.text,
            document.tokens,
            document.spans,
            {**document.meta, CONFIDENCES: [0.9] * len(document.spans)},
        )
        for document in read_documents(path)
    ]
    write_documents(path, sure)
    report = source_confidences(run)["news"]
    assert report.right.tolist() == [1, 0, 1]
    assert report.rankings["confidence"].tolist() == [0.9, 0.9, 0.9]
    write_documents(
        path, [type(sure[0])(d.id, d.text, d.tokens, d.spans, {**d.meta, CONFIDENCES: [1.0] * 5}) for d in sure]
    )
    with pytest.raises(InputError, match=r"annotations\.jsonl: .*other confidences"):
        source_confidences(run)
