"""Tokens are fitted to the stored text, or nothing is kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import Completion, FinishReason
from nerkd_local.annotate.token_logprobs import TokenLogprobs, fit_tokens
from nerkd_local.errors import InputError

Pieces = list[tuple[str, float]]
BROKEN = "\ufffd"


def completion(pieces: Pieces, reason: FinishReason = "stop", *, masked: bool = False) -> Completion:
    text = "".join(piece for piece, _ in pieces)
    return Completion(0, text, reason, 1, len(pieces), tuple(pieces), masked=masked)


@pytest.mark.parametrize(
    ("text", "given_pieces", "tokens", "end"),
    [
        ("PER\tAnn", [("PER", -0.1), ("\t", -0.2), ("Ann", -0.3), ("</s>", -0.4)], 3, -0.4),
        ("PER\tAnn", [("PER", -0.1), ("\t", -0.2), ("Ann", -0.3), ("", -0.4)], 3, -0.4),
        ("PER\tAnn", [("PER", -0.1), ("\t", -0.2), ("Ann", -0.3)], 3, None),  # cut off
        ("", [("</s>", -0.5)], 0, -0.5),
        ("", [], 0, None),
    ],
)
def test_what_follows_the_text_is_the_end(text: str, given_pieces: Pieces, tokens: int, end: float | None) -> None:
    fitted = fit_tokens(completion(given_pieces), text)
    assert fitted == TokenLogprobs(False, tuple(given_pieces[:tokens]), end)


def test_parts_of_one_character_become_one_piece_with_the_sum_of_theirs() -> None:
    # a snowman in three bytes, as an engine shows tokens that are no whole character
    pieces = [("PER\t", -0.1), (BROKEN, -0.2), (BROKEN, -0.3), ("", -0.4), (" x", -0.5), ("</s>", -0.6)]
    fitted = fit_tokens(completion(pieces), "PER\t☃ x")
    assert fitted == TokenLogprobs(False, (("PER\t", -0.1), ("☃", -0.9), (" x", -0.5)), -0.6)


def test_a_character_in_parts_may_be_the_last_one() -> None:
    pieces = [("PER\t", -0.1), (BROKEN, -0.2), (BROKEN, -0.3)]
    fitted = fit_tokens(completion(pieces, "length"), "PER\té")
    assert fitted == TokenLogprobs(False, (("PER\t", -0.1), ("é", -0.5)), None)


def test_a_token_may_be_whole_characters_and_a_part_of_another() -> None:
    pieces = [("PER\t", -0.1), ("ab" + BROKEN, -0.2), (BROKEN, -0.3), ("x", -0.5), (" " + BROKEN, -0.5)]
    fitted = fit_tokens(completion([*pieces, (BROKEN, -0.25)], "length"), "PER\tab☃x é")
    assert fitted == TokenLogprobs(False, (("PER\t", -0.1), ("ab☃", -0.5), ("x", -0.5), (" é", -0.75)), None)


def test_a_blank_that_no_token_shows_goes_to_the_one_behind_it() -> None:
    pieces = [("New", -0.1), ("York", -0.2), ("</s>", 0.0)]
    assert fit_tokens(completion(pieces), "New York") == TokenLogprobs(False, (("New", -0.1), (" York", -0.2)), 0.0)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("PER\tAnn", [("PER", -0.1), ("\tBob", -0.2)]),
        ("PER\tAnn", [("PER", -0.1)]),
        ("abcdef", [("a", -0.1), (BROKEN, -0.2), ("f", -0.3)]),
    ],
)
def test_other_pieces_than_the_texts_are_not_kept(text: str, pieces: Pieces) -> None:
    assert fit_tokens(completion(pieces), text) is None


def test_an_impossible_token_has_a_number_that_json_can_hold() -> None:
    fitted = fit_tokens(completion([("NONE", float("-inf"))]), "NONE")
    assert fitted == TokenLogprobs(False, (("NONE", -9999.0),))


def test_nothing_is_kept_where_nothing_was_asked_for() -> None:
    assert fit_tokens(Completion(0, "NONE", "stop", 1, 1), "NONE") is None


@given(
    st.lists(st.tuples(st.text(max_size=4), st.floats(-100, 0)), max_size=12),
    st.text(max_size=3),
    st.sampled_from(["stop", "length"]),
)
def test_what_is_kept_adds_up_to_the_text_and_reads_back(pieces: Pieces, more: str, reason: FinishReason) -> None:
    asked = completion(pieces, reason, masked=True)
    for text in (asked.text, asked.text + more, asked.text.strip(), more):
        fitted = fit_tokens(asked, text)
        if fitted is not None:
            assert "".join(piece for piece, _ in fitted.tokens) == text
            assert TokenLogprobs.from_json(fitted.to_json()) == fitted
            assert fitted.masked
            total = sum(logprob for _, logprob in fitted.tokens) + (fitted.end or 0)
            assert total == pytest.approx(sum(logprob for _, logprob in pieces), abs=1e-3)
    assert any(BROKEN in piece for piece, _ in pieces) or fit_tokens(asked, asked.text) is not None


@pytest.mark.parametrize("text", ["", "[]", '{"masked":true}', '{"masked":1,"tokens":[["a"]],"end":null}'])
def test_what_this_package_never_wrote_is_named(text: str) -> None:
    with pytest.raises(InputError, match="log-probabilities of tokens that cannot be read"):
        TokenLogprobs.from_json(text)
