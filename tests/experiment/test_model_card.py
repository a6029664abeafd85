"""The card of a scored student: the figures of its predictions, and intervals that a table would show too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.intervals import RESAMPLING_SEED, documents_of
from nerkd_local.experiment.model_card import Scored, evaluation_figures
from nerkd_local.records import Document, Span, from_words
from nerkd_local.stats.bootstrap import f1_interval
from nerkd_local.student.card import Figure

PER, LOC = Span(0, 4, "PER"), Span(14, 19, "LOC")


def sentence(number: int, *spans: Span) -> Document:
    """Two sentences a document."""
    document = from_words(f"s{number}", ["anna", "lives", "in", "paris"], spans)
    return replace(document, meta={"document": f"d{number // 2}"})


def figures_of(folder: Path, gold: list[Document], found: list[Document]) -> list[Figure]:
    write_documents(folder / "gold.jsonl", gold)
    write_documents(folder / "found.jsonl", found)
    tags = [[spans_to_tags(each) for each in side] for side in (gold, found)]
    rows = list(scores_to_rows(score_tags(*tags)))
    return list(evaluation_figures("dev", Scored(folder / "gold.jsonl", folder / "found.jsonl", rows)))


def test_all_types_and_each_with_intervals_over_documents(tmp_path: Path) -> None:
    gold = [sentence(number, PER, LOC) for number in range(8)]
    # every person; of the places those in the first two documents, one of which is called a person instead
    wrong = Span(LOC.start, LOC.end, "PER")
    found = [sentence(0, PER, wrong), *(sentence(n, PER, LOC) for n in (1, 2, 3)), *(sentence(n, PER) for n in (4, 5))]
    found += [sentence(6, PER), sentence(7, PER)]
    together, places, people = figures_of(tmp_path, gold, found)
    assert [each.label for each in (together, places, people)] == [None, "LOC", "PER"]
    # 11 right of 12 found, 16 there; 3 of 3 and 8; 8 of 9 and 8
    assert (together.precision, together.recall) == (11 / 12, 11 / 16)
    assert (places.precision, places.recall, places.entities) == (1, 3 / 8, 8)
    assert (people.precision, people.recall, people.entities) == (8 / 9, 1, 8)
    assert together.entities == 16
    tags = [[spans_to_tags(each) for each in side] for side in (gold, found)]
    whole = f1_interval(
        sentence_counts(*tags)[None], groups=documents_of((tmp_path / "gold.jsonl",)), seed=RESAMPLING_SEED
    )
    assert together.interval == (whole.low, whole.high)
    # people are wrong in the first document alone: with it and without, 2 * 8 / (9 + 8) and less, and 1
    assert people.interval is not None
    assert people.interval[0] < people.f1 < people.interval[1] == 1
    # a sixteenth of the resamples holds the last two documents alone, where no place was found
    assert places.interval is not None
    assert places.interval[0] == 0 < places.f1 < places.interval[1]


def test_a_label_with_a_name_of_ours_is_a_label(tmp_path: Path) -> None:
    gold = [sentence(0, Span(0, 4, "macro")), sentence(1, Span(0, 4, "micro"))]
    labels = [figure.label for figure in figures_of(tmp_path, gold, gold)]
    assert labels == [None, "macro", "micro"]


def test_an_evaluation_without_sentences_has_no_interval(tmp_path: Path) -> None:
    (together,) = figures_of(tmp_path, [], [])
    assert (together.f1, together.entities, together.interval) == (0, 0, None)


def test_the_documents_of_two_files_are_numbered_on(tmp_path: Path) -> None:
    write_documents(tmp_path / "a.jsonl", [sentence(0), sentence(1), sentence(2)])
    write_documents(tmp_path / "b.jsonl", [sentence(4), sentence(3)])
    assert np.array_equal(documents_of((tmp_path / "a.jsonl", tmp_path / "b.jsonl")), [0, 0, 1, 2, 1])
