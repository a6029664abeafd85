"""Reasoning on real vLLM: free text, then an answer that the constraint holds to its format.

The model is made on the spot. Its weights say nothing but how likely each token is, whatever came before: lines
and thinking end after some tokens, so that every part of an answer is reached, and everything between is noise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from nerkd_local.annotate.completer import Completer, Completion
from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.folder import prepare_job
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.settings import AnnotatorSettings, FormatName, PromptName, Thinking, VllmSettings
from nerkd_local.records import Span, from_words
from tests.annotations import annotate_and_export
from tests.conftest import missing

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

CONTROL = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<think>", "</think>")
ENDS = {"\n": 60.0, "</think>": 60.0, "<|end|>": 60.0, "<|return|>": 200.0, '"': 60.0, "}": 60.0, "]": 60.0, "\t": 0.1}
"""How much likelier than a letter; a tab is seldom taken where anything else may stand."""
TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "<|start|>{{ m['role'] }}<|message|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% if opened %}<think>{% endif %}{% endif %}"
)
POOL = [from_words("p", ["Ann", "left"], (Span(0, 3, "PER"),)), from_words("q", ["It", "rained"])]
DOCUMENTS = [from_words(f"d:{number}", ["Ann", "saw", "Bonn", str(number)]) for number in range(12)]


def make_noisy_model(folder: Path) -> Path:
    """Write a one-layer Llama whose every next token is drawn from the same distribution, given by ENDS."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["Answer:\n"], vocab_size=300, special_tokens=list(CONTROL), show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, eos_token="<|return|>", chat_template=TEMPLATE
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=8192, eos_token_id=tokenizer.eos_token_id, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    with torch.no_grad():
        for matrix in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj, model.lm_head):
            matrix.weight.zero_()
        model.model.embed_tokens.weight.fill_(1)  # so every hidden state is ones, and stays so
        for text, times in ENDS.items():
            (token,) = tokenizer.encode(text, add_special_tokens=False)
            model.lm_head.weight[token] = torch.log(torch.tensor(times)) / config.hidden_size
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> VllmSettings:
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    model = make_noisy_model(tmp_path_factory.mktemp("noisy") / "model")
    return VllmSettings(model=model, cpu_kv_cache_gib=1, max_num_seqs=16, dtype="float32")


@pytest.fixture(scope="module")
def engine(settings: VllmSettings) -> Iterator[Completer]:
    completer = start_engine(settings)
    yield completer
    completer.close()


def job(
    engine: VllmSettings, prompt: PromptName, format: FormatName, thinking: Thinking, opened: bool = False
) -> AnnotationJob:
    asked = AnnotatorSettings.model_validate(
        {
            "name": "noise", "engine": engine, "labels": {"PER": "people", "LOC": "places"}, "prompt": prompt,
            "format": format, "thinking": thinking, "sampling": {"temperature": 1.0, "max_tokens": 400},
            "reasoning_tokens": 2000, "chat_template_kwargs": {"opened": opened},
        }
    )  # fmt: skip
    return prepare_job(asked, POOL)


def ask(engine: Completer, asked: AnnotationJob) -> list[Completion]:
    """One answer a document, with the control tokens that noise holds: they count as text for the constraint."""
    requests = (asked.question(number, document).full for number, document in enumerate(DOCUMENTS))
    return list(engine.complete(replace(request, keep_control_tokens=True) for request in requests))


@pytest.mark.parametrize("format", ["lines", "json"])
@pytest.mark.parametrize(
    ("prompt", "thinking", "opened"),
    [
        ("cot", "none", False),
        ("standard", "tags", False),
        ("standard", "tags", True),
        ("cot", "tags", True),
        ("standard", "channels", False),
        ("cot", "channels", False),
    ],
)
def test_reasoning_is_free_and_the_answer_is_not(
    engine: Completer, settings: VllmSettings, format: FormatName, prompt: PromptName, thinking: Thinking, opened: bool
) -> None:
    asked = job(settings, prompt, format, thinking, opened)
    ended = [completion for completion in ask(engine, asked) if completion.finish_reason == "stop"]
    assert len(ended) >= len(DOCUMENTS) // 2
    for completion in ended:
        assert re.fullmatch(asked.prompt.constraint, completion.text)
        assert asked.prompt.read(completion.text, constrained=True).malformed == 0
        bare = asked.prompt.format.constraint(list(asked.prompt.labels))
        assert not re.fullmatch(bare, completion.text)  # there was reasoning before it
    assert len({completion.text for completion in ended}) > 1  # free it was: how many differ is chance


def test_instructions_reach_a_model_whose_template_refuses_a_system_role(
    engine: Completer, settings: VllmSettings
) -> None:
    asked = job(settings, "standard", "lines", "none")
    (completion,) = engine.complete([asked.question(0, DOCUMENTS[0]).full])
    letters = sum(len(message.content) for message in asked.prompt.messages(DOCUMENTS[0]))
    assert completion.prompt_tokens > letters / 2  # hardly a merge in this vocabulary: about a token a letter


def test_a_template_argument_changes_the_prompt(engine: Completer, settings: VllmSettings) -> None:
    lengths = [
        next(engine.complete([job(settings, "standard", "lines", "tags", opened).question(0, DOCUMENTS[0]).full]))
        for opened in (False, True)
    ]
    assert lengths[1].prompt_tokens == lengths[0].prompt_tokens + 1  # <think>


def test_reasoning_without_end_is_counted(engine: Completer, settings: VllmSettings, tmp_path: Path) -> None:
    asked = replace(job(settings, "cot", "lines", "tags"), reasoning_tokens=0)
    asked = replace(asked, sampling=asked.sampling.model_copy(update={"max_tokens": 3}))
    ledger = annotate_and_export(DOCUMENTS, asked, engine, tmp_path)
    assert ledger["sentences"]["truncated"] == len(DOCUMENTS)
    # the room grows with the sentence: some answers are cut off after their reasoning, in their second piece
    assert ledger["mentions"]["truncated"] == ledger["mentions_total"] >= len(DOCUMENTS)
