"""Calls that the tests of the HTTP engine share; they need its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from nerkd_local.annotate.completer import Completion, Message, Request
from nerkd_local.annotate.engines.openai_http import Pauses, ServerCompleter
from nerkd_local.annotate.settings import ServerSettings
from tests.conftest import missing
from tests.fakes.openai_server import MODEL, FakeOpenAIServer, Reply, chat, question

BRIEF = Pauses(first_s=0.001, most_s=0.01, asked_s=0.05)
"""Pauses as a test can afford them."""


def settings(url: str, **changes: Any) -> ServerSettings:
    if find_spec("openai") is None or find_spec("tenacity") is None:
        missing("the package openai or tenacity is not installed")
    return ServerSettings.model_validate({"base_url": url, "model": MODEL, "retries": 0, "timeout_s": 30} | changes)


@contextmanager
def connected(url: str, *, pauses: Pauses = BRIEF, **changes: Any) -> Iterator[ServerCompleter]:
    completer = ServerCompleter(settings(url, **changes), pauses=pauses)
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
