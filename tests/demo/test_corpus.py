"""The made-up news: the same from the same seed, labelled rightly, ambiguous on purpose, and in two worlds apart."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.demo import names
from nerkd_local.demo.corpus import LABELS, write_sentence, write_sentences
from nerkd_local.demo.files import SIZES, write_corpora
from nerkd_local.demo.frames import FRAMES
from nerkd_local.demo.names import World

WORLDS: tuple[World, World] = ("annotator", "scored")


@given(st.sampled_from(WORLDS), st.integers(0, 2**32))
def test_every_sentence_is_a_document_with_declared_labels(world: World, seed: int) -> None:
    document = write_sentence(world, Random(seed), "s")  # offsets are checked when a document is made
    assert document.words
    assert all("{" not in word and "|" not in word for word in document.words)
    assert {span.label for span in document.spans} <= set(LABELS)


def test_a_seed_always_writes_the_same_and_a_longer_run_begins_the_same() -> None:
    assert list(write_sentences("scored", 50, 3)) == list(write_sentences("scored", 80, 3))[:50]
    assert list(write_sentences("scored", 50, 3)) != list(write_sentences("scored", 50, 4))


def test_all_sentences_differ() -> None:
    texts = [document.text for document in write_sentences("scored", 1500, 0)]
    assert len(set(texts)) == 1500


def mentions(world: World) -> dict[str, set[str]]:
    """The words of mentions, but for the common ones of firms, teams and events, with their labels."""
    found: dict[str, set[str]] = defaultdict(set)
    for document in write_sentences(world, 3000, 0):
        for span in document.spans:
            found[document.text[span.start : span.end]].add(span.label)
    return found


COMMON = {
    word
    for words in (
        "bank of corp ltd inc group holdings industries & sons motors airlines united rovers city wanderers athletic",
        "open grand prix cup festival trophy times post herald new east north port san lake",
    )
    for word in words.split()
}


def test_the_worlds_share_no_name() -> None:
    words = [{word.casefold() for mention in mentions(world) for word in mention.split()} for world in WORLDS]
    initials = {word for word in words[0] if len(word) == 2 and word.endswith(".")}
    assert words[0] & words[1] - initials <= COMMON
    assert min(map(len, words)) > 1000


def test_the_worlds_share_no_frame() -> None:
    plain = [{frame.casefold().strip(" .") for frame in FRAMES[world]} for world in WORLDS]
    assert not plain[0] & plain[1]
    assert min(map(len, plain)) > 40


@pytest.mark.parametrize("world", WORLDS)
def test_alternatives_hold_plain_words(world: World) -> None:
    assert not [frame for frame in FRAMES[world] if re.search(r"\([^()]*\|[^()]*\{", frame)]


def test_one_surface_form_carries_several_labels() -> None:
    ambiguous = [mention for mention, labels in mentions("scored").items() if len(labels) > 1]
    assert len(ambiguous) > 20


@pytest.mark.parametrize("world", WORLDS)
def test_surnames_stand_as_ordinary_words_too(world: World) -> None:
    words = {word for document in write_sentences(world, 3000, 0) for word in document.words}
    both = {name for name in names.ordinary_words(world) if name in words and name.lower() in words}
    assert len(both) >= 5


def test_nobody_can_be_right_every_time() -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for document in write_sentences("scored", 5000, 0):
        if document.text.endswith("was silent about the vote ."):
            labels["was silent"].add(document.spans[0].label)
    assert labels["was silent"] == {"PER", "ORG"}


def test_the_files_hold_different_sentences_and_are_the_same_again(tmp_path: Path) -> None:
    write_corpora(tmp_path / "a")
    write_corpora(tmp_path / "b")
    texts: list[str] = []
    for name, size in SIZES.items():
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        documents = list(read_documents(tmp_path / "a" / name))
        assert len(documents) == size
        texts += [document.text for document in documents]
    assert len(set(texts)) == len(texts)
