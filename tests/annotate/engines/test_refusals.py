from __future__ import annotations

import pytest

from nerkd_local.annotate.engines.refusals import says_too_long

# as vLLM 0.32 (the first four), OpenAI, llama.cpp and SGLang word them
TOO_LONG = [
    "This model's maximum context length is 510 tokens. However, your prompt contains at least 511 input tokens, which "
    "exceeds this limit even without any output tokens. Please reduce the length of the input prompt.",
    "This model's maximum context length is 510 tokens. However, your prompt contains 90057 characters",
    "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)",
    "The decoder prompt (length 510) plus the number of requested output tokens (at least 1) is longer than the "
    "maximum model length of 510.",
    "Error code: 400 - {'error': {'message': 'too many tokens', 'code': 'context_length_exceeded'}}",
    "the request exceeds the available context size, try increasing it",
    "The input (700 tokens) is longer than the model's context length (512 tokens).",
]

OTHERS = [
    "max_tokens=600 cannot be greater than max_model_len=510. Please request fewer output tokens.",
    "max_tokens must be at least 1, got -3.",
    "Failed to transform regex into a grammar: the parenthesis is not closed.",
    "The model `nope` does not exist.",
    "temperature must be non-negative, got -1.0.",
    "",
]


@pytest.mark.parametrize("message", TOO_LONG)
def test_a_prompt_that_leaves_no_room(message: str) -> None:
    assert says_too_long(message)


@pytest.mark.parametrize("message", OTHERS)
def test_any_other_refusal(message: str) -> None:
    assert not says_too_long(message)
