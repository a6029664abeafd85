"""Constraints over HTTP: tried out before they are relied on, and refused where there are none."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nerkd_local.errors import InputError, InterruptedRun
from tests.annotate.engines.openai_calls import ask, connected, echo, request
from tests.fakes.openai_server import RESET, FakeOpenAIServer, chat


def test_a_constraint_is_tried_once_and_only_where_one_is_asked_for() -> None:
    with FakeOpenAIServer(echo) as server, connected(server.url) as engine:
        assert len(list(engine.complete([request()]))) == 1
        assert len(server.bodies) == 1
        for _ in range(2):
            assert len(list(engine.complete([request(constraint="A.*")] * 2))) == 2
    constraints = [body.get("structured_outputs", {}).get("regex") for body in server.bodies]
    assert constraints[:2] == [None, "ZX[0-9]{3}QV"]
    assert constraints[2:] == ["A.*"] * 4


def test_a_grammar_takes_the_constraints_place() -> None:
    with FakeOpenAIServer(echo) as server, connected(server.url) as engine:
        assert len(list(engine.complete([request(constraint="A.*", grammar='root ::= "A"')]))) == 1
    assert [body["structured_outputs"] for body in server.bodies] == [
        {"regex": "ZX[0-9]{3}QV"},
        {"grammar": 'root ::= "A"'},
    ]


@pytest.mark.parametrize("answer", ["Hello! How can I help?", "ZX12QV", "ZX123QV and more", None])
def test_a_server_that_ignores_constraints_is_found_out(answer: str | None) -> None:
    with (
        FakeOpenAIServer(lambda body: chat(answer), obedient=False) as server,
        pytest.raises(
            InputError, match=rf"ignores constraints .*answered {re.escape(repr(answer or ''))}.*constrained: false"
        ),
    ):
        ask(server, request(constraint="A.*"))
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"constraint": "x", "grammar": 'root ::= "x"'}, "a grammar (leave out verbatim)"),
        ({"constraint": "x"}, "a constraint (set constrained: false)"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
        ({"keep_control_tokens": True}, "thinking in the answer's text (set thinking: apart)"),
    ],
)
def test_what_plain_words_cannot_say_is_an_error(changes: dict[str, Any], words: str) -> None:
    with FakeOpenAIServer(echo) as server, pytest.raises(InputError, match=re.escape(words)):
        ask(server, request(**changes), dialect="plain")
    assert server.bodies == []


def test_a_server_that_fails_the_trial_by_failing_is_one_to_ask_later() -> None:
    with FakeOpenAIServer(lambda body: RESET, obedient=False) as server, pytest.raises(InterruptedRun):
        ask(server, request(constraint="A.*"), retries=1)
    assert len(server.bodies) == 2


def test_what_was_answered_before_the_trial_failed_is_kept() -> None:
    free, constrained = request(0), request(1, constraint="A.*")
    with FakeOpenAIServer(echo, obedient=False) as server, connected(server.url, in_flight=1) as engine:
        stream = engine.complete([free, constrained])
        assert next(stream).key == 0
        with pytest.raises(InputError, match="ignores constraints"):
            next(stream)
        (completion,) = engine.complete([free])  # the connection is fine
    assert completion.text == "Ann left"
