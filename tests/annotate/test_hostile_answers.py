"""Whatever a model writes about whatever text: no exception, every piece in one state, spans as promised."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.align import MENTION_STATES, Alignment, align
from nerkd_local.annotate.formats import LONGEST_ANSWER, answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reading import read_answer
from nerkd_local.annotate.settings import FormatName, PromptName, Thinking
from nerkd_local.corpus.jsonl import document_from_json, document_to_json
from nerkd_local.files import json_line
from nerkd_local.records import Document, from_words

SCRIPT = Path(__file__).parents[2] / "scripts" / "reliability" / "answers.py"
LABELS = {"PER": "people", "LOC": "places"}


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    """The script that does the same for 100,000 answers."""
    spec = importlib.util.spec_from_file_location("reliability_answers", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def test_generated_answers_keep_every_promise(harness: ModuleType) -> None:
    tally = harness.Tally()
    for batch in range(32):  # some of every job: both prompts and formats, each way of thinking, constrained or not
        first = batch * harness.BATCH
        harness.check_batch(0, range(first, first + 10), tally)
    assert tally.broken == []
    assert len(tally.seconds) == 32 * 10
    assert set(tally.sentences) >= {"annotated", "truncated", "looped", "malformed", "too_long", "quarantined"}
    assert {state for state in MENTION_STATES if not tally.mentions[state]} == {"crossing"}  # of windows only


def test_a_piece_that_is_lost_is_noticed(harness: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def lossy(document: Document, *rest: object) -> Alignment:
        found = align(document, *rest)  # type: ignore[arg-type]
        return Alignment(found.spans, found.states[:-1])

    monkeypatch.setattr("nerkd_local.annotate.reading.align", lossy)
    tally = harness.Tally()
    harness.check_batch(0, range(25), tally)
    assert tally.broken


PIECES = [
    *("PER\t", "LOC\tBonn\n", "NONE", "\n", "\r\n", "\t", "\f", "\u2028", "a", "Bonn", "\ud800", "\0", "```", "#", "*"),
    *('{"entities": [', '{"text": "a", "type": "PER"}', ", ", "]}", '"', "\\ud83d", "\\u0061", "NaN", "1e999"),
    *("<think>", "</think>", "Answer:", "<|channel|>final", "<|message|>", "e\u0301", "\u200b", "{", "[", '{"a":'),
    "9" * 4400,
]  # fmt: skip
ANSWERS = st.one_of(
    st.text(st.characters()),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.tuples(st.sampled_from(PIECES), st.integers(900, 3000)).map(lambda pair: pair[0] * pair[1]),
)
WORDS = st.lists(
    st.sampled_from(["a", "Bonn", "e\u0301", "\u200b", "A", "</think>", "\u202e", "a\u2028b", "x\fy"]), min_size=1
)


@pytest.mark.parametrize("name", get_args(FormatName))
@pytest.mark.parametrize("thinking", get_args(Thinking))
@pytest.mark.parametrize("prompt", get_args(PromptName))
@given(words=WORDS, text=ANSWERS, constrained=st.booleans())
def test_any_text_reads(
    prompt: PromptName, thinking: Thinking, name: FormatName, words: list[str], text: str, constrained: bool
) -> None:
    asked = Prompt(prompt, LABELS, answer_format(name), thinking=thinking)
    document = from_words("d", words)
    reading = read_answer(document, text, "stop", asked, LABELS, constrained=constrained)
    answer = asked.read(text, constrained=constrained)
    assert sum(reading.mentions.values()) == len(answer.mentions) + answer.malformed
    labelled = replace(document, spans=reading.spans)  # refuses what overlaps or is off token borders
    assert document_from_json(json.loads(json_line(document_to_json(labelled)))) == labelled


@pytest.mark.parametrize("name", get_args(FormatName))
def test_an_answer_longer_than_any_honest_one_is_one_malformed_piece(name: FormatName) -> None:
    form = answer_format(name)
    asked = Prompt("cot", LABELS, form, thinking="tags")
    right = form.write([])
    before = "<think>" + "hm " * LONGEST_ANSWER + "</think>Answer:\n"  # reasoning may be long
    assert asked.read(before + right, constrained=True).malformed == 0
    fits = right + " " * (LONGEST_ANSWER - len(right) - 1)
    assert asked.read(f"Answer:\n{fits}", constrained=True).malformed == 1  # thinking that never ended
    assert asked.read(f"</think>Answer:\n{fits}", constrained=True).malformed == 0
    too_long = asked.read(f"</think>Answer:\n{fits}  ", constrained=True)
    assert (too_long.mentions, too_long.malformed) == ((), 1)


SLOW = ["<|channel|>final", "<|channel|>final<", "</think>", "<think>", "Answer:", "\nAnswer:", "#", "* ", " ", "\n",
        "```", "1. ", "PER\ta\n", '{"a":', "[[", '"\\"']  # fmt: skip


@pytest.mark.parametrize("thinking", get_args(Thinking))
def test_a_megabyte_of_anything_is_read_in_time_that_grows_with_its_length(thinking: Thinking) -> None:
    # with one pattern whose time grows with the length squared this would take minutes
    for name in get_args(FormatName):
        asked = Prompt("cot", LABELS, answer_format(name), thinking=thinking)
        for piece in SLOW:
            text = piece * ((1 << 20) // len(piece))
            for constrained in (True, False):
                answer = asked.read(text, constrained=constrained)
                assert (answer.mentions, answer.malformed) == ((), 1)
            assert not re.fullmatch(asked.constraint, text[: 1 << 17])
