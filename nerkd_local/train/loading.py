"""What a run works with, read from its files: the student, the examples, and what is scored on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from nerkd_local.fingerprints import digest_folder
from nerkd_local.records import Document
from nerkd_local.regimen.plan import Plan
from nerkd_local.student.checkpoint import Checkpoint, open_checkpoint
from nerkd_local.student.dropout import DropoutKeys, key_dropout
from nerkd_local.student.model import check_length, first_position_of, new_student, student_tags
from nerkd_local.student.packing import Layout
from nerkd_local.student.vocabulary import Vocabulary
from nerkd_local.train.channel import load_channel
from nerkd_local.train.data import Examples, load_examples, renumbered, used_ids
from nerkd_local.train.evaluation import read_evaluation
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.settings import TrainSettings


class Loaded(NamedTuple):
    """What the steps need of a run's files. `student`: the model with its table of embeddings cut, its tokenizer, the
    rows it is cut to, and the whole table. The examples' token ids are rows of the cut table."""

    student: tuple[Any, Any, Vocabulary, torch.Tensor]
    examples: Examples
    layout: Layout
    dropout: DropoutKeys
    channel: torch.Tensor | None
    evaluation: list[Document]


def load_parts(
    settings: TrainSettings, plan: Plan, folder: TrainFolder, start: int
) -> tuple[Loaded, Checkpoint | None]:
    """Read it all; the checkpoint after `start` steps is opened, not yet put into the model; None at the beginning.

    Raises InputError for files that do not fit the settings or the plan.
    """
    model, tokenizer = new_student(settings.student, settings.labels, settings.seed, dropout=settings.dropout)
    check_length(model, settings.max_tokens)
    layout = Layout.of(model, tokenizer.pad_token_id, settings.max_tokens)
    examples = load_examples(
        plan,
        {"original": settings.original, "distilled": settings.distilled},
        tokenizer,
        student_tags(model),
        max_tokens=settings.max_tokens,
        stride=settings.stride,
        tokenizer_digest=digest_folder(settings.student),
        cache=settings.cache,
    )
    # models that number positions from the padding id on know it by its number: all ids up to it keep theirs
    vocabulary = Vocabulary.of(used_ids(examples), tokenizer.pad_token_id, *range(first_position_of(model)))
    loaded = Loaded(
        (model, tokenizer, vocabulary, vocabulary.cut(model)),
        renumbered(examples, vocabulary),
        replace(layout, pad=int(vocabulary.numbers(np.array([tokenizer.pad_token_id]))[0])),
        key_dropout(model, settings.seed),
        load_channel(settings),
        read_evaluation(settings.evaluation, settings.labels) if settings.evaluation else [],
    )
    return loaded, open_checkpoint(folder.checkpoints, start) if start else None
