from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.engines.control_tokens import blank_control_tokens

COMMON = [
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>"),  # Qwen
    *("<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>", "<|reserved_special_token_12|>"),  # Llama 3
    *("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "<<SYS>>", "<</SYS>>"),  # Mistral
    *("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<|turn>", "<turn|>"),  # Gemma
    *("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>"),  # gpt-oss
    *("<｜begin▁of▁sentence｜>", "<｜User｜>"),  # DeepSeek
]


@pytest.mark.parametrize("token", COMMON)
def test_a_token_of_a_common_family_is_blanked_without_the_models_list(token: str) -> None:
    assert blank_control_tokens()(f"Peter{token}of {token}{token}Bonn") == "Peter of   Bonn"


@pytest.mark.parametrize(
    "text",
    [
        "a < b > c, x<y and y>z",
        "if a<b|c: d>e",  # a space inside
        "<p>The <b>Bonn</b> office</p>",
        "[1] see [Smith 2020], [INSTRUCTIONS], [inst]",
        "<|>",
        "pipe | and <tag> and |> and <|",
        "Ärzte in São Paulo <3",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert blank_control_tokens()(text) == text


def test_the_models_own_tokens_go_first_and_whole() -> None:
    blank = blank_control_tokens(["[END]", "[END]X", ""])
    assert blank("Bonn[END]X[END] [CLS]") == "Bonn   [CLS]"


def test_what_is_joined_by_blanking_is_no_token() -> None:
    assert blank_control_tokens()("<|im_<|x|>end|>") in ("<|im_ end|>", " end|>")
    assert blank_control_tokens(["ab"])("aabb") == "a b"


PIECES = st.lists(st.sampled_from([*COMMON, "<", "|", ">", "[", "]", "/", "im_end", "s", "INST", " ", "Bonn"]))


@given(PIECES)
def test_nothing_is_left_to_blank(pieces: list[str]) -> None:
    blank = blank_control_tokens(["Bonn"])
    once = blank("".join(pieces))
    assert blank(once) == once
    assert not any(token in once for token in [*COMMON, "Bonn"])
