"""A question that is drawn several times is drawn anew each time, and masked log-probabilities are said to be so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nerkd_local.annotate.engines.openai_replies import ChatReply, read_completion
from nerkd_local.annotate.engines.openai_requests import write_request
from nerkd_local.annotate.settings import ServerSettings
from tests.annotate.engines.deadly import request as make


def settings(**changes: object) -> ServerSettings:
    return ServerSettings.model_validate({"base_url": "http://127.0.0.1:1/v1", "model": "m", **changes})


def seed_of(sample: int, **changes: object) -> object:
    return write_request(replace(make(0, "t"), sample=sample), settings(**changes), None, str).get("seed")


def test_each_draw_has_a_seed_of_its_own_where_there_is_one() -> None:
    assert seed_of(0, seed=7) == 7
    assert len({seed_of(sample, seed=7) for sample in range(5)}) == 5
    assert seed_of(3, seed=7) == seed_of(3, seed=7)
    assert seed_of(3) is None


@pytest.mark.parametrize(("more", "masked"), [({}, False), ({"constraint": "x"}, True), ({"grammar": "x"}, True)])
def test_what_a_constraint_admitted_is_said_to_be_masked(more: dict[str, str], masked: bool) -> None:
    reply = {
        "choices": [
            {
                "message": {"content": "x"},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "x", "logprob": -0.5}]},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
    asked = replace(make(0, "t"), logprobs=True, **more)  # type: ignore[arg-type]
    assert read_completion(asked, ChatReply.model_validate_json(json.dumps(reply)), is_vllm=True).masked == masked
