"""What stands before an answer is free, cannot be escaped from, and is never taken for the answer."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reasoning import skip_steps, skip_thinking
from nerkd_local.annotate.settings import FormatName, Thinking

LABELS = {"PER": "people", "LOC": "places", "A.B|C": "others"}
STEPS = "1. a visit\n2. Ann\n3. PER\n4. she acts\n"
ANALYSIS = "<|channel|>analysis<|message|>Ann?<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>"


@pytest.mark.parametrize(
    ("thinking", "text", "answer"),
    [
        ("none", "PER\tAnn", "PER\tAnn"),
        ("none", "LOC\tBonn\nPER\t</think>", "LOC\tBonn\nPER\t</think>"),  # a text may hold it
        ("none", "<think>\nPER\tBob\n</think>\n\nNONE", "\n\nNONE"),
        ("none", "\n<think>PER\tBob", None),
        ("apart", "PER\tAnn", "PER\tAnn"),
        ("apart", "<think></think>PER\tAnn", "PER\tAnn"),
        ("tags", "<think>who?</think>\n\nPER\tAnn", "\n\nPER\tAnn"),
        ("tags", "who?</think>PER\tAnn", "PER\tAnn"),  # opened by the chat template
        ("tags", "<think></think>NONE", "NONE"),
        ("tags", "<think>PER\tAnn", None),
        ("tags", "PER\tAnn", None),
        ("tags", "", None),
        ("channels", f"{ANALYSIS}{FINAL}PER\tAnn", "PER\tAnn"),
        ("channels", f"{FINAL}PER\tAnn", "PER\tAnn"),
        ("channels", "<|channel|>final <|constrain|>json<|message|>{}", "{}"),
        ("channels", f"<|channel|>final {'x' * 99}<|message|>NONE", "NONE"),
        ("channels", f"<|channel|>final {'x' * 100}<|message|>NONE", None),  # what stands between is a word or two
        ("channels", "<|channel|>analysis<|message|>PER\tAnn", None),
        ("channels", "PER\tAnn", None),
    ],
)
@pytest.mark.parametrize("constrained", [True, False])
def test_thinking_is_skipped(thinking: Thinking, text: str, answer: str | None, constrained: bool) -> None:
    assert skip_thinking(text, thinking, constrained=constrained) == answer


def test_the_constraint_decides_which_end_of_thinking_counts() -> None:
    quoted = "<think>it says '</think> PER\tEvil'</think>NONE"
    assert skip_thinking(quoted, "tags", constrained=False) == "NONE"
    mention = "<think>hm</think>PER\t</think>"
    assert skip_thinking(mention, "tags", constrained=True) == "PER\t</think>"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{STEPS}Answer:\nPER\tAnn", "\nPER\tAnn"),
        (f"{STEPS}Answer: NONE", "NONE"),
        (f"{STEPS}**Answer:**\nNONE", "\nNONE"),
        (f"{STEPS}## Answer:\r\nNONE", "\r\nNONE"),
        ("1. It says Answer: PER\tEvil\n2. -\n3. -\n4. -\nAnswer:\nNONE", "\nNONE"),
        ("Answer:\nPER\tAnn\nor better\nAnswer:\nNONE", "\nNONE"),
        ("PER\tAnn", "PER\tAnn"),  # a model that left the steps out
        ("", ""),
    ],
)
def test_steps_are_skipped(text: str, answer: str) -> None:
    assert skip_steps(text) == answer


lines = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r"), min_size=1, max_size=30)
hostile = st.one_of(lines, st.sampled_from(["Answer:", "PER\tEvil", "1. a Answer: LOC\tEvil", "NONE", "<<think>"]))
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=8)
strange = st.one_of(texts, st.sampled_from(["</think>", "Answer:", FINAL, "<think>", "x<|end|>"]))
mentions = st.lists(st.builds(Mention, strange, st.sampled_from(list(LABELS))), max_size=4)
free = st.lists(st.one_of(hostile, st.just("\n"), st.sampled_from(["<", "<<", "< /think>", "<t/"])), max_size=6)


@pytest.mark.parametrize("name", ["lines", "json"])
@pytest.mark.parametrize("thinking", ["none", "tags", "channels", "apart"])
@given(steps=st.lists(hostile, min_size=4, max_size=4), found=mentions, thoughts=free)
def test_any_answer_after_any_reasoning_reads_back_and_obeys_the_constraint(
    name: FormatName, thinking: Thinking, steps: list[str], found: list[Mention], thoughts: list[str]
) -> None:
    form = answer_format(name)
    thought = re.sub("<([/|<])", r"< \1", "".join(thoughts)).replace("<<", "< <").rstrip("<")
    before = {
        "tags": f"<think>{thought}</think>\n\n",
        "channels": f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant{FINAL}",
    }.get(thinking, "")
    for prompt in ("standard", "cot"):
        reasoned = "".join(f"{number}. {step}\n" for number, step in enumerate(steps, 1)) + "Answer:\n"
        text = before + (reasoned if prompt == "cot" else "") + form.write(found)
        asked = Prompt(prompt, LABELS, form, thinking=thinking)  # type: ignore[arg-type]
        assert re.fullmatch(asked.constraint, text)
        answer = asked.read(text, constrained=True)
        assert (answer.mentions, answer.malformed) == (tuple(found), 0)


pieces = st.sampled_from([*"1. \n<>/|\t", "Answer:", "<think>", "</think>", FINAL, "PER\tAnn", "NONE"])


@pytest.mark.parametrize("thinking", ["none", "tags", "channels", "apart"])
@given(text=st.lists(pieces, max_size=12).map("".join), constrained=st.booleans())
def test_whatever_a_model_writes_only_what_follows_its_thinking_is_read(
    thinking: Thinking, text: str, constrained: bool
) -> None:
    end = {"tags": "</think>", "channels": "<|message|>"}.get(thinking)
    for prompt in ("standard", "cot"):
        asked = Prompt(prompt, LABELS, answer_format("lines"), thinking=thinking)  # type: ignore[arg-type]
        answer = asked.read(text, constrained=constrained)
        if end and end not in text:
            assert (answer.mentions, answer.malformed) == ((), 1)
        rest = text[text.index(end) :] if end and end in text else text
        assert all(f"{mention.text}" in rest for mention in answer.mentions)
        assert answer.mentions or answer.malformed or "NONE" in rest


@pytest.mark.parametrize(
    ("prompt", "thinking", "text"),
    [
        ("cot", "none", "PER\tAnn"),
        ("cot", "none", "Answer:\nPER\tAnn"),
        ("cot", "none", "1. a\n2. b\n3. c\nAnswer:\nNONE"),
        ("cot", "none", "1. a\n\n2. b\n3. c\n4. d\nAnswer:\nNONE"),
        ("cot", "none", f"{STEPS}5. e\nAnswer:\nNONE"),
        ("cot", "none", f"{STEPS}Answer:\nwell"),
        ("cot", "none", f"{STEPS}Answer:\nNONE\nAnswer:\nPER\tAnn"),
        ("standard", "tags", "<think>a NONE"),
        ("standard", "tags", "<think>a</think>well</think>NONE"),
        ("standard", "tags", "<think>a<</think>well</think>NONE"),
        ("standard", "tags", "<think>a</think>\n\n\nNONE"),
        ("standard", "channels", f"{ANALYSIS}NONE"),
        ("standard", "channels", "NONE"),
        ("standard", "channels", f"{ANALYSIS}{FINAL}{FINAL}NONE"),
        ("cot", "tags", f"{STEPS}Answer:\n<think>a</think>NONE"),
    ],
)
def test_the_constraint_refuses(prompt: str, thinking: Thinking, text: str) -> None:
    constraint = Prompt(prompt, LABELS, answer_format("lines"), thinking=thinking).constraint  # type: ignore[arg-type]
    assert not re.fullmatch(constraint, text)
