"""What is asked goes to the server that the settings name, with its key, and nowhere else."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import ValidationError

from nerkd_local.annotate.engines.start import check_engine
from nerkd_local.annotate.settings import ServerSettings
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.settings import dump_settings
from tests.annotate.engines.openai_calls import ask, echo, settings
from tests.fakes.openai_server import MODEL, FakeOpenAIServer, Reply, refusal


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
