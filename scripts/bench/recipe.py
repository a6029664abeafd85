"""What `nerkd train` is measured against: an epoch as the published example script `run_ner_no_trainer.py` trains it.

It stands for that recipe and is written anew: transformers' model and tokenizer, sentences cut off at 128 sub-tokens,
random order, each batch padded to its longest sentence, float32, the encoder's own dropout (attention included), AdamW
without decay of biases and norms, a learning rate that falls from the first step to 0, loss on first sub-tokens, all
prepared by accelerate. The epoch alone is timed: neither loading nor tokenizing, nor the script's evaluation.

    python recipe.py TRAIN.jsonl DEV.jsonl ENCODER OUTPUT --batch-size 8 --seed 1 --learning-rate 2e-4
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from children import peak_mib, report, strict_f1
from jobs import Job, job_of

from nerkd_local import offline

_MAX_LENGTH = 128
_NO_LABEL = -100
"""Cross entropy's own mark for a position that does not count."""


def tokenized(tokenizer: Any, words: list[str], classes: list[int]) -> dict[str, list[int]]:
    """A sentence as the model reads it, with the class of each word at its first sub-token."""
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, padding=False, max_length=_MAX_LENGTH)
    labels, before = [], None
    for word in encoded.word_ids():
        labels.append(_NO_LABEL if word is None or word == before else classes[word])
        before = word
    return {**encoded, "labels": labels}


def train_epoch(job: Job) -> dict[str, float]:
    """Train, save the student; seconds, real tokens and peak memory of the epoch."""
    import torch
    from accelerate import Accelerator
    from accelerate.utils import set_seed
    from transformers import (
        AutoConfig,
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        get_scheduler,
    )

    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.corpus.schemes import spans_to_tags
    from nerkd_local.student.decode import tag_names

    accelerator = Accelerator()
    set_seed(job.seed)
    tags = tag_names(job.labels)
    number_of = {tag: number for number, tag in enumerate(tags)}
    config = AutoConfig.from_pretrained(job.encoder, id2label=dict(enumerate(tags)), label2id=number_of)
    tokenizer = AutoTokenizer.from_pretrained(job.encoder)
    model = AutoModelForTokenClassification.from_pretrained(job.encoder, config=config, dtype=torch.float32)
    rows = [
        tokenized(tokenizer, document.words, [number_of[tag] for tag in spans_to_tags(document)])
        for document in read_documents(job.train)
    ]
    collator = DataCollatorForTokenClassification(tokenizer)
    loader = torch.utils.data.DataLoader(rows, shuffle=True, collate_fn=collator, batch_size=job.batch_size)
    plain = ("bias", "LayerNorm.weight")
    named = list(model.named_parameters())
    groups = [
        {"params": [p for name, p in named if not name.endswith(plain)], "weight_decay": job.weight_decay},
        {"params": [p for name, p in named if name.endswith(plain)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=job.learning_rate)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=0, num_training_steps=len(loader))
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    model.train()
    began, busy = time.perf_counter(), time.process_time()
    for batch in loader:
        accelerator.backward(model(**batch).loss)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    took, busy = time.perf_counter() - began, time.process_time() - busy
    peak = peak_mib()
    unwrapped = accelerator.unwrap_model(model)
    unwrapped.save_pretrained(job.output)
    tokenizer.save_pretrained(job.output)
    tokens = sum(len(row["input_ids"]) for row in rows)
    return {"seconds": took, "cpu_s": busy, "tokens": tokens, "steps": len(loader), "peak_mib": peak}


def main() -> None:
    job = job_of(__doc__)
    measured = train_epoch(job)
    report(**measured, f1=strict_f1(Path(job.output), job.dev))


if __name__ == "__main__":
    offline.seal()
    main()
