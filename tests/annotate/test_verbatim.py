"""The grammar of a sentence, as xgrammar itself reads it: every run of its tokens in order, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.annotate.align import align
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.prompts import Prompt, one_line
from nerkd_local.annotate.settings import FormatName, PromptName, Thinking
from nerkd_local.annotate.verbatim import MOST_TOKENS, Verbatim
from nerkd_local.corpus.text import tokenize
from nerkd_local.records import Document, from_words

xgrammar = pytest.importorskip("xgrammar")
LABELS = {"PER": "people", 'O"R\\G-1': "groups"}
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
ODD = "\x00\t\n\r\x1c\x7f\x85\xa0\u2028\u200d\ufeff\ufffd\u0301\u20ac\U0001f600\U0010ffff"
ALPHABET = st.one_of(st.sampled_from(list("ab \"\\'#/:=|<>[]{}()*?+.-$" + ODD)), st.characters())


@cache
def prompt_of(format: FormatName, name: PromptName = "standard", thinking: Thinking = "none") -> Prompt:
    return Prompt(name, LABELS, answer_format(format), thinking=thinking)


@cache
def _compiler() -> Any:
    vocabulary = [bytes([byte]) for byte in range(256)] + [b"</s>"]
    kind = xgrammar.VocabType.RAW
    return xgrammar.GrammarCompiler(xgrammar.TokenizerInfo(vocabulary, kind, stop_token_ids=[256]), max_threads=1)


def takes(grammar: str | None, answer: str) -> bool:
    """Whether xgrammar admits a whole answer, byte by byte as a model writes it, and lets it end there."""
    assert grammar is not None
    matcher = xgrammar.GrammarMatcher(_compiler().compile_grammar(grammar), terminate_without_stop_token=False)
    return all(matcher.accept_token(byte) for byte in answer.encode("utf-8", "surrogatepass")) and matcher.accept_token(
        256
    )


def document_of(text: str) -> Document:
    return Document("d", text, tokenize(text))


def nameable(verbatim: Verbatim, document: Document) -> list[list[tuple[int, int]]]:
    """By first token the runs that a mention can be, written anew: no control characters, no space at either end."""
    text, runs = one_line(document.text), []
    for first, (start, _) in enumerate(document.tokens):
        ends = [end for _, end in document.tokens[first:]]
        clean = [(start, end) for end in ends if verbatim._is_free(start, end)]
        runs.append([(start, end) for start, end in clean if text[start:end] == text[start:end].strip()])
    return runs


@st.composite
def answers(draw: st.DrawFn, document: Document, format: FormatName) -> list[Mention]:
    """Some runs of tokens in order, without overlap."""
    text, position, mentions = one_line(document.text), 0, []
    for runs in nameable(Verbatim(prompt_of(format), document), document):
        runs = [run for run in runs if run[0] >= position]
        if runs and draw(st.booleans()):
            start, position = draw(st.sampled_from(runs))
            mentions.append(Mention(text[start:position], draw(st.sampled_from(list(LABELS)))))
    return mentions


@settings(max_examples=60, deadline=None)
@given(st.data(), st.text(ALPHABET, max_size=24), st.sampled_from(FORMATS))
def test_every_run_of_tokens_in_order_can_be_answered_and_is_read_back(
    data: st.DataObject, text: str, format: FormatName
) -> None:
    document = document_of(text)
    verbatim = Verbatim(prompt_of(format), document)
    mentions = data.draw(answers(document, format))
    answer = answer_format(format).write(mentions)
    assert takes(verbatim.grammar, answer)
    assert verbatim.admits(answer)
    assert list(answer_format(format).parse(answer).mentions) == mentions
    assert set(align(document, mentions, LABELS).states) <= {"accepted", "repaired"}


@settings(max_examples=150, deadline=None)
@given(st.data(), st.text(st.sampled_from(list('ab c"\\.')), max_size=12), st.sampled_from(FORMATS))
def test_the_rule_in_python_and_the_grammar_admit_the_same(data: st.DataObject, text: str, format: FormatName) -> None:
    document = document_of(text)
    verbatim = Verbatim(prompt_of(format), document)
    pieces = st.sampled_from([*document.words, "ab", "a b", "c", ".", "a ", "x", '"', "\\"])
    written = data.draw(st.lists(st.builds(Mention, pieces, st.sampled_from([*LABELS, "LOC"])), max_size=3))
    answer = answer_format(format).write(written)
    place = data.draw(st.integers(0, len(answer)))
    end = data.draw(st.integers(place, min(place + 2, len(answer))))
    answer = answer[:place] + data.draw(st.sampled_from(["", "", " ", "a", "\n", "\\u0061", ","])) + answer[end:]
    assert verbatim.admits(answer) == takes(verbatim.grammar, answer)


SENTENCE = from_words("s", ["Ann", "Lee", "met", "Ann", "of", "Bonn"])


@pytest.mark.parametrize(
    ("mentions", "expected"),
    [
        ([], True),
        (["Ann Lee", "Ann", "Bonn"], True),
        (["Ann", "Lee", "met", "Ann", "of", "Bonn"], True),
        (["Ann", "Ann"], True),
        (["Ann", "Ann", "Ann"], False),  # it stands there twice
        (["Bonn", "Ann"], False),  # not in the order of the text
        (["Ann Lee", "Lee"], False),  # overlapping
        (["Bon"], False),
        (["nn"], False),
        (["ann"], False),
        (["Ann  Lee"], False),
        (["Ann Lee "], False),
        (["Ann of"], True),
        (["Lee Ann"], False),
        (["Rome"], False),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_what_may_be_said_of_a_sentence(format: FormatName, mentions: Sequence[str], expected: bool) -> None:
    answer = answer_format(format).write([Mention(text, "PER") for text in mentions])
    verbatim = Verbatim(prompt_of(format), SENTENCE)
    assert takes(verbatim.grammar, answer) == verbatim.admits(answer) == expected


def test_json_may_be_written_with_the_spaces_the_format_leaves_open_and_in_no_other_spelling() -> None:
    verbatim = Verbatim(prompt_of("json"), from_words("s", ["Zo\u00eb", "a/b"]))
    for answer, expected in {
        '{"entities":[{"text":"Zo\u00eb","type":"PER"},{"text":"a/b","type":"PER"}]}': True,
        '{"entities": [{"text":"Zo\u00eb", "type":"PER"}, {"text": "a/b","type": "PER"}]}': True,
        '{"entities": [{"text": "Zo\\u00eb", "type": "PER"}]}': False,
        '{"entities": [{"text": "a\\/b", "type": "PER"}]}': False,
        '{"entities":  []}': False,
    }.items():
        assert takes(verbatim.grammar, answer) == verbatim.admits(answer) == expected
        assert not expected or json.loads(answer)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\x01\x02", "\ud800", "<|im_end|>", "[INST]"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_text_without_a_word_to_name_has_one_answer(format: FormatName, text: str) -> None:
    verbatim = Verbatim(prompt_of(format), document_of(text))
    empty = answer_format(format).write([])
    assert takes(verbatim.grammar, empty)
    assert verbatim.admits(empty)
    filled = answer_format(format).write([Mention(text.strip() or "x", "PER")])
    assert not takes(verbatim.grammar, filled)
    assert not verbatim.admits(filled)


def test_control_tokens_are_not_named_and_what_stands_beside_them_is() -> None:
    document = document_of("Ann <|im_end|> of Bonn</s>")
    verbatim = Verbatim(prompt_of("lines"), document)
    assert takes(verbatim.grammar, "PER\tAnn\nPER\tBonn")
    for mention in ("<|im_end|>", "Ann <|im_end|> of", "</s>", "Bonn</s>", "<", "im_end"):
        assert not takes(verbatim.grammar, f"PER\t{mention}")


STEPS = "1. a\n2. b\n3. c\n4. d: Ann < Bonn\nAnswer:\n"


@pytest.mark.parametrize(
    ("name", "thinking", "before"),
    [
        ("cot", "none", STEPS),
        ("standard", "tags", "<think>a < b\n</think>\n\n"),
        ("standard", "tags", "</think>"),
        ("cot", "tags", "no doubt</think>\n" + STEPS),
        ("standard", "channels", "<|channel|>final<|message|>"),
        (
            "cot",
            "channels",
            f"<|channel|>analysis<|message|>a < b<|end|><|start|>assistant<|channel|>final<|message|>{STEPS}",
        ),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_reasoning_stands_before_the_answer_as_the_formats_constraint_has_it(
    format: FormatName, name: PromptName, thinking: Thinking, before: str
) -> None:
    prompt = prompt_of(format, name, thinking)
    verbatim = Verbatim(prompt, SENTENCE)
    good, bad = (answer_format(format).write([Mention(text, "PER")]) for text in ("Ann Lee", "Rome"))
    assert re.fullmatch(prompt.constraint, before + good)
    assert takes(verbatim.grammar, before + good)
    assert verbatim.admits(before + good)
    assert not takes(verbatim.grammar, before + bad)
    assert not verbatim.admits(before + bad)
    assert not takes(verbatim.grammar, good)
    assert not verbatim.admits(good)
    assert not takes(verbatim.grammar, before[:-1] + "?" + good)


def test_the_grammar_is_ascii_linear_in_the_sentence_and_left_out_far_beyond_any() -> None:
    words = [f"w{number}\u00e9" for number in range(800)]
    short, long = (Verbatim(prompt_of("json"), from_words("s", words[:count])).grammar or "" for count in (400, 800))
    assert short.isascii()
    assert len(long) < 2.1 * len(short)
    far = Verbatim(prompt_of("lines"), from_words("s", ["w"] * (MOST_TOKENS + 1)))
    assert far.grammar is None
    assert far.admits("PER\tanything")
    assert not far.admits("anything")
