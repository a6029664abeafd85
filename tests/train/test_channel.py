"""The annotator's noisy channel: how it is counted, kept, and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from nerkd_local.train.channel import estimate_channel, load_channel, save_channel
from tests.train.conftest import SettingsMaker

LABELS = ("PER", "LOC")  # classes: O, B-LOC, I-LOC, B-PER, I-PER


def sentence(*spans: Span) -> Document:
    return from_words("s", ["anna", "ray", "saw", "rome"], spans)


BOTH = sentence(Span(0, 8, "PER"), Span(13, 17, "LOC"))
"""B-PER I-PER O B-LOC"""
SHORT = sentence(Span(0, 4, "PER"), Span(13, 17, "PER"))
"""B-PER O O B-PER"""


def test_what_the_annotator_wrote_for_each_true_tag_is_counted() -> None:
    # prior 1: 0.92 where both are the same, 0.02 elsewhere
    found = estimate_channel([(BOTH, SHORT), (BOTH, BOTH)], LABELS, prior=1)
    expected = [
        [2.92 / 3, 0.02 / 3, 0.02 / 3, 0.02 / 3, 0.02 / 3],  # "saw", twice O
        [0.02 / 3, 1.92 / 3, 0.02 / 3, 1.02 / 3, 0.02 / 3],  # "rome": once B-PER, once B-LOC
        [0.02, 0.02, 0.92, 0.02, 0.02],  # there is no I-LOC
        [0.02 / 3, 0.02 / 3, 0.02 / 3, 2.92 / 3, 0.02 / 3],  # "anna", twice B-PER
        [1.02 / 3, 0.02 / 3, 0.02 / 3, 0.02 / 3, 1.92 / 3],  # "ray": once O, once I-PER
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(
    st.lists(st.tuples(st.sampled_from([BOTH, SHORT, sentence()]), st.sampled_from([BOTH, SHORT])), max_size=4),
    st.floats(1e-3, 1e3),
)
def test_rows_are_probabilities_and_none_is_zero(pairs: list[tuple[Document, Document]], prior: float) -> None:
    found = estimate_channel(pairs, LABELS, prior=prior)
    assert (found > 0).all()
    np.testing.assert_allclose(found.sum(1), 1)


def test_a_label_that_has_no_class_is_named() -> None:
    with pytest.raises(InputError, match="'s' has the tag 'B-ANIMAL', which is not among"):
        estimate_channel([(BOTH, sentence(Span(0, 4, "ANIMAL")))], LABELS, prior=1)


def test_a_channel_is_read_as_it_was_saved(make_settings: SettingsMaker, tmp_path: Path) -> None:
    channel = estimate_channel([(BOTH, SHORT)], LABELS, prior=1)
    save_channel(channel, LABELS, tmp_path / "channel.json")
    changes: dict[str, Any] = {"channel": tmp_path / "channel.json"}
    read = load_channel(make_settings(distilled_loss={"kind": "channel"}, **changes))
    assert read is not None
    assert read.dtype == torch.float32
    np.testing.assert_allclose(read.numpy(), channel, rtol=1e-6)
    assert load_channel(make_settings(**changes)) is None  # another loss


ROWS = np.full((5, 5), 0.2).tolist()
TAGS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "is no channel between the tags O, B-LOC, I-LOC, B-PER, I-PER"),
        ({"channel": ROWS}, "is no channel between the tags"),
        ({"tags": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "channel": ROWS}, "is no channel between the tags"),
        ({"tags": TAGS}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": ROWS[:4]}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": [*ROWS[:4], ROWS[0][:4]]}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": [*ROWS[:4], ["a"] * 5]}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": [*ROWS[:4], [0.2, 0.2, 0.2, 0.2, 0.3]]}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": [*ROWS[:4], [0.4, 0.2, 0.2, 0.2, 0.0]]}, "not probabilities above 0"),
        ({"tags": TAGS, "channel": [*ROWS[:4], [0.8, 0.2, 0.2, 0.2, -0.4]]}, "not probabilities above 0"),
    ],
)
def test_what_is_no_channel_is_refused(make_settings: SettingsMaker, tmp_path: Path, value: Any, says: str) -> None:
    (tmp_path / "channel.json").write_text(json.dumps(value))
    settings = make_settings(distilled_loss={"kind": "channel"}, channel=tmp_path / "channel.json")
    with pytest.raises(InputError, match=rf"channel\.json: .*{says}"):
        load_channel(settings)


def test_a_loss_that_needs_a_channel_asks_for_it(make_settings: SettingsMaker) -> None:
    with pytest.raises(ValidationError, match="name the annotator's channel under `channel`"):
        make_settings(distilled_loss={"kind": "channel"})
