"""What engines say when they refuse a question, told apart by its wording: there is one error for everything."""

from __future__ import annotations

import re

_TOO_LONG = re.compile(
    r"maximum\s+(?:context|model)\s+length"  # vLLM, OpenAI
    # vLLM's server cuts max_tokens down to the room that the prompt leaves, and refuses it when none is left
    r"|max_tokens must be at least 1, got 0"
    r"|context_length_exceeded"
    r"|(?:exceeds?|longer than)[^.]{0,40}\bcontext (?:size|length|window)"  # llama.cpp, SGLang
)


def says_too_long(message: str) -> bool:
    """Whether a refusal means that the prompt leaves the model no room for an answer."""
    return _TOO_LONG.search(message) is not None
