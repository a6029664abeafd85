"""Results out: what is in a bundle of each treatment, what is not, and that it opens where it is carried to."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from nerkd_local.bundle.export import run as exporting
from nerkd_local.bundle.export.run import Exported, ExportOptions, describe_exported, export_results
from nerkd_local.bundle.export.students import NONE
from nerkd_local.bundle.manifest import Text
from nerkd_local.bundle.signature import read_public_key
from nerkd_local.bundle.unpack import unpack
from nerkd_local.bundle.verify import verify
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import CheckFailed, InputError
from nerkd_local.evidence.compare import compare_run
from nerkd_local.evidence.keep import keep_results
from nerkd_local.evidence.report import PAGE, ReportOptions, write_report
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.files import write_text
from tests.bundle.export.exported import EXAMPLE, ID, WORD, contents, holding, telling_run
from tests.bundle.samples import Keys
from tests.evidence.runs import write_run


@dataclass(frozen=True)
class Carried:
    """A run's export under one treatment, and what came out at the other end."""

    run: Run
    bundle: Path
    unpacked: Path
    public: Path
    exported: Exported


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Read only."""
    return telling_run(tmp_path_factory.mktemp("telling"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def carry(run: Run, keys: Keys, folder: Path, text: Text, *, annotations: bool) -> Carried:
    options = ExportOptions(text, annotations=annotations)
    exported = export_results(run.folder.root, folder / "bundle", keys.private, options)
    unpack(folder / "bundle", folder / "unpacked", read_public_key(keys.public))
    return Carried(run, folder / "bundle", folder / "unpacked", keys.public, exported)


@pytest.fixture(scope="module")
def none(run: Run, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    return carry(run, keys, tmp_path_factory.mktemp("none"), "none", annotations=False)


@pytest.fixture(scope="module")
def hashes(run: Run, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    return carry(run, keys, tmp_path_factory.mktemp("hashes"), "hashes", annotations=True)


@pytest.fixture(scope="module")
def full(run: Run, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    return carry(run, keys, tmp_path_factory.mktemp("full"), "full", annotations=True)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of nothing, where a test is about the rest."""

    def write_nothing(run: Run, target: Path, options: ReportOptions, say: Callable[[str], None]) -> Path:
        write_text(target / PAGE, "<!doctype html>")
        return target / PAGE

    monkeypatch.setattr(exporting, "write_report_of", write_nothing)


@pytest.fixture(params=["none", "hashes", "full"])
def carried(request: pytest.FixtureRequest) -> Carried:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Carried)
    return found


def test_it_verifies_as_a_results_bundle_that_declares_its_treatment(carried: Carried) -> None:
    manifest = verify(carried.bundle, carried.public).manifest
    assert manifest.kind == "results"
    assert manifest.name == "made-up"
    assert f"**Text of the corpora: {manifest.text}.**" in (carried.unpacked / "README.md").read_text()
    assert manifest.root_hash == carried.exported.written.manifest.root_hash
    assert {path.name for path in carried.bundle.iterdir()} == {
        "bundle.json",
        "bundle.sig",
        "objects",
        "START-HERE.txt",
    }


def test_what_it_holds_is_laid_out_byte_for_byte(carried: Carried) -> None:
    manifest = carried.exported.written.manifest
    there = {path.relative_to(carried.unpacked).as_posix() for path in carried.unpacked.rglob("*") if path.is_file()}
    assert there == {file.path for file in manifest.files}
    for file in manifest.files:
        assert hashlib.sha256((carried.unpacked / file.path).read_bytes()).hexdigest() == file.sha256
    kinds = {file.path: file.kind for file in manifest.files}
    (student,) = carried.exported.students
    assert kinds[f"cells/{student}/student/model.safetensors"] == "model"
    assert kinds["settings.yaml"] == "config"
    assert kinds["report.html"] == "result"
    assert all(kinds[name] == "data" for name in kinds if "annotations.jsonl" in name or "predictions-" in name)


