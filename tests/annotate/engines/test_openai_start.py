"""Servers that are not there, are none, or not the one that is meant: one line each."""

from __future__ import annotations

import socket

import pytest

from nerkd_local.annotate.engines.openai_http import ServerCompleter, check_within_reach
from nerkd_local.errors import InputError
from nerkd_local.offline.profile import read_profile
from tests.annotate.engines.openai_calls import ask, echo, settings
from tests.fakes.openai_server import FakeOpenAIServer, Reply, chat, refusal

PAGE = Reply(b"<html>Bad gateway</html>", headers={"content-type": "text/html; charset=utf-8"})


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
        (Reply(b"<html>\n<h1>Welcome</h1>"), r"sends half a reply, or no JSON \(seen: '<html> <h1>Welcome"),
        (PAGE, r"sends no JSON \(content type 'text/html; charset=utf-8', seen: '<html>Bad"),
        (Reply({"object": "list"}), r"none of OpenAI's chat API \(data: Field required\)"),
        (Reply(["a"]), "none of OpenAI's chat API"),
        (Reply(b""), r"half a reply, or no JSON \(seen: ''\); is it running, and is engine.base_url right"),
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


CLUSTER = read_profile("cluster interface=lo peers=10.1.0.0/24,gpu7=10.2.0.7", interfaces=lambda: ["lo"])


@pytest.mark.parametrize("host", ["10.1.0.7", "gpu7", "8.8.8.8"])
def test_a_server_on_another_machine_is_told_how_to_be_allowed_and_is_not_asked(host: str) -> None:
    with pytest.raises(InputError) as refused:
        ServerCompleter(settings(f"http://{host}:8000/v1"))
    assert refused.value.problem == (
        f"engine.base_url is http://{host}:8000/v1, on another machine, and the network is local, this machine only; "
        f"name it as a peer: --network 'cluster interface=NAME peers={host}' (NERKD_NETWORK)"
    )


def test_a_server_among_the_peers_is_within_reach() -> None:
    for host in ("10.1.0.7", "gpu7", "127.0.0.1", "localhost", "[::1]"):
        check_within_reach(f"http://{host}:8000/v1", CLUSTER)
    with pytest.raises(
        InputError, match=r"the network is cluster interface=lo peers=10\.1\.0\.0/24,gpu7=10\.2\.0\.7, "
    ):
        check_within_reach("http://10.2.0.8:8000/v1", CLUSTER)
