"""The HTTP engine against a fake server on loopback. A live `vllm serve` is asked in tests/integration."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nerkd_local.annotate.completer import Completion, Message, Request
from nerkd_local.annotate.engines.openai_http import ServerCompleter
from nerkd_local.annotate.engines.start import LazyEngine, check_engine, engine_identity, is_present, start_engine
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.settings import AnnotatorSettings, ServerSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.records import from_words
from nerkd_local.settings import dump_settings
from tests.conftest import missing
from tests.fakes.openai_server import HANG, MODEL, FakeOpenAIServer, Reply, chat, question, refusal
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _needs_the_client() -> None:
    if find_spec("openai") is None:
        missing("the package openai is not installed")


def settings(url: str, **changes: Any) -> ServerSettings:
    return ServerSettings.model_validate({"base_url": url, "model": MODEL, "retries": 0, "timeout_s": 30} | changes)


@contextmanager
def connected(url: str, **changes: Any) -> Iterator[ServerCompleter]:
    completer = start_engine(settings(url, **changes))
    assert isinstance(completer, ServerCompleter)
    try:
        yield completer
    finally:
        completer.close()


def request(key: int = 0, text: str = "Ann left", **changes: Any) -> Request:
    return Request(key, (Message("user", text),), 20, **changes)


def echo(body: dict[str, Any]) -> Reply:
    return chat(question(body))


def ask(server: FakeOpenAIServer, *requests: Request, **changes: Any) -> list[Completion]:
    with connected(server.url, **changes) as engine:
        return sorted(engine.complete(requests or [request()]), key=lambda completion: completion.key)


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
        "chat_template_kwargs": {"enable_thinking": False},
        "return_token_ids": True,
    }


def test_what_is_sent_in_plain_words_is_openais_alone() -> None:
    with FakeOpenAIServer(echo) as server:
        ask(server, request(prompt_token_ids=True), dialect="plain", control_tokens=["left"])
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


def test_half_an_answer_is_never_an_answer() -> None:
    with (
        FakeOpenAIServer(lambda body: chat("PER\tAn", "abort")) as server,
        pytest.raises(InterruptedRun, match="gave up"),
    ):
        ask(server)
    for reason in ("content_filter", "tool_calls", None):
        reply = chat("PER\tAn", reason)
        with (
            FakeOpenAIServer(lambda body, reply=reply: reply) as server,  # type: ignore[misc]
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


# --- servers in trouble


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_is_asked_again(status: int) -> None:
    replies = iter([refusal("not now", status, **{"retry-after": "0.01"})] * 2)
    with FakeOpenAIServer(lambda body: next(replies, None) or echo(body)) as server:
        (completion,) = ask(server, retries=2)
    assert completion.text == "Ann left"
    assert len(server.bodies) == 3


def test_one_that_stays_in_trouble_ends_the_run_for_now() -> None:
    with (
        FakeOpenAIServer(lambda body: refusal("the engine\nis dead", 500, **{"retry-after": "0.01"})) as server,
        pytest.raises(
            InterruptedRun, match=r"^the server at http://127\S+ has trouble \(status 500: the engine is dead"
        ),
    ):
        ask(server, retries=1)


def test_one_that_does_not_answer_in_time_ends_the_run_for_now() -> None:
    with FakeOpenAIServer(lambda body: HANG) as server, pytest.raises(InterruptedRun, match="no answer in time"):
        ask(server, timeout_s=0.3)


def test_a_refused_question_ends_the_iteration_and_leaves_the_connection() -> None:
    def script(body: dict[str, Any]) -> Reply:
        return refusal("no", 400) if question(body) == "bad" else echo(body)

    with FakeOpenAIServer(script) as server, connected(server.url) as engine:
        requests = [request(0, "bad"), *(request(number) for number in range(1, 9))]
        stream = engine.complete(requests)
        with pytest.raises(InputError, match=r"refuses a request \(no\)"):
            list(stream)
        assert [completion.key for completion in engine.complete(requests[1:2])] == [1]  # the connection is fine


def test_a_server_that_is_not_there_is_one_line_at_the_start() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(InputError, match=r"does not answer \(.+\); is it running, and is engine\.base_url right"):
            ServerCompleter(settings(url))


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (
            Reply({"data": [{"id": "llama"}, {"id": "fake-modal"}]}),
            r"no model 'fake-model' \(did you mean 'fake-modal'",
        ),
        (Reply({"data": [{"id": "a\x1b[31m"}, {"id": "b"}]}), r"no model 'fake-model' \(known: a�\[31m, b\)"),
        (Reply({"data": []}), "no model 'fake-model'; set"),
        (Reply(b"<html>\n<h1>Welcome</h1>"), r"none of OpenAI's chat API .* seen: '<html> <h1>Welcome"),
        (Reply({"object": "list"}), r"none of OpenAI's chat API \(data: Field required\)"),
        (Reply(["a"]), "none of OpenAI's chat API"),
        (Reply(b""), "none of OpenAI's chat API"),
        (refusal("nothing here", 404), r"refuses a request \(nothing here\); is engine\.base_url right"),
        (refusal("who are you?", 401), r"wants a key; engine\.api_key_env names the variable .* \(who are you\?\)"),
        (refusal("starting", 503), r"has trouble \(status 503: starting\); is it running"),
        (
            Reply(None, 307, {"location": "http://192.0.2.1/v1/models"}),
            "redirects to 'http://192.0.2.1/v1/models', which",
        ),
    ],
)
def test_a_server_that_is_not_what_it_should_be_is_one_line_at_the_start(models: Reply, words: str) -> None:
    with FakeOpenAIServer(echo, models=models) as server, pytest.raises(InputError, match=words) as caught:
        ServerCompleter(settings(server.url))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"half a rep"),
        Reply({}),
        Reply({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        Reply({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}),
        Reply({"choices": [{"message": {"content": 3}, "finish_reason": "stop"}]}),
        Reply({"choices": [{"message": None, "finish_reason": "stop"}]}),
        Reply(chat("a").body | {"usage": {"prompt_tokens": -1, "completion_tokens": 1}}),
        Reply(chat("a").body | {"prompt_token_ids": ["x"]}),
        Reply({"error": {"message": "an error with status 200"}}),
    ],
)
def test_a_reply_that_is_no_answer_is_never_stored_as_one(reply: Reply) -> None:
    with FakeOpenAIServer(lambda body: reply) as server, pytest.raises(InputError, match="none of OpenAI's chat API"):
        ask(server)


# --- constraints


def test_a_constraint_is_tried_once_and_only_where_one_is_asked_for() -> None:
    with FakeOpenAIServer(echo) as server, connected(server.url) as engine:
        assert len(list(engine.complete([request()]))) == 1
        assert len(server.bodies) == 1
        for _ in range(2):
            assert len(list(engine.complete([request(constraint="A.*")] * 2))) == 2
    constraints = [body.get("structured_outputs", {}).get("regex") for body in server.bodies]
    assert constraints[:2] == [None, "ZX[0-9]{3}QV"]
    assert constraints[2:] == ["A.*"] * 4


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
        ({"constraint": "x"}, "a constraint (set constrained: false)"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
        ({"keep_control_tokens": True}, "thinking in the answer's text (set thinking: apart)"),
    ],
)
def test_what_plain_words_cannot_say_is_an_error(changes: dict[str, Any], words: str) -> None:
    with FakeOpenAIServer(echo) as server, pytest.raises(InputError, match=re.escape(words)):
        ask(server, request(**changes), dialect="plain")
    assert server.bodies == []


# --- keys, proxies and other ways out


def test_the_key_goes_to_the_server_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-secret-123")
    with FakeOpenAIServer(echo) as server:
        ask(server, api_key_env="OUR_KEY")
    assert {headers["authorization"] for headers in server.headers} == {"Bearer sk-secret-123"}
    told: list[str] = []
    for reply in (
        refusal("sk-secret-123 is no key", 401),
        refusal("sk-secret-123", 500),
        Reply({"a": "sk-secret-123"}),
    ):
        with (
            FakeOpenAIServer(lambda body, reply=reply: reply) as server,  # type: ignore[misc]
            pytest.raises((InputError, InterruptedRun)) as caught,
        ):
            ask(server, api_key_env="OUR_KEY")
        told.append(str(caught.value))
    assert all("[key]" in message and "secret" not in message for message in told)
    assert "another key than in OUR_KEY" in told[0]
    assert "secret" not in dump_settings(settings("http://a/v1", api_key_env="OUR_KEY"))


def test_a_key_that_is_not_there_is_found_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUR_KEY", raising=False)
    with pytest.raises(InputError, match="OUR_KEY, which is not set"):
        check_engine(settings("http://a/v1", api_key_env="OUR_KEY"))
    monkeypatch.setenv("OUR_KEY", "a\nb")
    with pytest.raises(InputError, match="no HTTP header can carry"):
        check_engine(settings("http://a/v1", api_key_env="OUR_KEY"))


def test_the_environment_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9"
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
        monkeypatch.setenv(name.upper(), nowhere)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{nowhere}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-place")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-another-place")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-More: of-another-place")
    before = dict(os.environ)
    with FakeOpenAIServer(echo) as server:
        assert len(ask(server)) == 1
    assert dict(os.environ) == before
    assert "another-place" not in str(server.headers)


def test_a_redirection_is_not_followed() -> None:
    with FakeOpenAIServer(echo) as elsewhere:
        away = Reply(None, 307, {"location": f"{elsewhere.url}/chat/completions"})
        with FakeOpenAIServer(lambda body: away) as server, pytest.raises(InputError, match="which is not followed"):
            ask(server)
        assert elsewhere.bodies == []


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "127.0.0.1:8000/v1"},
        {"base_url": "ftp://a/v1"},
        {"base_url": "http:///v1"},
        {"base_url": "http://ann:secret@a/v1"},
        {"base_url": "http://a/v1?key=1"},
        {"model": ""},
        {"api_key_env": "sk-secret"},
        {"in_flight": 0},
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings("http://a/v1", **changes)


def test_the_address_has_no_default() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        ServerSettings.model_validate({"model": MODEL})


# --- whole runs


def test_the_identity_follows_the_model_not_the_address() -> None:
    here = settings("http://a/v1")
    identity = engine_identity(here)
    assert identity == {"kind": "openai", "model": MODEL, "revision": None, "dialect": "vllm"}
    assert engine_identity(settings("http://b:1/v1", in_flight=2, timeout_s=1, api_key_env="K")) == identity
    others: list[dict[str, Any]] = [
        {"model": "m"},
        {"revision": "2"},
        {"dialect": "plain"},
        {"seed": 0},
        {"control_tokens": ["<x>"]},
    ]
    for changes in others:
        assert engine_identity(settings("http://a/v1", **changes)) != identity
    assert is_present(here)


def annotator(url: str, **engine: Any) -> AnnotatorSettings:
    values = {"name": "a", "engine": settings(url, in_flight=4, **engine), "labels": {"PER": "people"}}
    return AnnotatorSettings.model_validate(values)


def annotate(corpus: Path, output: Path, chosen: AnnotatorSettings) -> dict[str, Any]:
    with LazyEngine(chosen.engine) as engine:
        return annotate_folder(corpus, output, chosen, engine)


def test_a_run_goes_on_at_another_address_and_a_finished_one_needs_none(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    write_documents(corpus, [from_words(f"d{number}", [f"Ann{number}", "left"]) for number in range(40)])
    left = 15

    def label(body: dict[str, Any]) -> Reply:
        return chat(f"PER\t{question(body).split()[0]}")

    def dying(body: dict[str, Any]) -> Reply:
        nonlocal left
        left -= 1
        return label(body) if left >= 0 else refusal("the engine is dead", 500)

    with FakeOpenAIServer(dying) as first:
        url = first.url
        with pytest.raises(InterruptedRun, match="the same command goes on"):
            annotate(corpus, tmp_path / "out", annotator(url))
    with FakeOpenAIServer(label) as second:
        ledger = annotate(corpus, tmp_path / "out", annotator(second.url))
        again = len(second.bodies) - 1  # one of them tried the constraint
        annotate(corpus, tmp_path / "whole", annotator(second.url))
    assert ledger["sentences"]["annotated"] == ledger["mentions"]["accepted"] == 40
    assert again == 25  # every answer that came was kept
    for name in ("annotations.jsonl", "ledger.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert annotate(corpus, tmp_path / "out", annotator(url)) == ledger  # nobody is there to ask
    (tmp_path / "out" / "ledger.json").unlink()
    assert annotate(corpus, tmp_path / "out", annotator(url)) == ledger  # nor needed, as all is stored
