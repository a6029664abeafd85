from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.errors import InputError
from nerkd_local.records import Source, Span, from_words
from nerkd_local.student.decode import tag_names
from nerkd_local.train.data import Examples, load_examples, micro_batches, step_examples
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
    assert [TAGS[number] for number in example.windows[0].classes] == ["B-PER", "O", "O", "B-LOC"]
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


def test_micro_batches_hold_every_window_once_short_ones_first(
    paths: dict[Source, Path | None], tokenizer: Any
) -> None:
    windows = [window for example in load(paths, tokenizer).values() for window in example.windows]
    groups = micro_batches(windows, 3)
    lengths = [len(tagged.window) for group in groups for tagged in group]
    assert lengths == sorted(len(tagged.window) for tagged in windows)
    assert {len(group) for group in groups[:-1]} == {3}
    assert micro_batches(windows, None) == [sum(groups, [])]  # noqa: RUF017
    assert micro_batches([], None) == []
