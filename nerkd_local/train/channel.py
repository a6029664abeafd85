"""The noisy channel between the true label of a word and the annotator's: a matrix, estimated and kept as a file.

T[y][c] is the probability that the annotator writes class c where y is true. It is counted on sentences that have both:
human-labelled ones that the annotator has answered too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError
from nerkd_local.files import read_json, write_json
from nerkd_local.records import Document
from nerkd_local.student.decode import tag_names
from nerkd_local.train.settings import TrainSettings


def estimate_channel(
    pairs: Iterable[tuple[Document, Document]], labels: Sequence[str], *, prior: float
) -> NDArray[np.float64]:
    """T from documents with human labels, each beside the same with the annotator's. Shape: (classes, classes).

    Counts of words plus, in each row, `prior` pseudo-counts shared out as that row's class would be without any noise
    but a tenth: so a class that is never seen is nearly trusted, and no probability is 0 (`prior` is above 0). Rows sum
    to 1. Raises InputError for a span with another label.
    """
    names = tag_names(labels)
    number = {tag: index for index, tag in enumerate(names)}
    size = len(names)
    counts = prior * (0.9 * np.eye(size) + 0.1 / size)
    for human, annotated in pairs:
        for true, written in zip(spans_to_tags(human), spans_to_tags(annotated), strict=True):
            for tag in (true, written):
                if tag not in number:
                    raise InputError(f"document {human.id!r} has the tag {tag!r}, which is not among the labels' tags")
            counts[number[true], number[written]] += 1
    normalised: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return normalised


def save_channel(channel: NDArray[np.float64], labels: Sequence[str], path: Path) -> None:
    """Write it as JSON, with the tags of its rows and columns."""
    write_json(path, {"tags": list(tag_names(labels)), "channel": channel.tolist()})


def load_channel(settings: TrainSettings) -> torch.Tensor | None:
    """The channel that a run's loss needs; None for another loss. Shape: (classes, classes), float32.

    Raises InputError for a file that is no channel for the run's labels. (That one is named, the settings make sure.)
    """
    if settings.distilled_loss.kind != "channel" or settings.channel is None:
        return None
    value = read_json(settings.channel)
    names = list(tag_names(settings.labels))
    if not isinstance(value, dict) or value.get("tags") != names:
        raise InputError(f"is no channel between the tags {', '.join(names)}", path=settings.channel)
    try:
        channel = np.array(value.get("channel"), np.float32)
    except (TypeError, ValueError):  # rows of different lengths, or no numbers
        channel = np.zeros(0, np.float32)
    if channel.shape != (len(names), len(names)) or not ((channel > 0).all() and np.allclose(channel.sum(1), 1, 1e-4)):
        raise InputError("its rows are not probabilities above 0 that sum to 1", path=settings.channel)
    return torch.from_numpy(channel)