@pytest.mark.parametrize("treatment", ["none", "hashes"])
def test_no_word_no_id_and_no_example_is_anywhere_unless_text_is_full(
    treatment: str, full: Carried, request: pytest.FixtureRequest
) -> None:
    carried: Carried = request.getfixturevalue(treatment)
    for word in (WORD, ID, EXAMPLE):
        # whoever looks, finds: in the run, in an export with its texts, and in the page's packed sentences
        assert holding(carried.run.folder.root, word)
        assert holding(full.unpacked, word)
        assert holding(carried.bundle, word) == []
        assert holding(carried.unpacked, word) == []
    assert "report.html, packed" in holding(full.unpacked, WORD)
    assert "tables/overlapping_sentences.csv" in holding(full.unpacked, ID)


def test_no_place_of_this_machine_is_anywhere(carried: Carried) -> None:
    place = str(carried.run.settings.data_root.parent).encode()
    assert place in (carried.run.folder.settings).read_bytes()
    assert [name for name, content in contents(carried.bundle) if place in content] == []


def test_it_opens_as_the_run_does(carried: Carried) -> None:
    opened = open_run(carried.unpacked)
    assert [(line.regimen, line.size) for line in opened.lines] == [
        (line.regimen, line.size) for line in carried.run.lines
    ]
    ours, theirs = compare_run(opened), compare_run(carried.run)
    assert [(each.comparison.p, each.verdict) for each in ours.compared] == [
        (each.comparison.p, each.verdict) for each in theirs.compared
    ]
    assert len(ours.compared) == 2


def test_a_report_of_the_unpacked_folder_takes_nothing_from_what_was_carried(none: Carried, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(none.unpacked, tmp_path / "copy"))
    before = dict(contents(copy))
    page = write_report(copy)
    assert WORD not in page.read_text()
    after = dict(contents(copy))
    assert {name: content for name, content in after.items() if not name.startswith("report/")} == before


def test_with_all_texts_the_report_is_the_run_s_and_can_be_made_again_from_what_was_carried(
    full: Carried, tmp_path: Path
) -> None:
    carried = (full.unpacked / "report.html").read_bytes()
    assert carried == write_report(full.run.folder.root, tmp_path / "of-run").read_bytes()
    assert carried == write_report(full.unpacked, tmp_path / "of-unpacked").read_bytes()
    assert carried.count(WORD.encode()) > 10


def test_without_texts_the_report_still_tells_where_the_mistakes_are(none: Carried) -> None:
    names = {path.name for path in (none.unpacked / "tables").iterdir()}
    assert "overlaps.csv" in names
    assert any(name.startswith("errors-") for name in names)
    assert any(name.startswith("slices-") for name in names)
    assert not {"error-examples.csv", "overlapping_sentences.csv"} & names


def test_hashed_labels_lie_where_they_lay(hashes: Carried) -> None:
    run = hashes.run
    (student,) = hashes.exported.students
    checked = 0
    for name in (
        "corpus/evaluation.jsonl",
        "annotations/news/annotations.jsonl",
        f"cells/{student}/predictions-evaluation.jsonl",
    ):
        rows = [json.loads(line) for line in (hashes.unpacked / "hashes" / name).read_text().splitlines()]
        documents = list(read_documents(run.folder.root / name))
        assert len(rows) == len(documents) > 0
        for row, document in zip(rows, documents, strict=True):
            assert row["sha256"] == hashlib.sha256(document.text.encode()).hexdigest()
            assert row["spans"] == [[span.start, span.end, span.label] for span in document.spans]
            checked += len(row["spans"])
    assert checked > 50


