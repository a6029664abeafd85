"""Windows kept on the disk, so that a corpus is tokenized once for all students of an encoder.

A file holds the windows of one list of texts under one tokenizer and one pair of window sizes, and is named by the hash
of all of these: another tokenizer, text or size is another file, and nothing in it ever needs to be brought up to date.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nerkd_local.files import write_bytes
from nerkd_local.fingerprints import digest
from nerkd_local.student.encode import Window, encode

_FORMAT = "nerkd windows 1"


def encode_cached(
    tokenizer: Any,
    tokenizer_digest: str,
    sentences: Sequence[Sequence[str]],
    *,
    max_tokens: int,
    stride: int,
    folder: Path | None,
) -> list[list[Window]]:
    """As `encode`, read from `folder` if it was done before; left there otherwise. Without a folder, just `encode`.

    `tokenizer_digest` stands for the tokenizer: that of its files. A file that is damaged is made again. Several
    processes may share a folder.
    """
    if folder is None:
        return encode(tokenizer, sentences, max_tokens=max_tokens, stride=stride)
    words: list[str | int] = []
    for sentence in sentences:
        words += [len(sentence), *sentence]
    path = folder / f"{digest(_FORMAT, tokenizer_digest, max_tokens, stride, *words)}.npz"
    if path.exists():
        try:
            return _unpacked(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass
    windows = encode(tokenizer, sentences, max_tokens=max_tokens, stride=stride)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **_packed(windows))
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(path, packed.getvalue())
    return windows


def _packed(sentences: Sequence[Sequence[Window]]) -> dict[str, NDArray[np.int32]]:
    windows = list(chain.from_iterable(sentences))
    return {
        "windows": np.array([len(cut) for cut in sentences], np.int32),
        "tokens": np.array([len(window) for window in windows], np.int32),
        "words": np.array([len(window.words) for window in windows], np.int32),
        "input_ids": _joined([window.input_ids for window in windows]),
        "positions": _joined([window.positions for window in windows]),
        "word_numbers": _joined([window.words for window in windows]),
    }


def _joined(arrays: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.int32)


def _unpacked(path: Path) -> list[list[Window]]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    tokens, words = arrays["tokens"].cumsum()[:-1], arrays["words"].cumsum()[:-1]
    windows = list(
        map(
            Window,
            np.split(arrays["input_ids"], tokens),
            np.split(arrays["positions"], words),
            np.split(arrays["word_numbers"], words),
        )
    )
    if not len(arrays["tokens"]):
        windows = []
    ends = arrays["windows"].cumsum()
    if len(ends) and ends[-1] != len(windows):
        raise ValueError("the counts do not fit")
    return [windows[end - count : end] for end, count in zip(ends, arrays["windows"], strict=True)]
