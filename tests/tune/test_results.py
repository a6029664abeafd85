"""Who is first, and what is said of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from nerkd_local.tune.candidates import list_candidates
from nerkd_local.tune.results import write_results
from nerkd_local.tune.slices import take_slice
from nerkd_local.tune.standing import Ranked, Standing, rank
from nerkd_local.tune.trial import Trial
from tests.tune.searches import sentences, tune_settings

Counts = list[tuple[int, int, int]]


def trial(counts: Counts, output_tokens: int) -> Trial:
    return Trial(
        counts=tuple(counts),
        mentions=len(counts),
        hallucinated_each=(0,) * len(counts),
        unusable=0,
        prompt_tokens=10 * len(counts),
        output_tokens_each=(output_tokens,) + (0,) * (len(counts) - 1),
        seconds=None,
        inputs={},
    )


RIGHT, WRONG, MISSED = (1, 1, 1), (0, 1, 1), (0, 0, 1)


def test_scores_by_hand() -> None:
    made = trial([RIGHT, RIGHT, WRONG, MISSED, (0, 0, 0)], 5)
    # 2 correct of 3 found and 4 there
    assert (made.precision, made.recall, made.f1) == (2 / 3, 2 / 4, 4 / 7)
    assert trial([MISSED], 1).f1 == 0


def test_what_a_sentence_costs_has_an_interval_over_documents(search) -> None:  # type: ignore[no-untyped-def]
    _, _, candidates = search
    cost = Ranked(candidates[0], trial([RIGHT] * 4, 8)).a_sentence((2, 2, 0, 0), ["a", "a", "b", "b"])
    # of two documents a draw has 2 from one, one of each, or none: 2, 1 or 0 a sentence
    assert (cost.mean, cost.low, cost.high) == (1.0, 0.0, 2.0)


@pytest.fixture
def search(tmp_path: Path):  # type: ignore[no-untyped-def]
    tune = tune_settings(tmp_path, sentences(20, in_documents_of=1), formats=["lines", "json"])
    return tune, take_slice(tune), list_candidates(tune)


def test_more_sentences_then_f1_then_fewer_tokens_come_first(search) -> None:  # type: ignore[no-untyped-def]
    _, _, candidates = search
    trials = [
        trial([RIGHT] * 8, 1),  # dropped out after eight, all of them right
        trial([RIGHT] * 8 + [WRONG] * 6, 300),
        trial([RIGHT] * 8 + [WRONG] * 6, 200),
        trial([RIGHT] * 9 + [WRONG] * 5, 400),
    ]
    ranked = rank([Standing(*pair) for pair in zip(candidates, trials, strict=True)])
    assert [each.trial for each in ranked] == [trials[3], trials[2], trials[1], trials[0]]


def test_candidates_that_cannot_be_told_apart_are_said_so_with_the_cheapest(search) -> None:  # type: ignore[no-untyped-def]
    tune, slice, candidates = search
    trials = [
        trial([RIGHT] * 8 + [WRONG] * 6, 300),
        trial([WRONG] + [RIGHT] * 7 + [WRONG] * 6, 100),
        trial([WRONG] * 14, 14),
    ]
    standings = [Standing(*pair) for pair in zip(candidates, trials, strict=False)]
    told = write_results(tune, slice, [*standings, Standing(candidates[3], None, "no model")])
    assert "**good, lines** is first with F1 0.571, +0.071 to the second, good, json" in told
    assert "14 sentences do not tell the two apart" in told
    assert "good, json writes the fewest tokens: 7.1 a sentence against 21.4" in told
    assert "- blind, json: no model" in told
    first, second, third = rank(standings)
    assert not second.is_told_from(first, slice.documents)
    assert third.is_told_from(first, slice.documents)
    assert Ranked.lead(first, third, slice.documents).low > 0


def test_one_document_tells_no_two_candidates_apart(search) -> None:  # type: ignore[no-untyped-def]
    _, _, candidates = search
    first, second = rank(
        [Standing(candidates[0], trial([RIGHT] * 3, 1)), Standing(candidates[1], trial([WRONG] * 3, 1))]
    )
    assert first.lead(second, ["d", "d", "d"]).low == 1
    assert not first.is_told_from(second, ["d", "d", "d"])
    assert first.is_told_from(second, ["d", "d", "e"])


def test_the_winners_command_can_be_copied_where_a_folders_name_has_a_blank(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path / "my runs", sentences(20, in_documents_of=1))
    winner = Standing(list_candidates(tune)[0], trial([RIGHT] * 14, 1))
    write_results(tune, take_slice(tune), [winner])
    command = (tune.output / "winner.yaml").read_text().splitlines()[1].removeprefix("#   ")
    assert shlex.split(command)[2] == str(tune.output / "winner.yaml")
