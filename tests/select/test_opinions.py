"""Opinions are read as they were written, or refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.records import Span, from_words
from nerkd_local.select.opinions import Opinion, read_opinions, write_opinions

PROBABILITIES = st.floats(0, 1)


@st.composite
def an_opinion(draw: st.DrawFn) -> Opinion:
    count = draw(st.integers(0, 3))
    spans = tuple(Span(2 * n, 2 * n + 1, draw(st.sampled_from(["PER", "LOC"]))) for n in range(count))
    sure = draw(st.lists(PROBABILITIES, min_size=count, max_size=count))
    of_labels = draw(st.lists(PROBABILITIES, max_size=3))
    of_nothing = draw(st.just([]) | st.lists(PROBABILITIES, min_size=len(of_labels), max_size=len(of_labels)))
    return Opinion(spans, tuple(sure), tuple(of_labels), tuple(of_nothing))


@given(opinions=st.dictionaries(st.text("abé\u2028:", min_size=1), an_opinion(), max_size=4))
def test_they_are_read_as_they_were_written(
    opinions: dict[str, Opinion], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("opinions") / "opinions.jsonl"
    assert write_opinions(path, opinions) == len(opinions)
    found = read_opinions(path)
    assert found == opinions
    assert list(found) == list(opinions)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": "a", "spans": [], "confidences": []}', "'of_labels' is missing"),
        ('{"id": "a", "spans": [], "confidences": [], "of_labels": [], "sure": 1}', "unknown key 'sure'"),
        ('{"id": "a", "spans": [[0, 1, "X"]], "confidences": [], "of_labels": []}', "0 confidences for 1 spans"),
        ('{"id": "a", "spans": [], "confidences": [], "of_labels": [1.5]}', "1.5 is no probability"),
        ('{"id": "a", "spans": [], "confidences": [], "of_labels": [true]}', "True, which is no number"),
        ('{"id": "a", "spans": [], "confidences": {}, "of_labels": []}', "not a list"),
        ('{"id": "a", "spans": [], "confidences": [], "of_labels": [1' + "0" * 400 + "]}", "too large"),
        (
            '{"id": "a", "spans": [], "confidences": [], "of_labels": [1], "of_nothing": [0, 1]}',
            "2 numbers of nothing for 1 labels",
        ),
        ('{"id": 7, "spans": [], "confidences": [], "of_labels": []}', "'id' is 7"),
        ('{"id": "z", "spans": [], "confidences": [], "of_labels": []}', "already used in line 1"),
    ],
)
def test_what_is_no_opinion_is_refused_with_its_line(line: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "opinions.jsonl"
    path.write_text('{"id": "z", "spans": [], "confidences": [], "of_labels": []}\n' + line + "\n")
    with pytest.raises(InputError, match=rf":2: .*{problem}"):
        read_opinions(path)


def test_opinions_on_other_documents_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "opinions.jsonl"
    write_opinions(path, {"a": Opinion((), (), (0.5,))})
    assert read_opinions(path, [from_words("a", ["Ann"], (Span(0, 3, "PER"),))])
    with pytest.raises(InputError, match="no opinion on 'b'"):
        read_opinions(path, [from_words("b", ["Ann"])])
    with pytest.raises(InputError, match="1 labels of 'a', which has 0"):
        read_opinions(path, [from_words("a", ["Ann"])])
