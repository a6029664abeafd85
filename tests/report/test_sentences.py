from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.report.parts import STATES, Mention, Sentence, Sentences
from nerkd_local.report.sentences import answers_of, encode_sentences, groups_of, labels_of, states_of

LAYERS = ("human", "annotator")
ROLES = {"human": "original", "annotator": "annotator"}


def made(rows: Sequence[Sentence], groups: tuple[str, ...] = ("dev",)) -> Sentences:
    return Sentences(rows, LAYERS, ROLES, groups)


def row(text: str = "Ada met Bo", state: str = "", group: str = "dev", **labels: Sequence[Mention]) -> Sentence:
    return Sentence(id=f"id of {text}", text=text, group=group, labels=labels, state=state)


def columns_of(encoded: str) -> Any:
    return json.loads(gzip.decompress(base64.b64decode(encoded, validate=True)))


def decoded(encoded: str) -> list[Sentence]:
    """The way back, written down once more by what the docstring says."""
    columns = columns_of(encoded)
    readers = [{name: iter(values or ()) for name, values in layer.items()} for layer in columns["mentions"]]
    rows = []
    for number, text in enumerate(columns["text"]):
        labels: dict[str, list[Mention]] = {}
        for layer, reader, whole in zip(columns["layers"], readers, columns["mentions"], strict=True):
            count = next(reader["count"])
            if count < 0:
                continue
            position, labels[layer] = 0, []
            for _ in range(count):
                start = position + next(reader["gap"])
                position = start + next(reader["length"])
                thousandths = -1 if whole["confidence"] is None else next(reader["confidence"])
                labels[layer].append(
                    Mention(
                        start,
                        position,
                        columns["labels"][next(reader["label"])],
                        columns["states"][next(reader["state"])],
                        None if thousandths < 0 else thousandths / 1000,
                    )
                )
        group, state = columns["groups"][columns["group"][number]], columns["answers"][columns["answer"][number]]
        rows.append(Sentence(columns["id"][number], text, group, labels, state))
    return rows


def test_the_columns_are_those_of_the_docstring() -> None:
    rows = [
        row(human=[Mention(0, 3, "PER"), Mention(8, 10, "PER")], annotator=[Mention(0, 3, "LOC", "type", 0.5)]),
        row(text="no", state="repaired", human=[]),
    ]
    assert columns_of(encode_sentences(made(rows))) == {
        "layers": ["human", "annotator"],
        "roles": ["original", "annotator"],
        "groups": ["dev"],
        "labels": ["LOC", "PER"],
        "states": list(STATES),
        "answers": ["", "repaired"],
        "id": ["id of Ada met Bo", "id of no"],
        "text": ["Ada met Bo", "no"],
        "group": [0, 0],
        "answer": [0, 1],
        "mentions": [
            {"count": [2, 0], "gap": [0, 5], "length": [3, 2], "label": [1, 1], "state": [6, 6], "confidence": None},
            {"count": [1, -1], "gap": [0], "length": [3], "label": [0], "state": [1], "confidence": [500]},
        ],
    }


texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    text = draw(texts)
    labels: dict[str, list[Mention]] = {}
    for layer in draw(st.sets(st.sampled_from(LAYERS))):
        borders = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
        labels[layer] = [
            Mention(
                start, end, draw(texts), draw(st.sampled_from(STATES)), draw(st.sampled_from((None, 0.0, 0.125, 1.0)))
            )
            for start, end in zip(borders[::2], borders[1::2], strict=False)
        ]
    return Sentence(draw(texts), text, draw(texts), labels, draw(texts | st.just("")))


@given(st.lists(sentences(), max_size=5))
def test_what_goes_in_comes_out(rows: list[Sentence]) -> None:
    assert decoded(encode_sentences(made(rows))) == rows


def test_the_same_sentences_give_the_same_text_of_harmless_letters() -> None:
    rows = [row(text="</script><!-- \N{GRINNING FACE}", human=[])]
    encoded = encode_sentences(made(rows))
    assert encoded == encode_sentences(made(rows))
    assert encoded.rstrip("=").replace("+", "").replace("/", "").isalnum()
    assert encoded.isascii()


def test_a_lone_surrogate_becomes_one_replacement_character() -> None:
    (back,) = decoded(encode_sentences(made([row(text="a\ud83d\ude00 Bo", human=[Mention(4, 6, "PER")])])))
    assert back.text == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} Bo"
    assert back.labels["human"] == [Mention(4, 6, "PER")]


@pytest.mark.parametrize("mentions", [[(0, 3), (2, 4)], [(4, 5), (0, 1)], [(2, 2)], [(8, 11)], [(-1, 2)]])
def test_mentions_that_no_page_can_show_are_an_error(mentions: list[tuple[int, int]]) -> None:
    wrong = [Mention(start, end, "PER") for start, end in mentions]
    with pytest.raises(ValueError, match=r"'id of Ada met Bo', annotator: the mention \(.*length 10"):
        encode_sentences(made([row(annotator=wrong)]))


def test_labels_of_a_layer_that_is_not_shown_are_not_carried() -> None:
    labels: Mapping[str, Sequence[Mention]] = {"somebody": [Mention(0, 3, "SECRET")]}
    sentences = made([Sentence("a", "Ada met Bo", "dev", labels)])
    assert labels_of(sentences) == []
    assert "SECRET" not in json.dumps(columns_of(encode_sentences(sentences)))


def test_what_there_is_to_choose_from() -> None:
    sentences = made(
        [
            row(
                group="new", state="repaired", annotator=[Mention(0, 3, "PER", "missed"), Mention(4, 5, "LOC", "right")]
            ),
            row(group="dev", human=[Mention(0, 3, "PER", "right")]),
        ],
        groups=("empty", "dev"),
    )
    assert labels_of(sentences) == ["LOC", "PER"]
    assert states_of(sentences) == ["right", "missed"]
    assert groups_of(sentences) == ["empty", "dev", "new"]
    assert answers_of(sentences) == ["", "repaired"]
    assert (labels_of(made([])), states_of(made([])), answers_of(made([]))) == ([], [], [])
