"""The candidates of a search, and what may not be searched."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.errors import InputError
from nerkd_local.tune.candidates import list_candidates
from nerkd_local.tune.settings import load_tune
from tests.tune.searches import annotator, sentences, tune_settings

CONFIGS = Path(__file__).parents[2] / "configs" / "tune"


def test_every_combination_once_named_by_what_differs(tmp_path: Path) -> None:
    tune = tune_settings(
        tmp_path, sentences(4), formats=["lines", "json"], constraints=["none", "verbatim"], windows=[2]
    )
    candidates = list_candidates(tune)
    assert len(candidates) == len({c.folder_name for c in candidates}) == 2 * 2 * 2
    assert candidates[0].name == "good, lines, unconstrained"
    by_name = {c.name: c.settings for c in candidates}
    first, last = by_name["good, lines, unconstrained"], by_name["blind, json, verbatim"]
    assert (first.constrained, first.verbatim, first.window, first.format) == (False, False, 2, "lines")
    assert (last.constrained, last.verbatim, last.window, last.format) == (True, True, 2, "json")
    assert last.name == "none (blind, json, verbatim)"


def test_without_definitions_the_labels_stand_bare(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(4), definitions=[True, False])
    defined, bare = (
        Prompt("standard", c.settings.labels, answer_format("lines")).prefix[0].content
        for c in list_candidates(tune)[:2]
    )
    assert "\n- PER: people\n- ORG: organisations\n" in defined
    assert "\n- PER\n- ORG\n- LOC\n- MISC\n" in bare


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"demonstrations": ["entity_knn"]}, "name its folder under `encoder`"),
        ({"pool": 0}, "without a pool there is nothing to demonstrate with"),
        ({"formats": ["lines", "lines"]}, "a value is given twice"),
        ({"annotators": {"a": annotator("none"), "b": annotator("none", labels={"X": "x"})}}, "different labels"),
    ],
)
def test_what_cannot_be_searched_is_said(tmp_path: Path, changed: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        tune_settings(tmp_path, sentences(4), **changed)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_searches_load_and_begin_with_their_command(path: Path) -> None:
    tune = load_tune(path)
    assert len(list_candidates(tune)) > 1
    assert f"#   nerkd tune configs/tune/{path.name} " in path.read_text()
