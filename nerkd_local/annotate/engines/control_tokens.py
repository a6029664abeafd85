"""Control tokens inside the data: text that a model's tokenizer would read as the end of a turn, not as text.

A sentence that holds `<|im_end|>` could otherwise end its own turn and speak as the system. Every engine blanks the
same shapes, so that the same question becomes the same prompt in process and over HTTP, where the model's own list
of such tokens is out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_SHAPES = "|".join(
    (
        r"<[|｜][^<>\s]{1,64}>",  # <|im_end|>, <|eot_id|>, <|turn>, <｜end▁of▁sentence｜>
        r"<[^<>\s]{1,64}[|｜]>",  # <turn|>
        r"</?s>",
        r"<(?:bos|eos|pad|unk)>",
        r"<(?:start|end)_of_(?:turn|image)>",
        r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS|TOOL_CONTENT|THINK)\]",
        r"<</?SYS>>",
    )
)
"""How control tokens of the common families look: Qwen, Llama, Mistral, Gemma, gpt-oss, DeepSeek, Phi."""

_COMMON = re.compile(_SHAPES)


def blank_control_tokens(own: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that puts a space in the place of every control token of a text: of a common shape, or one of `own`.

    What it returns holds none, also where blanking one token joined the pieces of another: a space stays between.
    Texts without such tokens come back as they are. `own` is the model's list, where it is known; a token that is
    neither on it nor of a common shape is not recognised.
    """
    # longest first: an alternation takes the first that fits
    known = sorted({token for token in own if token}, key=lambda token: (-len(token), token))
    pattern = re.compile("|".join([*map(re.escape, known), _SHAPES]))
    return lambda text: pattern.sub(" ", text)


def find_control_tokens(text: str) -> Iterator[tuple[int, int]]:
    """Where a text holds what is a control token of a common family: half-open offsets, in order."""
    return (match.span() for match in _COMMON.finditer(text))


def known_control_tokens(tokenizer: Any) -> set[str]:
    """A model's own list, from its Hugging Face tokenizer: the tokens it has a name for, and those it only marks."""
    marked = (str(token) for token in getattr(tokenizer, "added_tokens_decoder", {}).values() if token.special)
    return {*tokenizer.all_special_tokens, *marked}
