"""What a sentence is asked: in full, and as briefly as first."""

from __future__ import annotations

from typing import Any

import pytest

from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.settings import FormatName, PromptName, SamplingSettings, Thinking
from nerkd_local.records import from_words

SHORT = from_words("s:0", ["Ann", "saw", "Bonn"])  # 12 characters
LONG = from_words("s:1", ["Liechtenstein"] * 3 + ["word"] * 4 + ["another"] * 60)


def job(
    format: FormatName = "lines", prompt: PromptName = "standard", thinking: Thinking = "none", **changes: Any
) -> AnnotationJob:
    asked = Prompt(prompt, {"PER": "people"}, answer_format(format), thinking=thinking)
    plain: dict[str, Any] = {"sampling": SamplingSettings(max_tokens=100), "constrained": True}
    return AnnotationJob(asked, **plain | {"engine_identity": {}, "reasoning_tokens": 500} | changes)


@pytest.mark.parametrize(
    ("format", "brief", "full"),
    [("lines", 8 + 6 + 6, 100), ("json", 8 + 6 + 21, 100)],
)
def test_a_short_sentence_gets_little_room_first(format: FormatName, brief: int, full: int) -> None:
    question = job(format).question(3, SHORT)
    assert (question.brief.max_tokens, question.full.max_tokens) == (brief, full)
    assert (question.brief.constraint, question.full.constraint) == (None, job(format).prompt.constraint)
    assert question.brief.key == question.full.key == 3
    assert question.brief.messages == question.full.messages


def test_a_long_sentence_gets_more_than_the_usual_room() -> None:
    question = job().question(0, LONG)
    assert question.brief.max_tokens == 100
    assert question.full.max_tokens == 8 + len(LONG.text) // 2 + 2 * 67 > 100


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "cot"},
        {"thinking": "tags"},
        {"sampling": SamplingSettings(max_tokens=100, temperature=0.5)},
    ],
)
def test_what_is_drawn_or_reasoned_about_is_asked_once_in_full(changes: dict[str, Any]) -> None:
    question = job(**changes).question(0, SHORT)
    assert question.brief == question.full
    assert question.full.constraint is not None


def test_the_constraint_stays_on_where_that_is_asked_and_off_where_there_is_none() -> None:
    assert job(free_first=False).question(0, SHORT).brief.constraint is not None
    free = job(constrained=False).question(0, SHORT)
    assert free.brief.constraint is free.full.constraint is None


def test_loops_are_stopped_except_where_the_text_has_them_itself() -> None:
    chorus = from_words("s:2", ["la"] * 8)
    assert job().question(0, SHORT).full.stop_loops
    assert job().question(0, from_words("s:2", ["la"] * 7)).full.stop_loops
    assert not job().question(0, chorus).brief.stop_loops


def test_a_grammar_of_the_sentence_goes_with_the_full_question_and_says_what_fits() -> None:
    plain, verbatim = job(), job(verbatim=True)
    question = verbatim.question(0, SHORT)
    assert question.full.grammar is not None
    assert '"Bonn"' in question.full.grammar
    assert (question.brief.constraint, question.brief.grammar) == (None, None)
    assert question.full.constraint == plain.prompt.constraint
    assert [question.fits(answer) for answer in ("PER\tAnn", "PER\tBob", "Ann")] == [True, False, False]
    assert [plain.question(0, SHORT).fits(answer) for answer in ("PER\tAnn", "PER\tBob", "Ann")] == [True, True, False]
    always = job(verbatim=True, free_first=False).question(0, SHORT)
    assert always.brief.grammar == always.full.grammar is not None


def test_what_shapes_the_answers_is_in_the_identity_where_it_is_used_and_only_there() -> None:
    assert not {"verbatim", "window", "nested"} & job(nested="innermost").identity().keys()
    assert job(nested="innermost").identity() == job().identity()
    more = job(verbatim=True, window=3).identity()
    assert (more["verbatim"], more["window"]) == (1, 3)
    assert more["constraint"] == job().identity()["constraint"]


def test_how_it_is_asked_is_no_part_of_the_identity() -> None:
    assert job(free_first=False).identity() == job().identity()
