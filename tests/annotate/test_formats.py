"""Answers are read back as written, constrained to what can be read, and never half dropped."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.formats import Mention, answer_format

LABELS = ["PER", "LOC", "A.B|C"]
PER = "PER"


@pytest.mark.parametrize(
    ("text", "mentions", "malformed"),
    [
        ("NONE", [], 0),
        ("NONE\n", [], 0),
        ("PER\tAnn", [("Ann", PER)], 0),
        ("PER\tAnn\r\nLOC\tBonn \n", [("Ann", PER), ("Bonn", "LOC")], 0),
        ("PER\tAnn\tLee", [("Ann\tLee", PER)], 0),
        ("PER Ann", [], 1),
        ("PER\t", [], 1),
        ("\tAnn", [], 1),
        ("", [], 1),
        ("Here you are:\nPER\tAnn", [("Ann", PER)], 1),
        ("PER\tAnn\nNONE", [("Ann", PER)], 1),
        # only a newline ends a line: a text may hold what other tools take for one
        ("PER\tAnn\u2028Lee\r\nPER\tBo\fX\nPER\tC\x85D", [("Ann\u2028Lee", PER), ("Bo\fX", PER), ("C\x85D", PER)], 0),
        ("\r\nPER\tAnn\r\n\r\n", [("Ann", PER)], 0),
        ("PER\tAnn\rLee", [("Ann\rLee", PER)], 0),
        ("PER\tAnn\r\n\r\nPER\tBo", [("Ann", PER), ("Bo", PER)], 1),
        ("PER\t\ud800", [("\ud800", PER)], 0),
    ],
)
def test_lines(text: str, mentions: list[tuple[str, str]], malformed: int) -> None:
    answer = answer_format("lines").parse(text)
    assert [(m.text, m.label) for m in answer.mentions] == mentions
    assert answer.malformed == malformed


@pytest.mark.parametrize(
    ("text", "mentions", "malformed"),
    [
        ('{"entities": []}', [], 0),
        ('{"entities":[{"text":"Ann","type":"PER"}]}', [("Ann", PER)], 0),
        ('```json\n{"entities": [{"text": "Ann", "type": "PER"}]}\n```', [("Ann", PER)], 0),
        ('{"entities": [{"text": "Ann"}, {"text": "Bo", "type": "PER"}, 3]}', [("Bo", PER)], 2),
        ('{"entities": [{"text": " ", "type": "PER"}]}', [], 1),
        ('{"entities": {"text": "Ann", "type": "PER"}}', [], 1),
        ('{"entities": [{"text": "Ann", "type": "PER"}], "entities": []}', [], 1),
        ('{"entities": [{"text": "Ann", "ty', [], 1),
        ("[]", [], 1),
        ("NaN", [], 1),
        ("", [], 1),
        ("[" * 100_000, [], 1),
        ('{"\\u0061":' * 990 + "1" + "}" * 990, [], 1),
        ('{"entities": [], "n": ' + "[" * 99 + "]" * 99 + "}", [], 0),
        ('{"entities": [], "n": ' + "[" * 100 + "]" * 100 + "}", [], 1),
        ('{"entities": [{"text": "\\"' + "[" * 200 + '", "type": "PER"}]}', [('"' + "[" * 200, PER)], 0),
        ('{"entities": [' + ", ".join(['{"text": "Ann", "type": "PER"}'] * 200) + "]}", [("Ann", PER)] * 200, 0),
        ('{"entities": [], "n": ' + "1" * 5_000 + "}", [], 1),  # more digits than Python reads
        ('{"entities": [], "n": 1e999}', [], 1),
        ('{"entities": [{"text": "\\ud800", "type": "PER"}]}', [], 1),
        ('{"entities": [{"text": "\ud800", "type": "PER"}]}', [], 1),
        ('{"entities": [{"text": "\\ud83d\\ude00", "type": "PER"}]}', [("😀", PER)], 0),
        ('{"entities": [{"text": "Ann", "type": "PER", "type": "PER"}]}', [], 1),
        ('{"entities": [{"text": 1, "type": "PER"}, {"text": "Ann", "type": null}, [[]], NaN]}', [], 1),
        ('\ufeff{"entities": []}', [], 1),
    ],
)
def test_json(text: str, mentions: list[tuple[str, str]], malformed: int) -> None:
    answer = answer_format("json").parse(text)
    assert [(m.text, m.label) for m in answer.mentions] == mentions
    assert answer.malformed == malformed


# what a mention in a sentence can be: some visible text on one line, no outer white space
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8)
mentions = st.lists(st.builds(Mention, texts, st.sampled_from(LABELS)), max_size=5)


@pytest.mark.parametrize("name", ["lines", "json"])
@given(mentions=mentions)
def test_a_written_answer_reads_back_and_obeys_the_constraint(name: str, mentions: list[Mention]) -> None:
    form = answer_format(name)
    text = form.write(mentions)
    assert form.parse(text).mentions == tuple(mentions)
    assert form.parse(text).malformed == 0
    assert re.fullmatch(form.constraint(LABELS), text)


@pytest.mark.parametrize("name", ["lines", "json"])
@given(text=st.text(max_size=200))
def test_anything_can_be_parsed(name: str, text: str) -> None:
    answer = answer_format(name).parse(text)
    assert answer.malformed >= 0
    assert all(mention.text.strip() and mention.label.strip() for mention in answer.mentions)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lines", "ORG\tAnn"),
        ("lines", "NONE\nPER\tAnn"),
        ("lines", "PER\tAnn\n"),
        ("lines", "A.BXC\tAnn"),
        ("json", '{"entities": [{"text": "Ann", "type": "ORG"}]}'),
        ("json", '{"entities": [{"text": "", "type": "PER"}]}'),
        ("json", '{"entities":   []}'),
        ("json", '{"entities": []} '),
    ],
)
def test_the_constraint_refuses(name: str, text: str) -> None:
    assert not re.fullmatch(answer_format(name).constraint(LABELS), text)