@pytest.mark.usefixtures("light")
def test_annotations_go_out_only_where_they_are_asked_for(
    full: Carried, none: Carried, keys: Keys, tmp_path: Path
) -> None:
    files = {file.path for file in full.exported.written.manifest.files}
    assert {"annotations/news/annotations.jsonl", "corpus/original-10.jsonl", "corpus/hidden-news.jsonl"} <= files
    assert not any(name.endswith((".sqlite", ".npy")) for name in files)
    plain = carry(full.run, keys, tmp_path, "full", annotations=False)
    files = {file.path for file in plain.exported.written.manifest.files}
    assert "corpus/evaluation.jsonl" in files
    assert not {"annotations/news/annotations.jsonl", "corpus/original-10.jsonl", "corpus/hidden-news.jsonl"} & files
    with pytest.raises(InputError, match="--text none lets nothing of them out"):
        export_results(none.run.folder.root, tmp_path / "out", keys.private, ExportOptions("none", annotations=True))


def test_one_student_goes_out_and_provenance_has_its_digests(carried: Carried) -> None:
    (student,) = carried.exported.students
    weights = [file for file in carried.exported.written.manifest.files if file.path.endswith(".safetensors")]
    assert [file.path for file in weights] == [f"cells/{student}/student/model.safetensors"]
    told = json.loads((carried.unpacked / "provenance.json").read_text())
    by_name = {each["name"]: each for each in told["students"]}
    assert by_name.keys() == carried.run.results.keys()
    assert by_name[student]["files"]["model.safetensors"] == weights[0].sha256
    assert [name for name, each in by_name.items() if each["files"]] == [student]
    assert told["annotators"][0]["model_sha256"] != "not recorded"


