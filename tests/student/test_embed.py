"""Vectors of texts: what they are the mean of, and that nothing but the text decides them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nerkd_local.errors import InputError
from nerkd_local.records import Document, from_words
from nerkd_local.student.embed import Embedder, Embedding, unit


@pytest.fixture(scope="module")
def embedder(tiny_encoder: Path) -> Embedder:
    return Embedder(tiny_encoder, device=torch.device("cpu"))


def embed(embedder: Embedder, *texts: str) -> list[Embedding]:
    return list(embedder.embed(from_words(f"s{n}", text.split()) for n, text in enumerate(texts)))


def test_the_vectors_are_the_encoders_hidden_states(embedder: Embedder) -> None:
    (found,) = embed(embedder, "a small town")
    model, tokenizer = embedder._model, embedder._tokenizer
    encoded = tokenizer(["a", "small", "town"], is_split_into_words=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**encoded).last_hidden_state[0].numpy()
    firsts = [encoded.word_ids(0).index(word) for word in range(3)]
    assert np.allclose(found.sentence, unit(hidden.sum(axis=0)), atol=1e-5)
    assert np.allclose(found.words, unit(hidden[firsts]), atol=1e-5)


def test_neighbours_in_a_batch_change_nothing_and_order_stays(embedder: Embedder) -> None:
    texts = [" ".join(["word"] * length) for length in (40, 1, 7, 300, 2)]  # sorted by length inside
    together = embed(embedder, *texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = embed(embedder, text)
        assert found.words.shape == (len(text.split()), alone.words.shape[1])
        assert np.allclose(found.sentence, alone.sentence, atol=1e-4)
        assert np.allclose(found.words, alone.words, atol=1e-4)


def test_a_text_longer_than_the_encoder_is_read_to_its_end(embedder: Embedder) -> None:
    (found,) = embed(embedder, " ".join(["word"] * 3000))
    assert np.allclose(np.linalg.norm(found.words, axis=1), 1, atol=1e-5)
    assert np.isclose(np.linalg.norm(found.sentence), 1, atol=1e-5)


def test_what_an_encoder_does_not_see_has_no_direction(embedder: Embedder) -> None:
    empty, invisible = embedder.embed([Document("e", "", ()), Document("i", "\u200b", ((0, 1),))])
    assert empty.words.shape == (0, len(empty.sentence))
    assert not empty.sentence.any()
    assert invisible.words.shape == (1, len(empty.sentence))
    assert not invisible.words.any()


def test_only_a_local_folder_will_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is downloaded"):
        Embedder(Path("sentence-transformers/some-model"))
    with pytest.raises(InputError, match=r"without a config\.json"):
        Embedder(tmp_path)
