"""Spans that overlap: refused, or made flat as declared and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.corpus.nesting import find_overlap, flatten
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.records import Span

BANK, ENGLAND, OF = Span(4, 19, "ORG"), Span(12, 19, "LOC"), Span(9, 16, "X")


@pytest.mark.parametrize(
    ("spans", "outermost", "innermost"),
    [
        ([], [], []),
        ([ENGLAND, BANK], [BANK], [ENGLAND]),
        ([Span(0, 2, "A"), ENGLAND, BANK], [Span(0, 2, "A"), BANK], [Span(0, 2, "A"), ENGLAND]),
        ([Span(0, 9, "A"), Span(1, 3, "B"), Span(4, 6, "C")], [Span(0, 9, "A")], [Span(1, 3, "B"), Span(4, 6, "C")]),
        ([Span(0, 9, "A"), Span(1, 8, "B"), Span(2, 3, "C")], [Span(0, 9, "A")], [Span(2, 3, "C")]),
        ([Span(0, 5, "A"), Span(3, 9, "B")], [Span(3, 9, "B")], [Span(0, 5, "A")]),  # crossing: by length alone
        ([Span(0, 2, "A"), Span(0, 2, "B")], [Span(0, 2, "A")], [Span(0, 2, "A")]),  # of equals the first
        ([Span(0, 2, "A"), Span(2, 4, "B")], [Span(0, 2, "A"), Span(2, 4, "B")], [Span(0, 2, "A"), Span(2, 4, "B")]),
    ],
)
def test_which_spans_are_kept(spans: list[Span], outermost: list[Span], innermost: list[Span]) -> None:
    assert flatten(spans, "outermost") == tuple(outermost)
    assert flatten(spans, "innermost") == tuple(innermost)


SPANS = st.builds(lambda start, length: Span(start, start + length, "X"), st.integers(0, 12), st.integers(1, 6))


@given(st.lists(SPANS, max_size=9), st.sampled_from(["outermost", "innermost"]))
def test_what_is_kept_is_flat_and_nothing_else_would_fit(spans: list[Span], policy: str) -> None:
    kept = flatten(spans, "outermost" if policy == "outermost" else "innermost")
    assert find_overlap(kept) is None
    assert set(kept) <= set(spans)
    for span in spans:
        assert span in kept or any(span.start < other.end and other.start < span.end for other in kept)


def corpus(folder: Path) -> Path:
    path = folder / "nested.jsonl"
    lines = [
        {"text": "The Bank of England sank .", "spans": [[4, 19, "ORG"], [12, 19, "LOC"]]},
        {"text": "Ann left .", "spans": [[0, 3, "PER"]]},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize(("nested", "label"), [("outermost", "ORG"), ("innermost", "LOC")])
def test_a_corpus_is_flattened_as_declared_and_says_how_much_was_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], nested: str, label: str
) -> None:
    settings = CorpusSettings.model_validate({"path": corpus(tmp_path), "nested": nested})
    first, second = read_corpus(settings)
    assert [span.label for span in first.spans] == [label]
    assert first.meta == {"flattened": 1}
    assert second.meta == {}
    list(read_corpus(settings))
    said = capsys.readouterr().err
    assert said.count("1 of 3 spans overlap others and were left out") == 1  # said once
    assert f"nested: {nested}" in said


def test_without_a_word_on_it_they_are_refused_and_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nested.jsonl:1: .*overlap; set nested: outermost or innermost"):
        list(read_corpus(CorpusSettings(path=corpus(tmp_path))))


def test_a_flattened_corpus_that_is_written_and_read_again_has_lost_nothing_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = CorpusSettings(path=corpus(tmp_path), nested="innermost")
    again = settings.model_copy(update={"path": tmp_path / "again.jsonl"})
    write_documents(again.path, read_corpus(settings))
    capsys.readouterr()
    assert list(read_corpus(again)) == list(read_corpus(settings))
    again.path.write_text('{"text": "Ann left", "meta": {"flattened": "by hand"}}\n')
    assert [document.meta for document in read_corpus(again)] == [{"flattened": "by hand"}]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("span", [[9, 9, "X"], [9, 5, "X"], [12, 90, "X"]])
@pytest.mark.parametrize("nested", ["outermost", "innermost"])
def test_a_span_that_is_left_out_has_to_be_right(tmp_path: Path, nested: str, span: list[object]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "The Bank of England", "spans": [[4, 19, "ORG"], span]}))
    with pytest.raises(InputError, match=r"a.jsonl:1: .*; correct the line"):
        list(read_corpus(CorpusSettings.model_validate({"path": tmp_path / "a.jsonl", "nested": nested})))