@pytest.mark.usefixtures("light")
def test_the_same_export_is_the_same_bundle(
    run: Run, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    options = ExportOptions("hashes", students=(NONE,))
    first = export_results(run.folder.root, tmp_path / "first", keys.private, options).written
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    old = os.umask(0o077)
    try:
        second = export_results(run.folder.root, tmp_path / "second", keys.private, options).written
    finally:
        os.umask(old)
    assert first.manifest == second.manifest
    assert first.manifest.created == "2023-11-14T22:13:20Z"
    assert dict(contents(tmp_path / "first")) == dict(contents(tmp_path / "second"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="seconds since 1970"):
        export_results(run.folder.root, tmp_path / "third", keys.private, options)


@pytest.mark.usefixtures("light")
def test_a_sentence_that_stands_in_the_settings_stops_the_export(run: Run, keys: Keys, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder.root, tmp_path / "run"))
    longest = max((document.text for document in read_documents(run.folder.evaluation)), key=len)
    settings = copy / "settings.yaml"
    settings.write_text(settings.read_text().replace("names of kind PER", longest.upper()))
    with pytest.raises(CheckFailed, match=r"holds sentence \d+ of corpus/") as caught:
        export_results(copy, tmp_path / "out", keys.private, ExportOptions("none", students=(NONE,)))
    assert WORD not in str(caught.value).lower()
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("light")
def test_a_place_of_this_machine_that_stands_in_a_student_s_card_stops_the_export(
    run: Run, keys: Keys, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(run.folder.root, tmp_path / "run"))
    card = copy / "cells" / "linear-n10-news-seed0" / "student" / "README.md"
    card.write_text(f"trained in {copy}\n")
    options = ExportOptions("none", students=("linear-n10-news-seed0",))
    with pytest.raises(CheckFailed, match="a place of this machine"):
        export_results(copy, tmp_path / "out", keys.private, options)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("light")
def test_the_home_of_whoever_exports_is_a_place_of_this_machine(
    run: Run, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/srv/people/anna")
    copy = Path(shutil.copytree(run.folder.root, tmp_path / "run"))
    (copy / "results" / "summary.md").write_text("models are in /srv/people/anna/models\n")
    with pytest.raises(CheckFailed, match="a place of this machine"):
        export_results(copy, tmp_path / "out", keys.private, ExportOptions("none", students=(NONE,)))
    # a corpus may speak of it
    export_results(copy, tmp_path / "out", keys.private, ExportOptions("full", students=(NONE,)))


@pytest.mark.usefixtures("light")
def test_what_somebody_put_beside_the_results_stays(run: Run, keys: Keys, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder.root, tmp_path / "run"))
    for name in ("labels.jsonl", "figure.txt", "annotators.csv"):
        (copy / "results" / name).write_text(f"{WORD}\n")
    export_results(copy, tmp_path / "out", keys.private, ExportOptions("none", students=(NONE,)))
    assert holding(tmp_path / "out", WORD) == []


@pytest.mark.usefixtures("light")
def test_why_the_leader_leads_is_said(run: Run, keys: Keys, tmp_path: Path) -> None:
    led = export_results(run.folder.root, tmp_path / "led", keys.private, ExportOptions("none"))
    assert "(leader: largest size, best mean F1" in describe_exported(led, keys.private)
    named = ExportOptions("none", students=led.students)
    told = describe_exported(export_results(run.folder.root, tmp_path / "named", keys.private, named), keys.private)
    assert led.students[0] in told
    assert "(leader" not in told


@pytest.mark.usefixtures("light")
def test_what_an_interrupted_export_with_texts_left_is_not_in_the_next(run: Run, keys: Keys, tmp_path: Path) -> None:
    left = tmp_path / "out.partial" / "objects" / f"{'0' * 64}.000"
    left.parent.mkdir(parents=True)
    left.write_text(WORD)
    export_results(run.folder.root, tmp_path / "out", keys.private, ExportOptions("none", students=(NONE,)))
    assert holding(tmp_path / "out", WORD) == []
    assert not (tmp_path / "out.partial").exists()


def test_what_cannot_be_exported(run: Run, keys: Keys, tmp_path: Path) -> None:
    folder, options = run.folder.root, ExportOptions("none")
    with pytest.raises(InputError, match="no such file"):
        export_results(folder, tmp_path / "out", tmp_path / "no.pem", options)
    with pytest.raises(InputError, match="is no private key"):
        export_results(folder, tmp_path / "out", keys.public, options)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("")
    for taken in ("taken", "taken/file"):
        with pytest.raises(InputError, match="is there already"):
            export_results(folder, tmp_path / taken, keys.private, options)
    with pytest.raises(InputError, match="holds no settings"):
        export_results(tmp_path / "taken", tmp_path / "out", keys.private, options)
    for output in (folder, folder / "bundle", folder.parent):
        with pytest.raises(InputError, match="name another"):
            export_results(folder, output, keys.private, options)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("light")
def test_results_that_were_kept_without_texts_go_out_without_texts_alone(run: Run, keys: Keys, tmp_path: Path) -> None:
    keep_results(run, tmp_path / "kept")
    options = ExportOptions("none", students=(NONE,))
    exported = export_results(tmp_path / "kept", tmp_path / "out", keys.private, options)
    assert exported.looked is not None
    assert exported.looked.sentences == 0
    with pytest.raises(InputError, match="holds no corpora"):
        export_results(tmp_path / "kept", tmp_path / "full", keys.private, ExportOptions("full", students=(NONE,)))


def test_a_run_that_is_scored_by_folds_goes_out_too(keys: Keys, tmp_path: Path) -> None:
    settings = write_run(
        tmp_path,
        regimens=("original_only", "simple_mix"),
        sizes=(12,),
        seeds=(0,),
        more={"folds": {"count": 3, "nested": False}},
    )
    exported = export_results(
        settings.output, tmp_path / "out", keys.private, ExportOptions("hashes", students=(NONE,))
    )
    files = {file.path for file in exported.written.manifest.files}
    assert {f"hashes/corpus/original-12-fold-{fold}.jsonl" for fold in range(3)} <= files
    assert "hashes/corpus/original-12.jsonl" not in files
