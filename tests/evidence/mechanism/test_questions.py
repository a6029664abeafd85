"""What is asked of the conditions: every contrast, and none that a missing condition would falsify."""

from __future__ import annotations

import numpy as np

from nerkd_local.evidence.mechanism.questions import contrasts
from nerkd_local.evidence.mechanism.study import EXPOSURES, LAST, MIXED_AS_IS, ORDERS, RATES, THROUGHOUT, Cell, Study


def study(*missing: Cell, rates: tuple[str, ...] = RATES) -> Study:
    cells = [Cell(rate, order, exposure) for rate in rates for order in ORDERS.values() for exposure in EXPOSURES]
    cells += [Cell(rate, THROUGHOUT, MIXED_AS_IS) for rate in rates]
    counts = np.ones((2, 4, 3), np.int64)
    held = {cell: counts for cell in cells if cell not in missing}
    return Study(dict.fromkeys(rates, None), held, {}, {}, (0, 1), np.arange(4))  # type: ignore[arg-type]


def test_every_question_of_the_whole_grid_is_asked_once() -> None:
    asked = list(contrasts(study()))
    # order: 2 others x 3 rates x (3 exposures + their mean); exposure: 3 x 3; rate: 3 x 2; order x rate: 2 x 2;
    # order x exposure: 2; unmatched: 3
    assert len(asked) == 24 + 9 + 6 + 4 + 2 + 3
    assert len({contrast.name for contrast in asked}) == len(asked)


def test_weights_are_differences_of_means() -> None:
    for contrast in contrasts(study()):
        up = sum(weight for weight in contrast.weights.values() if weight > 0)
        down = sum(weight for weight in contrast.weights.values() if weight < 0)
        sides = 2 if " x " in contrast.name else 1  # a difference of differences has two of each
        assert np.allclose((up, down), (sides, -sides)), contrast.name


def test_an_order_is_compared_at_one_exposure_and_rate() -> None:
    named = {contrast.name: contrast.weights for contrast in contrasts(study())}
    assert named["order: human last - first, exposure 2/3, constant rate"] == {
        f"constant, {LAST}, 2/3": 1.0,
        f"constant, {ORDERS['reverse']}, 2/3": -1.0,
    }


def test_what_needs_a_missing_condition_is_not_asked_and_nothing_else_goes() -> None:
    gone = Cell("rewarmed", LAST, "1/3")
    whole, rest = ({each.name for each in contrasts(held)} for held in (study(), study(gone)))
    needing = {each.name for each in contrasts(study()) if gone.name in each.weights}
    assert needing
    assert rest == whole - needing


def test_one_rate_has_no_questions_between_rates() -> None:
    names = [contrast.name for contrast in contrasts(study(rates=("linear",)))]
    assert not [name for name in names if name.startswith(("rate", "order x rate"))]
    assert [name for name in names if name.startswith("order x exposure")]
