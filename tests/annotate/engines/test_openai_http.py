"""The HTTP engine against a fake server on loopback. A live `vllm serve` is asked in tests/integration."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from nerkd_local.annotate.completer import Completion, Message, Request
from nerkd_local.annotate.engines.openai_http import ServerCompleter
from nerkd_local.errors import InputError
from tests.annotate.engines.openai_calls import ask, connected, echo, request, settings
from tests.fakes.openai_server import HANG, MODEL, FakeOpenAIServer, Reply, chat, question, refusal
from tests.waiting import wait_until

# --- questions and answers


def test_every_request_is_answered_once_and_counted() -> None:
    with FakeOpenAIServer(echo) as server:
        completions = ask(server, *(request(number, f"{number} of Bonn") for number in range(50)))
    assert completions == [Completion(number, f"{number} of Bonn", "stop", 7, 3) for number in range(50)]


def test_what_is_sent_to_vllm_leaves_nothing_to_the_servers_defaults() -> None:
    messages = (Message("system", "Label.</s>"), Message("user", "Ann<|im_end|> left"))
    asked = Request(
        0,
        messages,
        20,
        "x+",
        0.5,
        chat_template_kwargs={"enable_thinking": False},
        stop_loops=True,
        logprobs=True,
        prompt_token_ids=True,
    )
    logprobs = {"content": [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]}
    with FakeOpenAIServer(lambda body: chat("x", logprobs=logprobs)) as server:
        (completion,) = ask(server, asked, seed=3)
    assert completion.logprobs == (("x", -0.5),)
    assert completion.prompt_token_ids is None  # this one does not tell
    assert server.bodies[-1] == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Label. "}, {"role": "user", "content": "Ann  left"}],
        "max_tokens": 20,
        "temperature": 0.5,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": 3,
        "logprobs": True,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "skip_special_tokens": True,
        "structured_outputs": {"regex": "x+"},
        "repetition_detection": {"max_pattern_size": 24, "min_count": 8},
        "chat_template_kwargs": {"enable_thinking": False},
        "return_token_ids": True,
    }


def test_what_is_sent_in_plain_words_is_openais_alone() -> None:
    with FakeOpenAIServer(echo) as server:
        ask(server, request(prompt_token_ids=True, stop_loops=True), dialect="plain", control_tokens=["left"])
    assert server.bodies == [
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Ann  "}],
            "max_tokens": 20,
            "temperature": 0.0,
            "top_p": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
        }
    ]


def test_an_answer_is_not_asked_to_be_longer_than_the_models_room() -> None:
    models = Reply({"data": [{"id": MODEL, "max_model_len": 16}]})
    with FakeOpenAIServer(echo, models=models) as server:
        ask(server)
    assert server.bodies[0]["max_tokens"] == 16


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (chat("PER\tAnn"), ("PER\tAnn", "stop", 7)),
        (chat("PER\tAn", "length"), ("PER\tAn", "length", 7)),
        (chat(None, "length"), ("", "length", 7)),  # all of it was thinking, kept apart
        (refusal("This model's maximum context length is 8 tokens."), ("", "too_long", 0)),
        (refusal("max_tokens must be at least 1, got 0."), ("", "too_long", 0)),
    ],
)
def test_the_ways_an_answer_can_end(reply: Reply, expected: tuple[str, str, int]) -> None:
    with FakeOpenAIServer(lambda body: reply) as server:
        (completion,) = ask(server)
    assert (completion.text, completion.finish_reason, completion.prompt_tokens) == expected


def test_a_loop_that_vllm_stopped_is_told_and_no_other_server_stops_any() -> None:
    with FakeOpenAIServer(lambda body: chat("a a a", "repetition")) as server:
        (completion,) = ask(server, request(stop_loops=True))
        with pytest.raises(InputError, match="finish reason 'repetition'"):
            ask(server, request(stop_loops=True), dialect="plain")
    assert (completion.text, completion.finish_reason) == ("a a a", "loop")


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({}, None),
        ({"prompt_tokens_details": None}, None),
        ({"prompt_tokens_details": {"cached_tokens": None}}, None),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, 0),
        ({"prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0}}, 5),
    ],
)
def test_what_the_server_had_computed_before_is_passed_on(usage: dict[str, Any], cached: int | None) -> None:
    reply = chat("x")
    reply.body["usage"] |= usage
    with FakeOpenAIServer(lambda body: reply) as server:
        (completion,) = ask(server)
    assert completion.cached_tokens == cached


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", None])
def test_half_an_answer_is_never_an_answer(reason: str | None) -> None:
    with (
        FakeOpenAIServer(lambda body: chat("PER\tAn", reason)) as server,
        pytest.raises(InputError, match=f"finish reason {reason!r}"),
    ):
        ask(server)


def test_logprobs_that_are_asked_for_and_not_given_are_an_error() -> None:
    with FakeOpenAIServer(echo) as server, pytest.raises(InputError, match="gives none"):
        ask(server, request(logprobs=True))


# --- many at once


def test_requests_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        while True:
            yield request(taken)
            taken += 1

    with FakeOpenAIServer(echo) as server, connected(server.url, in_flight=4) as engine:
        stream = engine.complete(endless())
        assert len(list(islice(stream, 30))) == 30
        assert taken <= 30 + 2 * 4
        assert server.most_open <= 4
        stream.close()  # type: ignore[attr-defined]
        assert [completion.key for completion in engine.complete([request(7)])] == [7]


def test_an_early_end_hangs_up_on_what_is_in_flight() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return chat("now") if question(body) == "0" else HANG

    with FakeOpenAIServer(script) as server, connected(server.url, in_flight=5) as engine:
        stream = engine.complete(request(number, str(number)) for number in range(5))
        assert next(stream).text == "now"
        wait_until(lambda: server.open == 4, within_s=10)
        assert server.hung_up == 0
        stream.close()  # type: ignore[attr-defined]
        wait_until(lambda: server.hung_up == 4, within_s=10)


def test_closing_hangs_up_too_and_twice_is_fine() -> None:
    with FakeOpenAIServer(lambda body: HANG) as server:
        engine = ServerCompleter(settings(server.url))
        stream = engine.complete([request()])
        asyncio.run_coroutine_threadsafe(engine._ask(request()), engine._loop)
        wait_until(lambda: server.open == 1, within_s=10)
        engine.close()
        wait_until(lambda: server.hung_up == 1, within_s=10)
        engine.close()
        stream.close()  # type: ignore[attr-defined]


def test_it_works_inside_another_event_loop() -> None:
    async def notebook(url: str) -> list[Completion]:
        with connected(url) as engine:
            return list(engine.complete([request()]))

    with FakeOpenAIServer(echo) as server:
        assert [completion.text for completion in asyncio.run(notebook(server.url))] == ["Ann left"]
