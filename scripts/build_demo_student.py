#!/usr/bin/env python
"""Pretrains models/demo-student: a small BERT encoder, by masked language modelling on made-up sentences.

    .venv/bin/python scripts/build_demo_student.py                 # writes models/demo-student
    .venv/bin/python scripts/build_demo_student.py --steps 50 --output FOLDER

Reads nothing but the generator in nerkd_local/demo, and of that only the annotator's world: the demo's own corpus
shares neither names nor sentence frames with it, and no label is looked at. The same seed, steps and machine give the
same model.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tqdm import tqdm
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertTokenizerFast,
    DataCollatorForLanguageModeling,
)

from nerkd_local.demo.corpus import write_sentence, write_sentences
from nerkd_local.models.intake import Facts, add_model
from nerkd_local.student.device import autocast, pick_device, pick_precision

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def main() -> None:
    """Train, save, and say how the last steps went."""
    options = _options()
    began = time.monotonic()
    torch.manual_seed(options.seed)
    tokenizer = make_tokenizer(options.vocabulary)
    model = make_model(len(tokenizer)).to(pick_device())
    losses = train(model, tokenizer, options)
    save(model, tokenizer, options.output)
    enter(options.output)
    recent = losses[-100:]
    facts = {
        "parameters of the encoder": sum(weights.numel() for weights in model.bert.parameters()),
        "steps": options.steps,
        "sentences a step": options.batch,
        "seed": options.seed,
        "mean loss of the last 100 steps": round(sum(recent) / len(recent), 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    print(json.dumps(facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("models/demo-student"))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=1500)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_tokenizer(size: int) -> BertTokenizerFast:
    """Cased WordPiece learnt from the annotator's world."""
    # every printable ASCII character has a piece, so that a typed sentence has no unknown word
    alphabet = [chr(code) for code in range(33, 127)]
    # The trainer numbers pieces inside words in the order of a hash table that differs from run to run, and settles
    # draws by number. Named here they have numbers; "special" they must not stay, so only the vocabulary is kept.
    inner = [f"##{character}" for character in alphabet]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[*SPECIAL, *inner], initial_alphabet=alphabet, show_progress=False
    )
    learner = _with_rules(models.WordPiece(unk_token="[UNK]"))
    learner.train_from_iterator((d.text for d in write_sentences("annotator", 20_000, seed=1)), trainer)
    tokenizer = _with_rules(models.WordPiece(vocab=learner.get_vocab(), unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=False, model_max_length=256)


def _with_rules(model: models.WordPiece) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def make_model(vocabulary: int) -> BertForMaskedLM:
    """Four layers, 128 wide: about a million parameters."""
    return BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=512,
            max_position_embeddings=256,
            pad_token_id=0,
        )
    )


def train(model: BertForMaskedLM, tokenizer: BertTokenizerFast, options: argparse.Namespace) -> list[float]:
    """AdamW with a linear warm-up and decay; returns the loss of every step."""
    random = Random(options.seed)
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.25)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01, fused=True)
    precision = pick_precision("auto", model.device)
    losses = []
    model.train()
    for step in tqdm(range(options.steps), unit="step", mininterval=5):
        share = min((step + 1) / 200, (options.steps - step) / options.steps)
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * share
        texts = [write_sentence("annotator", random, "s").text for _ in range(options.batch)]
        batch = collator([tokenizer(text, return_special_tokens_mask=True) for text in texts]).to(model.device)
        with autocast(precision, model.device):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def save(model: BertForMaskedLM, tokenizer: BertTokenizerFast, folder: Path) -> None:
    """Write the encoder without its language-modelling head, in one move; a README that is there stays."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    model.bert.save_pretrained(new)
    tokenizer.save_pretrained(new)
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", new)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def enter(folder: Path) -> None:
    """Enter it in the manifest beside it, as any other model would be: checked, tried out, hashed."""
    facts = Facts(licence="Apache-2.0", origin="made by scripts/build_demo_student.py", role="student")
    add_model(folder, folder.absolute().parent, facts=facts, in_place=True)


if __name__ == "__main__":
    main()
