"""Tiny students of the architectures that people bring: real classes of transformers, random weights, two layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.models import WORDS

_SENTENCES = [" ".join(WORDS), "Anna and Karl live near Paris , in the old town of Berlin ."]
_COMMON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
_RATES = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
_ANGLED = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}
_BRACKETED = {name: f"[{name.upper()}]" for name in _ANGLED}


@dataclass(frozen=True)
class Family:
    """An architecture: its model class (its config's has the same stem), its tokenizer and what its config needs."""

    stem: str
    tokenizer: Literal["wordpiece", "bytes", "pieces"]
    tokenizer_class: str
    special: dict[str, str]
    shape: dict[str, Any] = field(default_factory=dict)
    packs: bool = True
    """Whether it reads packed windows right."""


FAMILIES = {
    "bert": Family("Bert", "wordpiece", "BertTokenizer", _BRACKETED, _COMMON | _RATES),
    "electra": Family(
        "Electra", "wordpiece", "ElectraTokenizer", _BRACKETED, _COMMON | _RATES | {"embedding_size": 16}
    ),
    "distilbert": Family(
        "DistilBert",
        "wordpiece",
        "DistilBertTokenizer",
        _BRACKETED,
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "dropout": 0.2, "attention_dropout": 0.2},
    ),
    "roberta": Family("Roberta", "bytes", "RobertaTokenizer", _ANGLED, _COMMON | _RATES),
    "xlm-roberta": Family("XLMRoberta", "pieces", "XLMRobertaTokenizer", _ANGLED, _COMMON | _RATES),
    "deberta-v2": Family(
        "DebertaV2",
        "pieces",
        "DebertaV2Tokenizer",
        _BRACKETED,
        _COMMON
        | _RATES
        | {
            "relative_attention": True,
            "position_buckets": 16,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "conv_kernel_size": 3,
        },
        packs=False,
    ),
    "modernbert": Family(
        "ModernBert",
        "bytes",
        "PreTrainedTokenizerFast",
        _BRACKETED,
        _COMMON
        | {
            "global_attn_every_n_layers": 2,
            "local_attention": 8,
            "attention_dropout": 0.2,
            "embedding_dropout": 0.2,
            "mlp_dropout": 0.2,
            "classifier_dropout": 0.2,
        },
    ),
}


def make_family(name: str, folder: Path, *, positions: int = 64) -> Path:
    """Write an untrained encoder of that architecture without a head, and its tokenizer, as a model folder."""
    import torch
    import transformers

    family = FAMILIES[name]
    tokenizer = _make_tokenizer(family, positions)
    first = 2 if "oberta" in family.stem or "oBERTa" in family.stem else 0  # they number positions from the padding on
    ids = {f"{each}_token_id": getattr(tokenizer, f"{each}_token_id") for each in ("pad", "cls", "sep")}
    config = getattr(transformers, f"{family.stem}Config")(
        vocab_size=len(tokenizer),
        max_position_embeddings=positions + first,
        pad_token_id=ids["pad_token_id"],
        bos_token_id=ids["cls_token_id"],
        eos_token_id=ids["sep_token_id"],
        **family.shape,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{family.stem}Model")(config)
    for embedding in (each for each in model.modules() if isinstance(each, torch.nn.Linear)):
        embedding.weight.data.mul_(8)  # so that what a token sees shows in its scores
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _make_tokenizer(family: Family, positions: int) -> Any:
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    special = family.special
    listed = [special[name] for name in ("cls", "pad", "sep", "unk", "mask")]
    if family.tokenizer == "pieces":
        backend = Tokenizer(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=120, special_tokens=listed, unk_token=special["unk"], show_progress=False
        )
    elif family.tokenizer == "bytes":
        backend = Tokenizer(models.BPE())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=360,
            special_tokens=listed,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        backend = Tokenizer(models.WordPiece(unk_token=special["unk"]))
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=160, special_tokens=listed, show_progress=False)
    backend.train_from_iterator(_SENTENCES, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{special['cls']} $A {special['sep']}",
        special_tokens=[(special[name], backend.token_to_id(special[name])) for name in ("cls", "sep")],
    )
    names = {f"{name}_token": token for name, token in special.items()}
    return getattr(transformers, family.tokenizer_class)(tokenizer_object=backend, model_max_length=positions, **names)
