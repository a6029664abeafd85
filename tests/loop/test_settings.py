"""The shipped loops between them ask whoever can be asked, and what makes no loop is refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.loop.settings import AskHuman, AskSamples, load_loop

SHIPPED = sorted((Path(__file__).parents[2] / "configs" / "loop").glob("*.yaml"))


def test_shipped_loops_ask_a_model_and_a_person() -> None:
    kinds = {type(load_loop(path).ask) for path in SHIPPED}
    assert kinds == {AskSamples, AskHuman}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("ask.votes.share=0.5", "leave out votes.share"),
        ("ask.kind=oracle", "oracle"),
        ("ask.shots=3", "unknown key 'ask.shots'"),
        ("annotator.window=4", "votes and verify ask about single sentences"),
        ("held_out=1", "held_out"),
        ("folds=1", "folds"),
        ("annotator=nobody", "no settings are called 'nobody'"),
    ],
)
def test_what_makes_no_loop_is_refused(change: str, problem: str) -> None:
    path = next(path for path in SHIPPED if path.stem == "conll_cpu")
    with pytest.raises(InputError) as refused:
        load_loop(path, [change])
    assert problem in str(refused.value)
