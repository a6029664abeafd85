"""From named corpora to the files of an experiment: who is in, who is left out, and that the labels are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from nerkd_local.config.experiment import ExperimentSettings, NearDuplicateSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.copies import describe_copies
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.prepare import prepare
from nerkd_local.files import write_json
from nerkd_local.fingerprints import digest_file
from tests.experiment.conftest import sentence


def texts(path: Path) -> set[str]:
    return {document.text for document in read_documents(path)}


def test_sources_share_no_text_and_subsets_nest(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    small, large = texts(folder.original(5)), texts(folder.original(10))
    news = texts(folder.unlabelled("news"))
    evaluation = texts(folder.evaluation)
    assert (len(small), len(large), len(news), len(evaluation)) == (5, 10, 20, 10)
    assert small < large
    assert not large & evaluation
    assert not news & (large | evaluation)
    assert report["original"]["also_in_evaluation"] == [f"train:{number}" for number in range(5)]
    assert len(report["distilled"]["news"]["also_in_original"]) == 10
    assert report["distilled"]["news"]["excluded"] == 15
    # running text is compared without regard to tokens; its other sentence stays
    assert texts(folder.unlabelled("texts")) == {"It rained there."}


def test_labels_are_hidden_from_the_annotator_and_kept_for_its_score(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    shown = list(read_documents(folder.unlabelled("news")))
    hidden = list(read_documents(folder.hidden("news")))
    assert not any(document.spans for document in shown)
    assert all(len(document.spans) == 2 for document in hidden)
    assert [document.id for document in shown] == [document.id for document in hidden]
    assert all(document.id.startswith("news/train:") for document in shown)
    assert not folder.hidden("texts").exists()


def test_duplicates_can_be_allowed_and_are_counted_all_the_same(settings: ExperimentSettings) -> None:
    allowed = settings.model_copy(
        update={"exclude_duplicates": False, "original": settings.original.model_copy(update={"sizes": (45,)})}
    )
    report = prepare(allowed, RunFolder(settings.output))
    assert (report["original"]["excluded"], len(report["original"]["also_in_evaluation"])) == (0, 5)


def test_a_second_call_writes_nothing(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    first = prepare(settings, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")}
    assert prepare(settings, folder) == first
    assert {path: path.stat().st_mtime_ns for path in folder.root.rglob("*")} == times


def test_other_sizes_or_changed_files_are_refused(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings.model_copy(update={"sample_seed": 1}), folder)
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings, folder)


def test_files_that_were_prepared_when_corpora_had_fewer_settings_stay_good(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    made_from = report["made_from"]["settings"]
    corpora = [made_from["evaluation"], *(part["corpus"] for part in (made_from["original"], *made_from["distilled"]))]
    for corpus in corpora:
        assert (corpus.pop("column"), corpus.pop("nested")) == (None, "refuse")
    write_json(folder.preparation, report)
    assert prepare(settings, folder) == report
    assert settings.evaluation
    other = settings.evaluation.model_copy(update={"nested": "outermost"})
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(settings.model_copy(update={"evaluation": other}), folder)


def test_prepared_files_do_without_the_corpora_they_came_from(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(settings, folder)
    elsewhere = settings.model_copy(update={"data_root": settings.data_root / "not_there"})
    assert prepare(elsewhere, folder) == report


def test_a_corpus_that_is_gone_does_not_hide_another_that_changed(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    (settings.data_root / "texts" / "a.txt").unlink()
    (settings.data_root / "texts").rmdir()
    prepare(settings, folder)
    with (settings.data_root / "dev.conll").open("a") as stream:
        stream.write(sentence(50))
    with pytest.raises(InputError, match="a corpus has changed since"):
        prepare(settings, folder)


def test_two_regimens_of_one_name_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="two regimens have the same name"):
        ExperimentSettings.model_validate({**settings.model_dump(), "regimens": ["mixed", "my/mixed.yaml"]})


def test_an_unreadable_source_leaves_nothing_behind(settings: ExperimentSettings) -> None:
    (settings.data_root / "texts" / "b.txt").write_bytes(b"\xa3")
    with pytest.raises(InputError, match=r"b\.txt:1: byte 0xa3 at offset 0 is not utf-8"):
        prepare(settings, RunFolder(settings.output))
    assert list(settings.output.iterdir()) == []


def test_too_few_sentences_are_refused_and_nothing_says_it_is_done(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    many = settings.model_copy(update={"original": settings.original.model_copy(update={"sizes": (41,)})})
    with pytest.raises(InputError, match=r"train\.conll: original\.sizes: a subset of 41 .* but there are 40"):
        prepare(many, folder)
    assert list(folder.root.iterdir()) == []


def test_an_undeclared_label_is_named_with_its_line(settings: ExperimentSettings) -> None:
    (settings.data_root / "train.conll").write_text(sentence(1) + sentence(2).replace("LOC", "CITY"))
    with pytest.raises(InputError, match=r"train\.conll:7: label 'CITY' of 'Bonn'"):
        prepare(settings, RunFolder(settings.output))


def folded(settings: ExperimentSettings, **changes: object) -> ExperimentSettings:
    original = {"corpus": {"path": "train.conll"}, "sizes": [10]}
    values = settings.model_dump() | {"evaluation": None, "folds": {"count": 3}, "original": original} | changes
    return ExperimentSettings.model_validate(values)


def test_folds_divide_the_original_sentences_and_training_files_leave_them_out(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(folded(settings), folder)
    everything = texts(folder.original(10))
    folds = [texts(folder.fold(10, fold)) for fold in range(3)]
    # two worked examples show both types; four are asked for, so four stay out of the folds
    shown = everything - folds[0] - folds[1] - folds[2]
    assert len(shown) == 4
    assert sorted(map(len, folds)) == [2, 2, 2]
    assert report["folds"]["10"] == {"sentences": [2, 2, 2], "worked_examples": 4, "near_across_folds": 0}
    for fold in range(3):
        assert texts(folder.original(10, [fold])) == everything - folds[fold]
    assert texts(folder.original(10, [0, 2])) == everything - folds[0] - folds[2]
    assert not texts(folder.unlabelled("news")) & everything
    assert not folder.evaluation.exists()
    assert prepare(folded(settings), folder) == report


def test_worked_examples_differ_in_number_and_so_do_the_folds(settings: ExperimentSettings) -> None:
    prepare(folded(settings), RunFolder(settings.output))
    annotator = settings.annotator.model_copy(update={"shots": 1}).model_dump()
    with pytest.raises(InputError, match="was made with other corpora"):
        prepare(folded(settings, annotator=annotator), RunFolder(settings.output))


def test_too_few_sentences_for_the_folds_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(InputError, match=r"train\.conll: folds\.count: 7 folds .* come from 6 documents"):
        prepare(folded(settings, folds={"count": 7}), RunFolder(settings.output))
    assert list(settings.output.iterdir()) == []


def test_folds_do_not_go_with_retrieved_examples(settings: ExperimentSettings) -> None:
    retrieving = {"kind": "entity_knn", "encoder": "models/encoder"}
    values = settings.model_dump() | {"evaluation": None, "folds": {"count": 3}}
    ExperimentSettings.model_validate(values)
    values["annotator"] |= {"demonstrations": retrieving, "shots": 2}
    with pytest.raises(ValidationError, match="from which worked examples are retrieved; give an evaluation corpus"):
        ExperimentSettings.model_validate(values)
    values["annotator"]["shots"] = 0
    ExperimentSettings.model_validate(values)


def test_with_folds_a_sentence_that_stands_twice_is_left_out_once(settings: ExperimentSettings) -> None:
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(sentence(20))
    report = prepare(folded(settings), RunFolder(settings.output))
    assert (report["original"]["repeated"], report["original"]["excluded"]) == (["train:45"], 1)
    (row,) = report["original"]["duplicates"]
    assert (row["id"], row["of"], row["among"], row["excluded"]) == ("train:45", "train:15", "itself", True)


def test_the_same_sentences_in_folds_and_an_evaluation_corpus_are_refused(settings: ExperimentSettings) -> None:
    with pytest.raises(ValidationError, match="give either `evaluation`"):
        folded(settings, evaluation={"path": "dev.conll"})
    with pytest.raises(ValidationError, match="give either `evaluation`"):
        folded(settings, folds=None)


NEAR = ["Ferry 12 to Karobridge left late", "Ferry 12 to Karobridge left late .", "Ferry 12 to Karobridge left soon"]
"""27 characters without spaces make 24 shingles. The second has them all and one more: 24 / 25 = .96. The third shares
the first 20: 20 / (24 + 24 - 20) = .7143."""


def near_settings(settings: ExperimentSettings, size: int, **changes: object) -> ExperimentSettings:
    """The evaluation has the first of them, the training corpus the others, and the texts the first in capitals."""
    columns = ["".join(f"{word}\tO\n" for word in text.split()) + "\n" for text in NEAR]
    with (settings.data_root / "dev.conll").open("a") as stream:
        stream.write(columns[0])
    with (settings.data_root / "train.conll").open("a") as stream:
        stream.write(columns[1] + columns[2])
    (settings.data_root / "texts" / "b.txt").write_text(NEAR[0].upper())
    parts = {
        "original": {"corpus": {"path": "train.conll"}, "sizes": [5, size]},
        "distilled": [{"name": "texts", "corpus": {"path": "texts"}}],
    }
    return ExperimentSettings.model_validate(settings.model_dump() | parts | changes)


def near_row(excluded: bool) -> dict[str, object]:
    names = {"id": "train:45", "of": "dev:10", "among": "evaluation"}
    return {**names, "exact": False, "similarity": 0.96, "excluded": excluded}


def test_near_copies_of_evaluation_sentences_are_left_out_and_on_record(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(near_settings(settings, size=41), folder)
    assert report["near_duplicates"] == {"similarity": 0.8, "allowed": False}
    rows = report["original"]["duplicates"]
    assert [(row["id"], row["of"]) for row in rows if row["exact"]] == [
        (f"train:{number}", f"dev:{number + 5}") for number in range(5)
    ]
    assert [row for row in rows if not row["exact"]] == [near_row(excluded=True)]
    assert report["original"]["excluded"] == 6
    assert report["original"]["also_in_evaluation"] == [f"train:{number}" for number in range(5)]
    assert texts(folder.original(41)) & set(NEAR) == {NEAR[2]}
    # in capitals: the same shingles, and yet no exact copy
    (row,) = [row for row in report["distilled"]["texts"]["duplicates"] if not row["exact"]]
    assert (row["of"], row["similarity"], row["excluded"]) == ("dev:10", 1.0, True)


def test_near_copies_can_be_allowed_and_are_on_record_all_the_same(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(near_settings(settings, size=42, near_duplicates={"allow": True}), folder)
    assert near_row(excluded=False) in report["original"]["duplicates"]
    assert report["near_duplicates"] == {"similarity": 0.8, "allowed": True}
    assert report["original"]["excluded"] == 5
    expected = "left out as copies: 5 of original (0 near ones; 1 allowed), 1 of texts (0 near ones; 1 allowed)"
    assert describe_copies(report) == expected
    for part in (report["original"], report["distilled"]["texts"]):
        del part["duplicates"]
    assert describe_copies(report) == "left out as copies: 5 of original, 1 of texts"
    assert texts(folder.original(42)) >= set(NEAR[1:])


def test_a_copy_of_two_that_is_left_out_is_not_called_allowed() -> None:
    rows = [{"id": "a", "exact": False, "excluded": False}, {"id": "a", "exact": True, "excluded": True}]
    report = {"original": {"excluded": 1, "duplicates": rows}, "distilled": {}}
    assert describe_copies(report) == "left out as copies: 1 of original (0 near ones; 0 allowed)"


def test_who_allows_exact_copies_allows_near_ones(settings: ExperimentSettings) -> None:
    report = prepare(near_settings(settings, size=47, exclude_duplicates=False), RunFolder(settings.output))
    assert near_row(excluded=False) in report["original"]["duplicates"]
    assert (report["original"]["excluded"], report["near_duplicates"]["allowed"]) == (0, True)


def test_a_duplicate_can_be_allowed_by_its_id(settings: ExperimentSettings) -> None:
    folder = RunFolder(settings.output)
    report = prepare(near_settings(settings, size=43, allowed_duplicates=["train:45", "train:0"]), folder)
    excluded = {row["id"]: row["excluded"] for row in report["original"]["duplicates"]}
    assert excluded == {f"train:{number}": number != 0 for number in range(5)} | {"train:45": False}
    assert texts(folder.original(43)) >= {"Ann5 saw Bonn", NEAR[1]}


def test_an_allowed_id_that_is_no_duplicate_is_refused(settings: ExperimentSettings) -> None:
    near = near_settings(settings, size=41, allowed_duplicates=["train:54"])
    with pytest.raises(InputError, match=r"allowed_duplicates: 'train:54' is no duplicate of anything"):
        prepare(near, RunFolder(settings.output))


def test_a_lower_similarity_leaves_out_more(settings: ExperimentSettings) -> None:
    report = prepare(near_settings(settings, size=40, near_duplicates={"similarity": 0.7}), RunFolder(settings.output))
    near = {row["id"]: row["similarity"] for row in report["original"]["duplicates"] if not row["exact"]}
    assert near == {"train:45": 0.96, "train:46": 0.7143}


def test_files_from_before_near_copies_were_looked_for_are_those_that_allow_them(settings: ExperimentSettings) -> None:
    allowing = near_settings(settings, size=41, near_duplicates={"allow": True})
    folder = RunFolder(settings.output)
    report = prepare(allowing, folder)
    # as an earlier version wrote it: nothing in what they were made from says that there are near copies
    assert not {"near_duplicates", "allowed_duplicates"} & set(report["made_from"]["settings"])
    del report["near_duplicates"]
    for part in (report["original"], *report["distilled"].values()):
        del part["duplicates"]
    write_json(folder.preparation, report)
    assert prepare(allowing, folder) == report
    excluding = allowing.model_copy(update={"near_duplicates": NearDuplicateSettings()})
    expected = r"near duplicates allowed \(near_duplicates\.allow=true\), and now .* excluded from a similarity of 0\.8"
    with pytest.raises(InputError, match=expected):
        prepare(excluding, folder)


def test_files_without_near_copies_are_the_same_under_either_setting(settings: ExperimentSettings) -> None:
    def digests(near: NearDuplicateSettings, name: str) -> dict[str, str]:
        here = RunFolder(settings.output / name)
        prepare(settings.model_copy(update={"near_duplicates": near}), here)
        return {path.name: digest_file(path) for path in here.corpus.glob("*.jsonl")}

    assert digests(NearDuplicateSettings(), "a") == digests(NearDuplicateSettings(allow=True), "b")


def test_with_folds_near_copies_of_originals_are_left_out_of_the_sources(settings: ExperimentSettings) -> None:
    near = near_settings(settings, size=47)
    original = {"corpus": {"path": "train.conll"}, "sizes": [47]}
    report = prepare(folded(near, original=original), RunFolder(settings.output))
    rows = report["distilled"]["texts"]["duplicates"]
    # the texts' own sentences: one stands among the originals; the capitals resemble one of them
    assert [(row["of"], row["among"], row["exact"], row["excluded"]) for row in rows] == [
        ("train:2", "original", True, True),
        ("train:45", "original", False, True),
    ]


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_near_copies_in_other_folds_are_counted(settings: ExperimentSettings, seed: int) -> None:
    # no sentence of this file is a worked example: none has a name
    texts_ = [*NEAR, NEAR[0].replace("12", "13"), "It rained .", "Nobody came ."]
    rows = ["".join(f"{word}\tO\n" for word in text.split()) + "\n" for text in texts_]
    (settings.data_root / "train.conll").write_text("".join(rows))
    original = {"corpus": {"path": "train.conll"}, "sizes": [6]}
    distilled = [{"name": "texts", "corpus": {"path": "texts"}}]
    annotator = {**settings.annotator.model_dump(), "shots": 0}
    changed = folded(settings, original=original, distilled=distilled, annotator=annotator, sample_seed=seed)
    folder = RunFolder(settings.output)
    counted = prepare(changed, folder)["folds"]["6"]["near_across_folds"]
    fold_of = {text: fold for fold in range(3) for text in texts(folder.fold(6, fold))}
    # .96 of the first two and no other pair is above .8 (13 for 12 changes 4 of 24 shingles: 20 / 28)
    assert counted == (2 if fold_of[NEAR[0]] != fold_of[NEAR[1]] else 0)
