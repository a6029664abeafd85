from __future__ import annotations

from math import inf

import pytest

from nerkd_local.evidence.amounts import AmountCell
from nerkd_local.evidence.worth_text import describe_worth, worth_as_labelling, worth_cells
from nerkd_local.stats.bootstrap import Interval
from nerkd_local.stats.worth import Worth


def cell(estimate: float, low: float, high: float, size: int = 100) -> AmountCell:
    worth = Worth(estimate, low, high, 50 - size, 2000 - size, 0.0, 0.0)
    return AmountCell("linear", "news", size, 1000, 3, Interval(0.7, 0.6, 0.8), (), worth, 3)


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        ((131.4, 88.2, 184.9), "are worth 130 (88 to 180) original ones beside 100 with linear."),
        ((inf, 1234.0, inf), "are worth more than 1,900 (1,200 to more than 1,900) original ones beside 100"),
        ((inf, inf, inf), "are worth more than 1,900 original ones beside 100"),
        (
            (20.0, -7.0, 40.0),
            "cannot be told apart from none beside 100 with linear: worth 20 (-7 to 40) original ones.",
        ),
        ((20.0, -inf, inf), "cannot be told apart from none beside 100 with linear: worth 20 (fewer than -50 to more"),
        ((-31.0, -40.0, -9.0), "do harm beside 100 with linear, as much as taking away 31 (9 to 40) original ones."),
        ((-inf, -inf, -9.0), "do harm beside 100 with linear, as much as taking away more than 50 (9 to more than 50)"),
    ],
)
def test_a_worth_in_words_says_no_more_than_its_interval(worth: tuple[float, float, float], said: str) -> None:
    assert describe_worth(cell(*worth)).startswith(f"1,000 distilled sentences of news {said}")


def test_alone_they_are_not_held_to_none() -> None:
    alone = "1,000 distilled sentences of news alone are worth"
    assert describe_worth(cell(90, 70, 110, size=0)) == f"{alone} 90 (70 to 110) original ones with linear."
    assert describe_worth(cell(-inf, -inf, -inf, size=0)) == f"{alone} fewer than 50 original ones with linear."


def test_off_a_curve_without_their_own_size_it_is_not_known_whether_they_are_worth_anything() -> None:
    none = "1,000 distilled sentences of news cannot be told apart from none beside"
    # more than 2,000 originals alone reach, beside 3,000; fewer than 50, beside 20
    assert describe_worth(cell(inf, inf, inf, size=3000)).startswith(
        f"{none} 3,000 with linear: worth more than -1,000"
    )
    assert describe_worth(cell(-inf, -inf, -inf, size=20)).startswith(f"{none} 20 with linear: worth fewer than 30")


def test_a_worth_in_cells_is_exact_and_says_how_often_it_ran_off() -> None:
    assert worth_cells(Worth(131.4, 88.2, inf, -50, 1900, 0.034, 0.0)) == ("131", "88 to more than 1,900", "3%")
    assert worth_cells(Worth(inf, inf, inf, -50, 1900, 1.0, 0.0)) == ("more than 1,900", "more than 1,900", "100%")
    assert worth_cells(Worth(-4.2, -30.0, 52.0, -50, 1900, 0.0, 0.0)) == ("-4", "-30 to 52", "-")
    assert worth_cells(None) == ("-", "-", "-")


def test_a_worth_as_human_labelling() -> None:
    assert worth_as_labelling(Worth(132.0, 0, 0, 0, 0, 0, 0), 0.5) == "1.10 h"
    assert worth_as_labelling(Worth(-4.0, 0, 0, 0, 0, 0, 0), 0.5) == "-2.00 min"
    assert worth_as_labelling(Worth(inf, 0, 0, 0, 0, 0, 0), 0.5) == "-"
    assert worth_as_labelling(None, 0.5) == "-"
