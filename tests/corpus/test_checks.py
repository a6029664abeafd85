from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.corpus.checks import check_labels, find_duplicates
from nerkd_local.corpus.conll import read_conll
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words


def sentence(id: str, text: str) -> Document:
    return Document(id, text, ())


def test_sentences_on_both_sides_are_found_whatever_their_spacing_and_normal_form() -> None:
    training = [
        sentence("t0", "He left ."),
        sentence("t1", "Only here ."),
        sentence("t2", "Cafe\u0301 closed ."),
        sentence("t3", "He\nleft."),
    ]
    evaluation = [
        sentence("e0", "Caf\u00e9 closed."),
        sentence("e1", "Only there ."),
        sentence("e2", "He left."),
        sentence("e3", "he left."),
        sentence("e4", "He left ."),
    ]
    found = find_duplicates(iter(training), iter(evaluation))
    assert found.training_ids == ("t0", "t2", "t3")
    assert found.evaluation_ids == ("e0", "e2", "e4")
    assert found
    assert str(found) == "3 of 5 evaluation sentences stand among the 4 of training (3 times)"


def test_nothing_in_common_is_false_and_still_counted() -> None:
    found = find_duplicates([sentence("t", "One")], [])
    assert not found
    assert (found.training_size, found.evaluation_size) == (1, 0)


def test_known_leakage_of_conll_is_found(shared: Path) -> None:
    folder = shared / "data" / "conll2003"
    dev = list(read_conll(folder / "dev.conll"))
    assert len(find_duplicates(read_conll(folder / "student_train.conll"), dev).evaluation_ids) == 130
    assert len(find_duplicates(read_conll(folder / "annotator_train.conll"), dev).evaluation_ids) == 150


def test_allowed_labels_are_counted_with_those_that_never_occur() -> None:
    documents = [
        from_words("a", ["Ada", "Rome"], (Span(0, 3, "PER"), Span(4, 8, "LOC"))),
        from_words("b", ["x"]),
    ]
    assert check_labels(iter(documents), {"PER", "ORG", "LOC"}, "x") == {"LOC": 1, "ORG": 0, "PER": 1}


def test_another_label_is_refused_at_the_line_of_its_mention(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Ada B-PER\n\nin O\nRome B-PRE\nhills I-PRE\n")
    with pytest.raises(
        InputError, match=r"a.conll:4: label 'PRE' of 'Rome hills' in sentence 'a:1' .*did you mean 'PER'"
    ):
        check_labels(read_conll(path), ["PER"], path)


def test_in_json_lines_the_line_of_the_origin_is_not_given_as_this_files_line() -> None:
    document = from_words("other:7", ["Rome"], (Span(0, 4, "GPE"),), {"line": 99})
    with pytest.raises(InputError, match=r"^own.jsonl: label 'GPE' .* 'other:7' .*known: LOC"):
        check_labels([document], ["LOC"], Path("own.jsonl"))
