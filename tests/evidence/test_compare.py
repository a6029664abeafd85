from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.evidence.compare import compare_run, compare_runs
from nerkd_local.evidence.findings import (
    comparison_records,
    comparison_table,
    describe_against,
    describe_family,
    describe_notes,
    describe_standing,
)
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.files import read_json, write_json
from nerkd_local.stats.bootstrap import f1_difference
from nerkd_local.stats.holm import holm
from tests.evidence.runs import write_run

SKILLS = {"original_only": 0.3, "simple_mix": 0.9, "linear": 0.6, "power_decay": 0.6, "distilled_only": 0.31}
REGIMENS = ("original_only", "distilled_only", "simple_mix", "linear", "power_decay@0.5")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes, three seeds, 100 sentences in 25 documents; power_decay@0.5 is linear."""
    root = tmp_path_factory.mktemp("compare")
    output = write_run(root, regimens=REGIMENS, skills=SKILLS, evaluation=100).output
    make_twins(output, "linear", "power_decay@0.5", (0, 1, 2))
    return output


def make_twins(output: Path, one: str, other: str, seeds: Sequence[int]) -> None:
    for size in (10, 20):
        for seed in seeds:
            here, there = (output / "cells" / f"{name}-n{size}-news-seed{seed}" for name in (one, other))
            shutil.copy(here / "counts.npz", there / "counts.npz")


def copied(finished: Path, tmp_path: Path, name: str = "copy") -> Path:
    shutil.copytree(finished, tmp_path / name)
    return tmp_path / name


def test_every_line_is_compared_with_the_reference_of_its_size_in_one_family(finished: Path) -> None:
    run = open_run(finished)
    found = compare_runs([run])
    pairs = [(each.entry.size, each.entry.line.regimen, each.reference.line.regimen) for each in found.compared]
    assert pairs == [
        (size, regimen, "original_only") for size in (10, 20) for regimen in ("distilled_only", "simple_mix", "linear")
    ]
    raw = [each.comparison.p for each in found.compared]
    assert [each.comparison.adjusted for each in found.compared] == list(holm(raw))
    lines = {(line.regimen, line.size): line for line in run.lines}
    for each in found.compared:
        assert each.entry.size == each.reference.size
        tables = (run.counts(lines[name, each.entry.size]) for name in (each.entry.line.regimen, "original_only"))
        groups = run.documents(each.entry.size)
        assert each.comparison.f1 == f1_difference(*tables, groups=groups, seed=RESAMPLING_SEED)
        assert (each.comparison.seeds, each.comparison.documents) == (3, 25)


def test_a_large_difference_is_told_and_a_small_one_is_not(finished: Path) -> None:
    kinds = {each.entry.line.regimen: each.verdict.kind for each in compare_run(open_run(finished)).of_size(20)}
    assert kinds["simple_mix"] == "better"
    assert kinds["distilled_only"] != "better"


def test_twins_are_one_entry_under_the_first_name(finished: Path) -> None:
    found = compare_runs([open_run(finished)])
    (linear,) = (entry for entry in found.entries if (entry.line.regimen, entry.size) == ("linear", 10))
    assert linear.twins == ("power_decay@0.5",)
    assert linear.full_name == "linear (= power_decay@0.5)"
    said = "With 10 and 20 original sentences, power_decay@0.5 has the same students as linear"
    assert any(note.startswith(said) for note in describe_notes(found))


def test_a_twin_with_fewer_seeds_is_the_same_entry_and_all_seeds_count(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    (copy / "cells" / "linear-n10-news-seed2" / "result.json").unlink()
    found = compare_runs([open_run(copy)], size=10)
    (entry,) = (entry for entry in found.entries if "linear" in entry.full_name)
    assert (entry.full_name, len(entry.counts)) == ("power_decay@0.5 (= linear)", 3)


def test_equal_counts_of_other_students_are_no_twins(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    make_twins(copy, "linear", "simple_mix", (0, 1, 2))
    found = compare_runs([open_run(copy)])
    assert {entry.line.regimen for entry in found.entries} >= {"linear", "simple_mix"}


def test_any_regimen_or_twin_may_be_the_reference(finished: Path) -> None:
    found = compare_runs([open_run(finished)], to="power_decay@0.5", size=20)
    assert {each.reference.name for each in found.compared} == {"linear"}
    assert {each.entry.name for each in found.compared} == {"original_only", "distilled_only", "simple_mix"}


def test_without_a_reference_only_who_leads_is_asked(finished: Path) -> None:
    found = compare_runs([open_run(finished)], to=None)
    assert (found.compared, found.alone) == ((), ())
    assert [standing.leader.name for standing in found.standings] == ["simple_mix", "simple_mix"]
    assert describe_family(found) == ""


def test_who_leads_by_so_much_rules_the_others_out(finished: Path) -> None:
    found = compare_runs([open_run(finished)])
    standing = found.standings[1]
    assert standing.leader.name == "simple_mix"
    assert {rival.entry.name for rival in standing.rivals if rival.ruled_out} >= {"original_only", "distilled_only"}
    for rival in standing.contenders:
        assert rival.p * len(standing.rivals) / 2 > 0.05 or rival.lead.low <= 0  # type: ignore[union-attr]
    scores = [rival.entry.f1.mean for rival in standing.rivals]
    assert scores == sorted(scores, reverse=True)


def test_fewer_seeds_are_compared_over_those_that_both_have(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    for name in ("simple_mix-n10-news-seed2", "original_only-n20-seed0", "original_only-n20-seed1"):
        (copy / "cells" / name / "result.json").unlink()
    found = compare_runs([open_run(copy)])
    seeds = {(each.entry.line.regimen, each.entry.size): each.comparison.seeds for each in found.compared}
    assert seeds == {
        **dict.fromkeys([("distilled_only", 10), ("linear", 10)], 3),
        ("simple_mix", 10): 2,
        **dict.fromkeys([("distilled_only", 20), ("simple_mix", 20), ("linear", 20)], 1),
    }
    assert all(each.verdict.kind == "too few seeds" for each in found.of_size(20))
    notes = list(describe_notes(found))
    assert "4 comparisons are over the 1 to 2 seeds that both sides have, not over all of either." in notes
    assert any(note.startswith("3 comparisons of one seed each are about the trained models") for note in notes)
    cells = {row[0]: row for row in comparison_table(found).rows if row[1] == "20"}
    assert cells["simple_mix"][2] == "3 (1)"


def test_no_seed_in_common_is_no_comparison(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    for name in ("simple_mix-n10-news-seed0", "original_only-n10-seed1", "original_only-n10-seed2"):
        (copy / "cells" / name / "result.json").unlink()
    found = compare_runs([open_run(copy)], size=10)
    assert [entry.name for entry in found.alone] == ["simple_mix"]
    said = "Not compared, without a reference or a seed in common with it: simple_mix (with 10 original sentences)."
    assert said in describe_notes(found)


def test_a_run_is_compared_once_for_all_sections(finished: Path) -> None:
    run = open_run(finished)
    assert compare_run(run) is compare_run(run)


def test_several_runs_are_told_apart_by_their_folders(finished: Path, tmp_path: Path) -> None:
    runs = [open_run(finished), open_run(copied(finished, tmp_path, "again"))]
    found = compare_runs(runs, size=10)
    # the very same students in another folder are the same entries
    assert {entry.name for entry in found.entries} == {
        "run: original_only",
        "run: distilled_only",
        "run: simple_mix",
        "run: linear",
    }
    assert found.entries[0].twins == ("again: original_only",)


def test_a_line_of_another_run_has_its_own_runs_reference(finished: Path, tmp_path: Path) -> None:
    skills = {"original_only": 0.5, "reverse": 0.5}
    other = write_run(tmp_path, regimens=("original_only", "reverse"), skills=skills, evaluation=100, sizes=(20,))
    make_other(other.output)
    found = compare_runs([open_run(finished), open_run(copied(other.output, tmp_path, "other"))], size=20)
    references = {each.entry.name: each.reference.name for each in found.compared}
    assert references["other: reverse"] == "other: original_only"
    assert references["run: linear"] == "run: original_only"
    assert "other: original_only" not in references
    assert "the original_only of the same run (F1 0." in describe_against(found, 20)


def test_a_line_is_compared_with_its_own_runs_reference_though_that_is_a_twin_of_another_runs(
    finished: Path, tmp_path: Path
) -> None:
    """The references of the second and third run are the same students, and not those of the first."""
    runs = [finished, copied(finished, tmp_path, "second"), copied(finished, tmp_path, "third")]
    for output in runs[1:]:
        make_other(output)
    for result in (runs[2] / "cells").glob("simple_mix-*/result.json"):
        change_rate(result, 0.25)
    for counts in (runs[2] / "cells").glob("simple_mix-*/counts.npz"):
        shutil.copy(runs[2] / "cells" / counts.parent.name.replace("simple_mix", "linear") / "counts.npz", counts)
    found = compare_runs([open_run(run) for run in runs], size=20)
    references = {each.entry.name: each.reference.full_name for each in found.compared}
    second = "second: original_only (= third: original_only)"
    assert (references["second: simple_mix"], references["third: simple_mix"]) == (second, second)


def make_other(output: Path) -> None:
    """As if trained with another learning rate."""
    for result in output.glob("cells/*/result.json"):
        change_rate(result, 0.5)


def change_rate(result: Path, rate: float) -> None:
    value = read_json(result)
    value["made_from"]["training"]["learning_rate"] = rate
    write_json(result, value)


def test_runs_scored_on_other_sentences_are_refused_by_name(finished: Path, tmp_path: Path) -> None:
    other = write_run(tmp_path, regimens=("original_only", "simple_mix"), evaluation=60).output
    with pytest.raises(InputError, match=rf"{tmp_path}.*scored on other sentences than .* of {finished}; compare runs"):
        compare_runs([open_run(finished), open_run(other)])


def test_folds_of_a_size_are_its_sentences(tmp_path: Path) -> None:
    more = {"folds": {"count": 3, "nested": True}}
    run = open_run(write_run(tmp_path, seeds=(0, 1), more=more).output)
    found = compare_runs([run])
    assert [each.entry.size for each in found.compared] == [10, 10, 20, 20]
    assert {each.comparison.documents for each in found.of_size(20)} == {len(set(run.documents(20)))}


def mixed(tmp_path: Path) -> Run:
    settings = {
        "distilled": [{"name": name, "corpus": {"path": "news.jsonl"}} for name in ("one", "two")],
        "mixes": [{"sources": ["one"]}, {"sources": ["two"]}],
    }
    return open_run(write_run(tmp_path, sizes=(10,), seeds=(0, 1), more=settings).output)


def test_a_reference_with_mixes_is_that_of_the_same_mix(tmp_path: Path) -> None:
    run = mixed(tmp_path)
    pairs = {(each.entry.name, each.reference.name) for each in compare_runs([run], to="linear").compared}
    assert pairs == {("simple_mix (one)", "linear (one)"), ("simple_mix (two)", "linear (two)")}
    assert [entry.name for entry in compare_runs([run], to="linear").alone] == ["original_only"]
    only = compare_runs([run], mix="two")
    assert {entry.name for entry in only.entries} == {"original_only", "simple_mix (two)", "linear (two)"}
    assert (
        "2 lines" in describe_against(compare_runs([run], to="original_only", mix="two"), 10) or len(only.compared) == 2
    )
    with pytest.raises(InputError, match=r"no line has the mix 'tow' \(did you mean 'two'\?\)"):
        compare_runs([run], mix="tow")


def test_a_twin_with_another_mix_is_found_by_its_mix_and_as_a_reference(tmp_path: Path) -> None:
    """As where the amount of a mix is all that its source has."""
    run = mixed(tmp_path)
    for seed in (0, 1):
        one, two = (run.folder.root / "cells" / f"linear-n10-{mix}-seed{seed}" for mix in ("one", "two"))
        for name in ("counts.npz", "result.json"):
            shutil.copy(one / name, two / name)
    again = open_run(run.folder.root)
    (linear,) = (entry for entry in compare_runs([again]).entries if entry.line.regimen == "linear")
    assert linear.full_name == "linear (one) (= linear (two))"
    assert "linear (two)" in {entry.name for entry in compare_runs([again], mix="two").entries}
    pairs = {(each.entry.name, each.reference.name) for each in compare_runs([again], to="linear").compared}
    assert pairs >= {("simple_mix (one)", "linear (one)"), ("simple_mix (two)", "linear (one)")}


def test_the_reference_alone_in_its_size_is_not_told_to_be_without_one(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    for result in (copy / "cells").glob("*-n10-news-*/result.json"):
        result.unlink()
    for result in (copy / "cells").glob("distilled_only-*/result.json"):
        result.unlink()
    found = compare_runs([open_run(copy)])
    assert found.alone == ()
    alone = comparison_table(found).rows[0]
    assert (alone[:2], alone[-2:]) == (("original_only", "10"), ("the reference", "-"))


def test_what_is_found_four_times_in_five_is_of_comparisons_with_several_seeds(finished: Path, tmp_path: Path) -> None:
    copy = copied(finished, tmp_path)
    whole = compare_runs([open_run(finished)])
    for seed in (1, 2):
        (copy / "cells" / f"original_only-n10-seed{seed}" / "result.json").unlink()
    found = compare_runs([open_run(copy)])
    assert {each.comparison.seeds for each in found.of_size(10)} == {1}
    smallest = sorted(each.comparison.smallest for each in whole.of_size(20))[1]
    assert f"; of those with several seeds a true difference of about {smallest:.3f} would be" in describe_family(found)
    one = describe_family(compare_runs([open_run(copy)], size=10))
    assert one == "3 comparisons, corrected for together (Holm), over 25 documents and 1 seed."


def test_another_level_is_that_of_all_intervals_and_words(finished: Path) -> None:
    run = open_run(finished)
    usual, wide = (compare_runs([run], size=10, level=level) for level in (0.95, 0.995))
    for one, other in zip(usual.entries, wide.entries, strict=True):
        assert other.f1.low < one.f1.low < one.f1.high < other.f1.high
    assert comparison_table(wide).headers[3] == "F1 (99.5% interval)"
    (apart,) = (each for each in wide.compared if each.entry.name == "distilled_only")
    words = f"is supported for distilled_only ({apart.comparison.level:.1%})"
    assert (apart.verdict.kind == "not told apart") == (words in describe_against(wide, 10))
    assert apart.verdict.kind == "not told apart"


def test_an_unknown_reference_or_size_is_refused_with_what_there_is(finished: Path) -> None:
    run = open_run(finished)
    with pytest.raises(InputError, match=r"of the regimen 'simple_mx' \(did you mean 'simple_mix'\?\)"):
        compare_runs([run], to="simple_mx")
    with pytest.raises(InputError, match="no line has 30 original sentences; the sizes are 10, 20"):
        compare_runs([run], size=30)


def test_the_same_run_twice_is_refused(finished: Path) -> None:
    with pytest.raises(InputError, match="is named twice"):
        compare_runs([open_run(finished)] * 2)


def test_the_table_has_every_entry_and_the_records_its_numbers(finished: Path) -> None:
    found = compare_runs([open_run(finished)])
    table = comparison_table(found)
    assert all(len(row) == len(table.headers) for row in table.rows)
    assert set(table.left) <= set(table.headers)
    assert [row[:2] for row in table.rows[:2]] == [("simple_mix", "10"), ("linear (= power_decay@0.5)", "10")]
    by_name = {row[0]: row for row in table.rows if row[1] == "20"}
    assert by_name["original_only"][4:9] == ("-", "-", "-", "-", "the reference")
    assert by_name["simple_mix"][-1] in ("leads", "highest F1")
    assert by_name["simple_mix"][-2] == "better"
    records = comparison_records(found)
    assert len(records) == len(table.rows)
    for record, row in zip(records, table.rows, strict=True):
        assert row[0].startswith(str(record["regimen"]))
        assert f"{record['f1']:.3f}" in row[3]
    best = next(record for record in records if (record["regimen"], record["original"]) == ("simple_mix", 20))
    assert best["difference_smallest"] > 0  # type: ignore[operator]
    assert (best["verdict"], best["may_be_best"]) == ("better", True)


def test_the_sentences_say_what_the_verdicts_allow(finished: Path) -> None:
    found = compare_runs([open_run(finished)])
    said = describe_against(found, 20)
    better = [each for each in found.of_size(20) if each.verdict.kind == "better"]
    assert f"{better[0].comparison.f1.mean:.3f}" in said
    assert "better than original_only (F1 0." in said
    standing = describe_standing(found.standings[1], found)
    assert standing.startswith("simple_mix has the highest F1, 0.")
    assert ("and leads" in standing) == (not found.standings[1].contenders)
    assert describe_family(found).startswith(
        "6 comparisons, corrected for together (Holm), over 25 documents and 3 seeds; "
    )
