"""Tags, spans and confidences for new texts, in input order and bounded memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.corpus.schemes import tags_to_spans
from nerkd_local.records import CONFIDENCES, OF_LABELS, OF_NOTHING, RAW_TAGS, Document
from nerkd_local.student.confidence import entity_confidences, outside_probabilities, span_probabilities
from nerkd_local.student.decode import best_tags, word_tags
from nerkd_local.student.device import Precision, autocast, pick_device, pick_precision
from nerkd_local.student.encode import Window, encode
from nerkd_local.student.kernels import fast_kernels
from nerkd_local.student.model import check_length, student_tags, student_windows
from nerkd_local.student.packing import Layout, word_logits

_ROW_TOKENS = 256
_UNSEEN = -1e4
"""The score of all classes but `O` for a word that the student does not see."""

_CHUNK = 2048  # documents held at once: enough to sort by length, little enough to keep memory flat


class Prediction(NamedTuple):
    """A document with the student's spans in place of its own, the raw IOB2 tag of each token, the confidence in
    each span (see `entity_confidences`), and, for each span that the document came with, its probability and that of
    no mention in its place.

    `spans` are read from `tags` as a strict scorer reads them: an `I-x` that continues nothing is no entity.
    """

    document: Document
    tags: list[str]
    confidences: tuple[float, ...]
    of_labels: tuple[float, ...]
    of_nothing: tuple[float, ...]

    @property
    def tagged_document(self) -> Document:
        """The document with raw tags and confidences (rounded to six decimals) in its `meta`.

        There the scorer finds the tags: a strict and a lenient score differ in how they read stray `I-` tags,
        which spans cannot show.
        """
        confidences = [round(confidence, 6) for confidence in self.confidences]
        meta = {**self.document.meta, RAW_TAGS: self.tags, CONFIDENCES: confidences}
        return dataclasses.replace(self.document, meta=meta)

    @property
    def judged_document(self) -> Document:
        """`tagged_document`, with what the student thinks of each span that the document came with in its `meta` too.

        Rounded to six digits, not decimals: among unlikely spans it is the small ones that are told apart.
        """
        tagged = self.tagged_document
        judged = {OF_LABELS: self.of_labels, OF_NOTHING: self.of_nothing}
        rounded = {key: [float(f"{number:.6g}") for number in numbers] for key, numbers in judged.items()}
        return dataclasses.replace(tagged, meta={**tagged.meta, **rounded})


def predict(
    model: Any,
    tokenizer: Any,
    documents: Iterable[Document],
    *,
    device: torch.device | None = None,
    max_tokens: int | None = None,
    stride: int | None = None,
    tokens_per_batch: int | None = None,
    precision: Precision = "auto",
    decoding: Literal["valid", "independent"] = "valid",
) -> Iterator[Prediction]:
    """One prediction for each document, in order; the next 2,048 documents are read at a time.

    Texts of any length are read whole, in windows of `max_tokens` that share `stride` (see `encode`); default:
    as the student was trained (see `student_windows`). A token the tokenizer gives no sub-token is certainly `O`.
    `tokens_per_batch` bounds windows times the longest window of a forward, padding included: default 1,024
    on a CPU, 32,768 elsewhere. Batches are made of windows of like length, so a score can differ in its last
    bits with the documents around it. The model is moved to `device` (default: CUDA if present) and put in
    evaluation mode. `decoding`: the best tag sequence that is valid IOB2, or each word's best tag, which may leave an
    `I-x` that continues nothing. Raises InputError if `max_tokens` or `stride` does not fit the model.
    """
    trained = student_windows(model)
    max_tokens = trained.max_tokens if max_tokens is None else max_tokens
    stride = trained.stride if stride is None else stride
    check_length(model, max_tokens)
    names = student_tags(model)
    device = device or pick_device()
    model.to(device).eval()
    resolved = pick_precision(precision, device)
    # 1,024 to 2,048 are fastest on one CPU thread (331 and 317 CoNLL sentences a second in bfloat16; 265 at
    # 256, 245 at 8,192)
    budget = tokens_per_batch or (1024 if device.type == "cpu" else 32768)
    remaining = iter(documents)
    layout = Layout.of(model, tokenizer.pad_token_id, max_tokens)
    while chunk := list(islice(remaining, _CHUNK)):
        sentences = [document.words for document in chunk]
        scores = [np.full((len(words), len(names)), _UNSEEN, np.float32) for words in sentences]
        for rows in scores:
            rows[:, 0] = 0  # certainly O
        encoded = encode(tokenizer, sentences, max_tokens=max_tokens, stride=stride)
        windows = [(window, row) for row, cut in enumerate(encoded) for window in cut]
        windows.sort(key=lambda pair: len(pair[0]))
        start = 0
        for group in batches([window for window, _ in windows], budget):
            found = _scores(model, layout, group, device, resolved)
            begin = 0
            for window, row in windows[start : start + len(group)]:
                end = begin + len(window.words)
                scores[row][window.words] = found[begin:end]
                begin = end
            start += len(group)
        for document, row_scores in zip(chunk, scores, strict=True):
            classes = best_tags(row_scores) if decoding == "valid" else row_scores.argmax(-1)
            tags = word_tags(classes.tolist(), names)
            labelled = dataclasses.replace(document, spans=tags_to_spans(tags, document.tokens, strict=True))
            probabilities = _softmax(row_scores)
            yield Prediction(
                labelled,
                tags,
                entity_confidences(labelled, probabilities, names),
                span_probabilities(document, document.spans, probabilities, names),
                outside_probabilities(document, document.spans, probabilities),
            )


def batches(windows: list[Window], budget: int) -> Iterator[list[Window]]:
    """Consecutive groups of windows, sorted by length, each as large as `budget` padded tokens allow.

    A window longer than the budget is a group of its own.
    """
    group: list[Window] = []
    for window in windows:
        if group and len(window) * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(window)
    if group:
        yield group


@torch.inference_mode()
def _scores(
    model: Any, layout: Layout, group: list[Window], device: torch.device, precision: Literal["fp32", "bf16"]
) -> NDArray[np.float32]:
    """The head's scores of each word of the windows, in float32. Shape: (words, classes)."""
    batch = layout.batch(group, row_tokens=_ROW_TOKENS).to(device)
    with autocast(precision, device), fast_kernels(device):
        logits = word_logits(model, batch)
    return np.asarray(logits.float().cpu().numpy(), np.float32)


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(scores):
        return scores
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)
