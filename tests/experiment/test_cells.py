"""The grid: every student once, however many lines of the table it stands for."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.errors import InputError
from nerkd_local.experiment.cells import check_grid, list_cells, student_of
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import list_lines


def changed(settings: ExperimentSettings, **changes: object) -> ExperimentSettings:
    return ExperimentSettings.model_validate(settings.model_dump() | changes)


THREE = ["original_only", "distilled_only", "mixed"]
MIXES = [{"sources": ["news", "texts"]}, {"sources": ["texts"], "regimens": ["mixed"]}]


def test_a_student_is_trained_once_for_all_mixes_or_sizes_it_does_not_read(settings: ExperimentSettings) -> None:
    names = [cell.name for cell in list_cells(changed(settings, regimens=THREE, mixes=MIXES, seeds=[0, 7]))]
    assert len(names) == len(set(names)) == 2 * (2 + 1 + 2 + 2)
    assert names[:5] == [
        "original_only-n5-seed0",
        "distilled_only-news+texts-seed0",
        "mixed-n5-news+texts-seed0",
        "original_only-n10-seed0",
        "mixed-n10-news+texts-seed0",
    ]
    assert names[-1] == "mixed-n10-texts-seed7"


@pytest.mark.parametrize(
    ("regimen", "problem"),
    [("original_only@0.5", "reads one source alone"), ("power_decay@0.0001", "reaches mean distilled shares from")],
)
def test_an_exposure_that_cannot_be_is_refused_before_anything_is_annotated(
    settings: ExperimentSettings, regimen: str, problem: str
) -> None:
    (settings.student / "config.json").write_text("{}")
    with pytest.raises(InputError, match=problem):
        check_grid(changed(settings, regimens=[regimen]), RunFolder(settings.output))


def test_every_size_has_a_line_for_every_regimen_and_mix(settings: ExperimentSettings) -> None:
    lines = list_lines(changed(settings, regimens=THREE, mixes=MIXES, seeds=[0, 7]))
    wanted = [("original_only", None), ("distilled_only", "news+texts"), ("mixed", "news+texts"), ("mixed", "texts")]
    assert [(line.regimen, line.mix, line.size) for line in lines] == [(*w, n) for n in (5, 10) for w in wanted]
    both = [line.parts for line in lines if line.regimen == "distilled_only"]
    assert both[0] == both[1]
    assert both[0] == {seed: ((f"distilled_only-news+texts-seed{seed}", "evaluation"),) for seed in (0, 7)}


def test_what_a_student_reads_is_what_its_regimen_reads(settings: ExperimentSettings) -> None:
    settings = changed(settings, regimens=THREE)
    folder = RunFolder(settings.output)
    students = {cell.regimen: student_of(cell, settings, folder) for cell in list_cells(settings)}
    distilled = folder.distilled("news+texts")
    assert (students["original_only"].original, students["original_only"].distilled) == (folder.original(10), None)
    assert (students["distilled_only"].original, students["distilled_only"].distilled) == (None, distilled)
    assert (students["mixed"].original, students["mixed"].distilled) == (folder.original(10), distilled)


def test_nested_folds_hold_out_one_and_two(settings: ExperimentSettings) -> None:
    settings = changed(settings, regimens=THREE, evaluation=None, folds={"count": 4}, original=ORIGINAL)
    folder = RunFolder(settings.output)
    students = [student_of(cell, settings, folder) for cell in list_cells(settings)]
    assert Counter(student.regimen for student in students) == {"original_only": 10, "mixed": 10, "distilled_only": 1}
    by_name = {student.name: student for student in students}
    inner = by_name["mixed-n9-news+texts-seed0-without1+3"]
    assert inner.original == folder.original(9, [1, 3])
    assert inner.evaluations == {"fold1": folder.fold(9, 1), "fold3": folder.fold(9, 3)}
    assert list(by_name["distilled_only-n9-news+texts-seed0-without0+1+2+3"].evaluations) == [
        "fold0",
        "fold1",
        "fold2",
        "fold3",
    ]


ORIGINAL = {"corpus": {"path": "train.conll"}, "sizes": [9]}


def test_a_line_with_folds_covers_every_fold_once(settings: ExperimentSettings) -> None:
    settings = changed(settings, regimens=THREE, evaluation=None, folds={"count": 3}, original=ORIGINAL)
    lines = {line.regimen: line for line in list_lines(settings)}
    assert lines["original_only"].parts == {
        0: tuple((f"original_only-n9-seed0-without{fold}", f"fold{fold}") for fold in range(3))
    }
    name = "distilled_only-n9-news+texts-seed0-without0+1+2"
    assert lines["distilled_only"].parts == {0: tuple((name, f"fold{fold}") for fold in range(3))}
    # chosen for outer fold 2: scored on fold 0 by the student that saw neither
    assert lines["mixed"].inner[2, 0] == {0: ("mixed-n9-news+texts-seed0-without0+2", "fold0")}
    assert lines["distilled_only"].inner[2, 0] == {0: (name, "fold0")}
    assert set(lines["mixed"].inner) == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_folds_without_nesting_choose_nothing(settings: ExperimentSettings) -> None:
    folds = {"count": 3, "nested": False}
    settings = changed(settings, regimens=["mixed"], evaluation=None, folds=folds, original=ORIGINAL)
    assert [cell.held_out for cell in list_cells(settings)] == [(0,), (1,), (2,)]
    assert list_lines(settings)[0].inner == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mixes": [{"sources": ["new"]}]}, r"no distilled source is called 'new' \(did you mean 'news'\?\)"),
        ({"mixes": [{"sources": ["news"]}, {"sources": ["news"]}]}, "two mixes have the same name: news, news"),
        ({"mixes": [{"sources": ["news", "news"]}]}, "two sources of a mix have the same name"),
        ({"label_study": {"source": "x", "sizes": [1]}}, "label_study: no distilled source is called 'x'"),
        ({"annotator_study": {"annotator": "x", "corpus": {"path": "p"}}}, "no annotator is called 'x'"),
    ],
)
def test_names_that_stand_for_nothing_are_refused(
    settings: ExperimentSettings, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        changed(settings, **change)


def test_another_annotator_has_the_same_labels(settings: ExperimentSettings) -> None:
    other = settings.annotator.model_dump() | {"labels": {"PER": "people"}}
    with pytest.raises(ValidationError, match=r"other_annotators\.b has other labels than the annotator"):
        changed(settings, other_annotators={"b": other})


AMOUNTS = [{"sources": ["news", "texts"], "amounts": ["all", 6, 2], "sizes": [10]}]


def test_each_amount_is_a_mix_of_its_own_beside_the_sizes_it_is_wanted_with(settings: ExperimentSettings) -> None:
    settings = changed(settings, regimens=THREE, mixes=AMOUNTS)
    assert [(mix.name, mix.amount) for mix in settings.all_mixes] == [
        ("news+texts=2", 2),
        ("news+texts=6", 6),
        ("news+texts", None),
    ]
    names = [cell.name for cell in list_cells(settings)]
    # a student that reads no distilled labels has every size, one that reads no human ones is beside none
    assert names[:4] == [
        "original_only-n5-seed0",
        "original_only-n10-seed0",
        "distilled_only-news+texts=2-seed0",
        "mixed-n10-news+texts=2-seed0",
    ]
    assert names[4:] == [
        "distilled_only-news+texts=6-seed0",
        "mixed-n10-news+texts=6-seed0",
        "distilled_only-news+texts-seed0",
        "mixed-n10-news+texts-seed0",
    ]
    folder = RunFolder(settings.output)
    files = {student_of(cell, settings, folder).distilled for cell in list_cells(settings)}
    assert files == {None, *(folder.distilled(f"news+texts{end}") for end in ("=2", "=6", ""))}
    assert {(line.size, line.regimen) for line in list_lines(settings) if line.regimen == "mixed"} == {(10, "mixed")}


def test_without_amounts_the_grid_is_what_it_was(settings: ExperimentSettings) -> None:
    plain = changed(settings, regimens=THREE, mixes=[{"sources": ["news", "texts"]}])
    assert [mix.name for mix in plain.all_mixes] == ["news+texts"]
    assert list_cells(plain) == list_cells(changed(settings, regimens=THREE))
    everything = [{"sources": ["news", "texts"], "amounts": ["all"]}]
    assert list_cells(changed(settings, regimens=THREE, mixes=everything)) == list_cells(plain)


def test_a_mix_beside_some_sizes_only_leaves_the_choice_on_inner_folds_to_the_others(
    settings: ExperimentSettings,
) -> None:
    mixes = [{"sources": ["news", "texts"], "sizes": [9]}]
    original = {"corpus": {"path": "train.conll"}, "sizes": [9, 12]}
    settings = changed(settings, regimens=THREE, evaluation=None, folds={"count": 4}, original=original, mixes=mixes)
    assert [(line.size, line.regimen) for line in list_lines(settings)] == [
        (9, "original_only"),
        (9, "distilled_only"),
        (9, "mixed"),
        (12, "original_only"),
    ]


@pytest.mark.parametrize(
    ("mix", "problem"),
    [
        ({"sources": ["news"], "amounts": [21]}, r"news=21 asks for more sentences than the 20 that its sources'"),
        ({"sources": ["news"], "amounts": [0]}, "greater than or equal to 1"),
        ({"sources": ["news"], "amounts": []}, "at least 1 item"),
        ({"sources": ["news"], "amounts": ["most"]}, "'all'"),
        ({"sources": ["news"], "sizes": [7]}, "news names size 7, which is not one of original.sizes"),
    ],
)
def test_amounts_that_cannot_be(settings: ExperimentSettings, mix: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        changed(settings, mixes=[mix])


def test_two_mixes_of_the_same_sources_and_amount_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="two mixes have the same name"):
        changed(settings, mixes=[{"sources": ["news"], "amounts": [5, "all"]}, {"sources": ["news"]}])
