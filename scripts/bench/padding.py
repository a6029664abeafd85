"""How much of what the encoder processes is padding, counted over an epoch without running it."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def padding_shares(corpus: Path, encoder: Path, batch_sizes: list[int], seed: int) -> dict[str, dict[int, float]]:
    """Padding tokens over all tokens processed, by layout and batch size, in the same random order.

    `recipe` pads each batch to its longest sentence; `nerkd` lays each out as its trainer does.
    """
    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.student.encode import encode
    from nerkd_local.student.model import new_student
    from nerkd_local.student.packing import Layout
    from nerkd_local.train.data import Example, TaggedWindow, micro_batches, step_pieces
    from nerkd_local.train.loop import _FORWARD_TOKENS, _ROW_TOKENS
    from nerkd_local.train.settings import StudentSettings

    settings = StudentSettings()
    model, tokenizer = new_student(encoder, ["PER"], seed)
    layout = Layout.of(model, tokenizer.pad_token_id, settings.max_tokens)
    words = [document.words for document in read_documents(corpus)]
    sentences = encode(tokenizer, words, max_tokens=settings.max_tokens, stride=settings.stride)
    order = np.random.default_rng(seed).permutation(len(sentences))
    nothing = np.zeros((0, 1), np.float32)
    shares: dict[str, dict[int, float]] = {"nerkd": {}, "recipe": {}}
    for size in batch_sizes:
        ours, padded, real = 0, 0, 0
        for start in range(0, len(order), size):
            windows = [window for number in order[start : start + size] for window in sentences[number]]
            lengths = [len(window) for window in windows]
            real += sum(lengths)
            padded += len(lengths) * max(lengths)
            step = [Example("original", (TaggedWindow(window, nothing, nothing[:, 0]),)) for window in windows]
            for group in micro_batches(step_pieces(step, 0), _FORWARD_TOKENS["cpu"]):
                batch = layout.batch([piece.tagged.window for piece in group], row_tokens=_ROW_TOKENS)
                ours += batch.input_ids.numel()
        shares["nerkd"][size], shares["recipe"][size] = 1 - real / ours, 1 - real / padded
    return shares
