"""Tiny models of the families that `configs/annotators/` names: real architectures, random weights.

Each is a folder as a user would fill it: config, safetensors, a byte-level BPE tokenizer and a chat template that
keeps the family's protocol (its control tokens, who may speak, how the answer begins), written here in its
shortest form. What such a model says means nothing; that vLLM runs its architecture, and that a constraint binds
it, does not depend on what the weights learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SENTENCES = [
    "Anna Berg moved from Oslo to Lisbon and works for the river authority there.",
    "Find every mention of these types in the text that follows: people, organisations, places, other names.",
    "Answer with one line for each mention: the type, a tab, the mention. Write nothing else.",
    "PER\tAnna Berg\nLOC\tOslo\nORG\tNorthern Rail\nMISC\tNorwegian\nNONE",
    "The harbour of Trondheim was closed on Monday, the union of dock workers said.",
]
"""What the tokenizers learn their merges from."""


@dataclass(frozen=True)
class Family:
    """One kind of model: its transformers classes, its control tokens and its chat protocol."""

    config: str
    """The shipped annotator settings for it, by name."""
    model_class: str
    config_class: str
    bos: str | None
    eos: str
    """What ends a turn of the assistant."""
    others: tuple[str, ...]
    """Control tokens besides these two."""
    template: str
    shape: dict[str, Any] = field(default_factory=dict)
    """Config values that this family has besides the common ones, or has otherwise."""


_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
_LLAMA = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{% if m.role == 'system' %}Today Date: {{ date_string | default(strftime_now('%d %b %Y')) }}\n\n{% endif %}"
    "{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
    "{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant turns are known here') }}{% endif %}{% endfor %}"
)
_GEMMA = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
_HARMONY = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}\n"
    "# Valid channels: analysis, final.<|end|>"
    "{% for m in messages %}"
    "{% if m.role == 'system' %}<|start|>developer<|message|># Instructions\n\n{{ m.content }}<|end|>"
    "{% elif m.role == 'user' %}<|start|>user<|message|>{{ m.content }}<|end|>"
    "{% else %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)

FAMILIES = {
    "qwen3": Family(
        config="qwen3_8b",
        model_class="Qwen3ForCausalLM",
        config_class="Qwen3Config",
        bos=None,
        eos="<|im_end|>",
        others=("<|im_start|>", "<|endoftext|>", "<think>", "</think>"),
        template=_CHATML,
        shape={"head_dim": 32},
    ),
    "llama": Family(
        config="llama3_8b",
        model_class="LlamaForCausalLM",
        config_class="LlamaConfig",
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        others=("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
        template=_LLAMA,
    ),
    "mistral": Family(
        config="mistral_7b",
        model_class="MistralForCausalLM",
        config_class="MistralConfig",
        bos="<s>",
        eos="</s>",
        others=("[INST]", "[/INST]"),
        template=_MISTRAL,
        shape={"sliding_window": None},
    ),
    "gemma": Family(
        config="gemma3_12b",
        model_class="Gemma3ForCausalLM",
        config_class="Gemma3TextConfig",
        bos="<bos>",
        eos="<end_of_turn>",
        others=("<eos>", "<start_of_turn>"),
        template=_GEMMA,
        shape={
            "head_dim": 32,
            "query_pre_attn_scalar": 32,
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "gpt_oss": Family(
        config="gpt_oss_20b",
        model_class="GptOssForCausalLM",
        config_class="GptOssConfig",
        bos="<|startoftext|>",
        eos="<|return|>",
        others=("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|endoftext|>"),
        template=_HARMONY,
        shape={
            "head_dim": 32,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
}


def make_causal_model(folder: Path, family: Family, *, positions: int = 4096) -> Path:
    """Write a two-layer, 64-wide model of the family with random weights (float32), and its tokenizer."""
    import torch
    import transformers

    tokenizer = _make_tokenizer(family, positions)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in (family.bos, family.eos) if token}
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": positions,
        "bos_token_id": ids.get(family.bos or ""),
        "eos_token_id": ids[family.eos],
        "pad_token_id": ids[family.eos],
        "tie_word_embeddings": False,
    }
    config = getattr(transformers, family.config_class)(**{**common, **family.shape})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, family.model_class)(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _make_tokenizer(family: Family, positions: int) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    special = [token for token in (family.bos, family.eos, *family.others) if token]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        _SENTENCES, vocab_size=512, min_frequency=2, special_tokens=special, show_progress=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        pad_token=family.eos,
        model_max_length=positions,
        chat_template=family.template,
    )


def add_second_layout(folder: Path) -> Path:
    """What Mistral's own folders hold beside the usual files: the same model again, for another program.

    Here it cannot be read, so that whoever reads it fails.
    """
    import json

    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as weights:
        names = list(weights.keys())
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "model.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name in ("params.json", "consolidated.safetensors", "tokenizer.model.v3"):
        (folder / name).write_bytes(b"not to be read")
    return folder


def quantise(folder: Path, method: str, *, group: int = 32) -> Path:
    """Turn a folder of `make_causal_model` into a 4-bit one, laid out as AWQ or GPTQ tools write it.

    Round to nearest, a scale and a zero point of 8 for every `group` inputs; attention and MLP matrices only, as
    those tools do it.
    """
    import json

    import torch
    from safetensors.torch import load_file, save_file

    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, "group_size": group} | (
        {"zero_point": True, "version": "gemm"} if method == "awq" else {"desc_act": False, "sym": True}
    )
    config["dtype"] = "float16"
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weight.half()
            continue
        stem = name.removesuffix(".weight")
        inputs = weight.T.reshape(-1, group, weight.shape[0])  # (groups, group, out)
        scale = inputs.abs().amax(dim=1, keepdim=True) / 7
        levels = ((inputs / scale).round() + 8).reshape(weight.shape[1], weight.shape[0]).int()  # (in, out), 1..15
        zeros = torch.full((inputs.shape[0], weight.shape[0]), 8, dtype=torch.int32)
        tensors[f"{stem}.scales"] = scale.squeeze(1).half()
        if method == "awq":  # eight outputs a number, in the order that its kernel unpacks
            order = [0, 2, 4, 6, 1, 3, 5, 7]
            tensors[f"{stem}.qweight"] = _pack(levels, 1, order)
            tensors[f"{stem}.qzeros"] = _pack(zeros, 1, order)
        else:  # eight inputs a number; the zero point is stored one less
            tensors[f"{stem}.qweight"] = _pack(levels, 0, list(range(8)))
            tensors[f"{stem}.qzeros"] = _pack(zeros - 1, 1, list(range(8)))
            tensors[f"{stem}.g_idx"] = torch.arange(weight.shape[1], dtype=torch.int32) // group
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / "model.safetensors", {"format": "pt"})
    return folder


def _pack(levels: Any, axis: int, order: list[int]) -> Any:
    """Eight 4-bit values along an axis in one int32, the first of `order` in the lowest bits."""
    import torch

    eights = levels.to(torch.int64).unflatten(axis, (-1, 8)).movedim(axis + 1, -1)
    packed = sum(eights[..., place] << (4 * bits) for bits, place in enumerate(order))
    return torch.where(packed >= 2**31, packed - 2**32, packed).to(torch.int32)
