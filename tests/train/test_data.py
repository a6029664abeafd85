from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Source, Span, from_words
from nerkd_local.student.decode import tag_names
from nerkd_local.train.data import Examples, load_examples, micro_batches, step_examples, step_pieces
from tests.train.conftest import documents, make_plan

TAGS = tag_names(["LOC", "PER"])


@pytest.fixture
def paths(tmp_path: Path) -> dict[Source, Path | None]:
    for source in ("original", "distilled"):
        write_documents(tmp_path / f"{source}.jsonl", documents(source))
    return {"original": tmp_path / "original.jsonl", "distilled": tmp_path / "distilled.jsonl"}


@pytest.fixture
def tokenizer(tiny_encoder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_encoder, local_files_only=True)


def load(paths: dict[Source, Path | None], tokenizer: Any, steps: int = 4) -> Examples:
    return load_examples(make_plan(steps), paths, tokenizer, TAGS, max_tokens=32, stride=8)


def test_words_carry_their_tags_at_their_first_sub_token(paths: dict[Source, Path | None], tokenizer: Any) -> None:
    example = load(paths, tokenizer)["original", "original:0"]
    assert [TAGS[number] for number in example.windows[0].targets.argmax(1)] == ["B-PER", "O", "O", "B-LOC"]
    assert (example.labels, example.tokens) == (4, 6)


def test_a_long_example_keeps_every_label_once(paths: dict[Source, Path | None], tokenizer: Any) -> None:
    example = load(paths, tokenizer)["original", "original:7"]
    words = documents("original")[7].words
    assert len(example.windows) > 1
    assert example.labels == len(words)


def test_an_example_without_sub_tokens_is_there_without_windows(
    paths: dict[Source, Path | None], tokenizer: Any
) -> None:
    example = load(paths, tokenizer)["original", "original:3"]
    assert (example.windows, example.labels) == ((), 0)


def test_texts_are_kept_once_for_plans_that_want_different_ones(
    paths: dict[Source, Path | None], tokenizer: Any, tmp_path: Path
) -> None:
    cache = tmp_path / "encoded"

    def load_kept(steps: int) -> Examples:
        return load_examples(make_plan(steps), paths, tokenizer, TAGS, max_tokens=32, stride=8, cache=cache)

    few, none = load_kept(1), list(cache.glob("*"))
    assert (len(few), none) == (3, [])  # of eight documents of a source, two and one: not worth keeping
    most, kept = load_kept(4), sorted(cache.glob("*"))
    every, same = load_kept(8), sorted(cache.glob("*"))
    assert len(few) < len(most) < len(every)
    assert len(kept) == 1  # both sources have the same texts here
    assert same == kept
    for key, example in load(paths, tokenizer, steps=8).items():
        for mine, theirs in zip(every[key].windows, example.windows, strict=True):
            assert mine.window.input_ids.tolist() == theirs.window.input_ids.tolist()
            assert mine.targets.tolist() == theirs.targets.tolist()


def test_only_the_plans_examples_are_kept_and_a_step_has_them_in_order(
    paths: dict[Source, Path | None], tokenizer: Any
) -> None:
    examples = load(paths, tokenizer, steps=1)
    assert [id for _, id in sorted(examples)] == ["distilled:0", "original:0", "original:1"]
    sources = [example.source for example in step_examples(make_plan(1).steps[0], examples)]
    assert sources == ["original", "original", "distilled"]


def test_an_id_the_file_does_not_hold_is_named(
    paths: dict[Source, Path | None], tokenizer: Any, tmp_path: Path
) -> None:
    write_documents(tmp_path / "original.jsonl", documents("original")[:2])
    with pytest.raises(InputError, match=r"original\.jsonl: does not hold 3 .*'original:3', step 1"):
        load(paths, tokenizer)


def test_a_source_the_settings_do_not_name_is_named(tokenizer: Any, paths: dict[Source, Path | None]) -> None:
    with pytest.raises(InputError, match="the plan uses distilled examples"):
        load({**paths, "distilled": None}, tokenizer)


def test_a_label_the_run_does_not_know_is_named(
    paths: dict[Source, Path | None], tokenizer: Any, tmp_path: Path
) -> None:
    changed = documents("original")
    changed[0] = from_words("original:0", ["paris"], (Span(0, 5, "LOCATION"),))
    write_documents(tmp_path / "original.jsonl", changed)
    with pytest.raises(InputError, match=r"'original:0' has a span labelled 'LOCATION'"):
        load(paths, tokenizer)


def test_micro_batches_hold_every_window_once_long_ones_first(paths: dict[Source, Path | None], tokenizer: Any) -> None:
    pieces = step_pieces(list(load(paths, tokenizer).values()), seed=1)
    groups = micro_batches(pieces, 40)
    lengths = [[len(piece.tagged.window) for piece in group] for group in groups]
    assert sum(lengths, []) == sorted((len(piece.tagged.window) for piece in pieces), reverse=True)  # noqa: RUF017
    assert all(sum(group) <= 40 for group in lengths)
    assert [len(group) for group in micro_batches(pieces, 1)] == [1] * len(pieces)
    assert micro_batches([], 40) == []


def test_ranks_share_a_steps_windows_and_every_token_keeps_its_key(
    paths: dict[Source, Path | None], tokenizer: Any
) -> None:
    examples = list(load(paths, tokenizer).values())
    whole = step_pieces(examples, seed=5)
    parts = [piece for rank in range(3) for piece in step_pieces(examples, 5, rank, 3)]
    keys = [piece.keys.tolist() for piece in whole]
    assert sorted(keys) == sorted(piece.keys.tolist() for piece in parts)
    flat = sum(keys, [])  # noqa: RUF017
    assert len(set(flat)) == len(flat)
    assert not set(flat) & {key for piece in step_pieces(examples, seed=6) for key in piece.keys.tolist()}


def distilled(paths: dict[Source, Path | None], tokenizer: Any, **meta: Any) -> Any:
    changed = documents("distilled")
    changed[0] = from_words("distilled:0", ["anna", "lives"], (Span(0, 4, "PER"),), meta)
    path = paths["distilled"]
    assert path is not None
    write_documents(path, changed)
    return load(paths, tokenizer)["distilled", "distilled:0"].windows[0]


def test_votes_and_weights_of_distilled_words_are_learned_from(
    paths: dict[Source, Path | None], tokenizer: Any
) -> None:
    votes = [{"B-PER": 0.75, "O": 0.25}, {"O": 1}]
    window = distilled(paths, tokenizer, tag_votes=votes, token_weights=[0.5, 0])
    assert window.targets.tolist() == [[0.25, 0, 0, 0.75, 0], [1, 0, 0, 0, 0]]
    assert window.weights.tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ({"tag_votes": [{"O": 1}]}, "one object for each of its tokens"),
        ({"tag_votes": [{"O": 0.5}, {"O": 1}]}, "must sum to 1"),
        ({"tag_votes": [{"O": "all"}, {"O": 1}]}, "must sum to 1"),
        ({"tag_votes": [{"B-XYZ": 1}, {"O": 1}]}, "labelled 'XYZ'"),
        ({"token_weights": [1]}, "one number from 0 on for each"),
        ({"token_weights": [1, -1]}, "one number from 0 on for each"),
        ({"token_weights": ["a", "b"]}, "one number from 0 on for each"),
    ],
)
def test_votes_and_weights_that_do_not_fit_are_named(
    paths: dict[Source, Path | None], tokenizer: Any, meta: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=f"distilled.jsonl: example 'distilled:0'.*{says}"):
        distilled(paths, tokenizer, **meta)
