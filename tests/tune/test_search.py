"""A whole search with scripted engines: the best wins, nothing shown is scored, and it goes on where it was stopped."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.completer import FinishReason
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.settings import load_settings
from nerkd_local.tune.search import run_tune
from tests.fakes.completer import Script
from tests.tune.searches import LABELS, annotator, fake_engines, label_of, quiet, sentences, tune_settings


def right(text: str) -> tuple[str, FinishReason]:
    name = text.split()[2]
    return f"{label_of(name)}\t{name}", "stop"


def half(text: str) -> tuple[str, FinishReason]:
    return right(text) if len(text) % 2 else ("NONE", "stop")


def nothing(text: str) -> tuple[str, FinishReason]:
    return "NONE", "stop"


def reasoned(text: str) -> tuple[str, FinishReason]:
    answer, reason = right(text)
    return f"1. It is about {text.split()[2]}.\n2. a\n3. b\n4. c\nAnswer:\n{answer}", reason


SCRIPTS: dict[str, Script] = {"capitals": right, "mixed": half, "none": nothing}
THREE = {"good": annotator("capitals"), "fair": annotator("mixed"), "blind": annotator("none")}


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "out" / "table.csv").open(newline="") as stream:
        return {row["candidate"]: row for row in csv.DictReader(stream)}


def asked(folder: Path) -> dict[str, list[str]]:
    """By candidate folder, the ids of the sentences in its labels."""
    folders = sorted((folder / "out" / "candidates").iterdir())
    return {path.name: [d.id for d in read_documents(path / "annotations.jsonl")] for path in folders}


def test_the_best_candidate_wins_and_the_worse_drop_out(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(60), annotators=THREE, formats=["lines"])
    started: list[str] = []
    told = run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, started))
    rows = table(tmp_path)
    # 60 sentences, 18 of them or a few more are the pool; 3 candidates on 8, the better 2 on 16, 32 and the rest
    scored = len(list(read_documents(tmp_path / "out" / "scored.jsonl")))
    assert [rows[name]["sentences"] for name in ("good", "fair", "blind")] == [str(scored), str(scored), "8"]
    assert float(rows["good"]["f1"]) == 1.0
    assert 0 < float(rows["fair"]["f1"]) < 1
    assert float(rows["blind"]["f1"]) == 0
    assert told.startswith("# a search\n")
    assert "**good** is first with F1 1.000" in told
    assert "tell the two apart" in told
    assert (tmp_path / "out" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_sentence_that_may_be_shown_is_never_scored(tmp_path: Path) -> None:
    chats: list[str] = []
    tune = tune_settings(tmp_path, sentences(60), demonstrations=["static"])
    engine = fake_engines(SCRIPTS, [])

    def listening(settings: Any, logs: Path) -> Any:
        completer = engine(settings, logs)
        plain = completer.complete

        def complete(requests: Any) -> Any:
            def heard() -> Any:
                for request in requests:
                    if request is not None:
                        chats.extend(m.content for m in request.messages[1:-1] if m.role == "user")
                    yield request

            return plain(heard())

        completer.complete = complete
        return completer

    run_tune(tune, say=quiet, engine=listening)
    pool = list(read_documents(tmp_path / "out" / "pool.jsonl"))
    scored = {id for ids in asked(tmp_path).values() for id in ids}
    assert len(pool) >= 18
    assert not scored & {document.id for document in pool}
    texts = {f"Text: {document.text}" for document in pool}
    assert chats
    assert {*chats} <= texts  # what is shown is of the pool
    assert not texts & {f"Text: {d.text}" for d in read_documents(tmp_path / "out" / "scored.jsonl")}


def test_one_engine_serves_all_candidates_with_its_settings(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(40), formats=["lines", "json"], constraints=["none", "format"])
    started: list[str] = []
    run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, started))
    # both engines on the first rung; the one that is running is used first on the next
    assert started[:2] == ["capitals", "none"]
    assert len(started) <= 4


def test_a_search_that_was_cut_off_ends_like_one_that_was_not(tmp_path: Path) -> None:
    corpus = sentences(60)
    whole = tune_settings(tmp_path / "whole", corpus, annotators=THREE)
    run_tune(whole, say=quiet, engine=fake_engines(SCRIPTS, []))
    cut = tune_settings(tmp_path / "cut", corpus, annotators=THREE)
    for after in (3, 6, 9):  # answers of one engine; each goes on from what the one before left
        with pytest.raises(RuntimeError, match="on purpose"):
            run_tune(cut, say=quiet, engine=fake_engines(SCRIPTS, [], dies_after=after))
    run_tune(cut, say=quiet, engine=fake_engines(SCRIPTS, []))
    rows, others = table(tmp_path / "whole"), table(tmp_path / "cut")
    timed = "seconds_a_sentence"
    assert {n: {**row, timed: ""} for n, row in rows.items()} == {n: {**row, timed: ""} for n, row in others.items()}
    assert asked(tmp_path / "whole") == asked(tmp_path / "cut")


def test_a_finished_search_asks_nothing(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(40))
    told = run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, []))

    def refuse(text: str) -> tuple[str, FinishReason]:
        raise AssertionError(text)

    assert run_tune(tune, say=quiet, engine=fake_engines({"capitals": refuse, "none": refuse}, [])) == told


def test_a_candidate_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    gone = annotator("capitals", engine={"kind": "vllm", "model": "models/absent"})
    tune = tune_settings(tmp_path, sentences(40), annotators={**THREE, "gone": gone})
    told = run_tune(tune, say=quiet)
    assert "- gone: models/absent: looks like a hub name" in told
    rows = table(tmp_path)
    assert "looks like a hub name" in rows["gone"]["failure"]
    assert rows["good"]["rank"] == "1"
    alone = tune_settings(tmp_path / "alone", sentences(40), annotators={"gone": gone})
    with pytest.raises(InputError, match=r"no candidate could be asked about all \d+ sentences: models/absent"):
        run_tune(alone, say=quiet)


def test_an_engine_that_dies_of_its_questions_is_a_failure_and_a_stop_is_not(tmp_path: Path) -> None:
    deadly = annotator("capitals", engine={"kind": "scripted", "script": "mixed"})
    tune = tune_settings(tmp_path, sentences(40), annotators={"good": annotator("capitals"), "deadly": deadly})

    def dead(text: str) -> tuple[str, FinishReason]:
        raise InterruptedRun("the engine dies of whatever it is asked") from RuntimeError("killed")

    told = run_tune(tune, say=quiet, engine=fake_engines({"capitals": right, "mixed": dead}, []))
    assert "- deadly: the engine dies of whatever it is asked" in told

    def stopped(text: str) -> tuple[str, FinishReason]:
        raise InterruptedRun("stopped: 3 of 8 answers are stored")

    again = tune_settings(tmp_path / "again", sentences(40))
    with pytest.raises(InterruptedRun, match="stopped"):
        run_tune(again, say=quiet, engine=fake_engines({"capitals": stopped, "none": stopped}, []))


def test_a_candidate_that_dropped_out_does_not_win_where_the_better_ones_fail(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(40), annotators=THREE)  # one of three drops out after eight sentences
    heard: list[str] = []

    def eight(text: str) -> tuple[str, FinishReason]:
        heard.append(text)
        if len(heard) > 3 * 8:
            raise InterruptedRun("no memory left") from RuntimeError("killed")
        return right(text)

    with pytest.raises(InputError, match=r"could be asked about all \d+ sentences: no memory left"):
        run_tune(tune, say=quiet, engine=fake_engines(dict.fromkeys(SCRIPTS, eight), []))
    assert not (tmp_path / "out" / "winner.yaml").exists()


def test_the_winners_settings_are_an_annotators(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(40), annotators=THREE, constraints=["format", "verbatim"])
    run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, []))
    path = tmp_path / "out" / "winner.yaml"
    winner = load_settings(AnnotatorSettings, path)
    assert winner.name.startswith("capitals (good, ")
    assert f"--examples {tmp_path / 'out' / 'pool.jsonl'} --seed 0" in path.read_text()


def test_chain_of_thought_with_retrieved_examples_from_end_to_end(tmp_path: Path, tiny_encoder: Path) -> None:
    # the script writes the four steps whatever it is asked; they are read over where the prompt asks for them
    tune = tune_settings(
        tmp_path,
        sentences(40),
        annotators={"good": annotator("capitals")},
        prompts=["standard", "cot"],
        demonstrations=["none", "static", "sentence_knn", "entity_knn"],
        constraints=["none", "verbatim"],
        encoder=tiny_encoder,
        halving=None,
    )
    run_tune(tune, say=quiet, engine=fake_engines({"capitals": reasoned}, []))
    rows = table(tmp_path)
    assert len(rows) == 2 * 4 * 2
    assert not any(row["failure"] for row in rows.values())
    assert [float(row["f1"]) for row in rows.values() if row["prompt"] == "cot"] == [1.0] * 8
    kept = json.loads(
        (
            tmp_path / "out" / "candidates" / "good.cot.defined.lines.entity_knn.none.window-1" / "ledger.json"
        ).read_text()
    )
    assert kept["inputs"]["run"]["demonstrations"]["kind"] == "entity_knn"
    assert kept["inputs"]["run"]["prompt"] == "cot.v1"


def test_another_slice_needs_another_folder(tmp_path: Path) -> None:
    run_tune(tune_settings(tmp_path, sentences(40)), say=quiet, engine=fake_engines(SCRIPTS, []))
    with pytest.raises(InputError, match="was searched on other sentences"):
        run_tune(tune_settings(tmp_path, sentences(41)), say=quiet, engine=fake_engines(SCRIPTS, []))


def test_the_time_of_a_run_that_was_killed_is_reckoned_from_the_others(tmp_path: Path) -> None:
    tune = tune_settings(tmp_path, sentences(40), annotators={"good": annotator("capitals")}, halving=None)
    run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, []))
    (folder,) = (tmp_path / "out" / "candidates").iterdir()
    count = len(asked(tmp_path)[folder.name])
    # as if half of the answers came from a run that was killed before it could say how long it took
    line = {"sentences": count // 2, "copies": 0, "seconds": 3.0}
    (folder / "speed.jsonl").write_text(json.dumps(line) + "\n")
    next(folder.glob("trial-*.json")).unlink()
    run_tune(tune, say=quiet, engine=fake_engines(SCRIPTS, []))
    assert float(table(tmp_path)["good"]["seconds_a_sentence"]) == pytest.approx(3.0 / (count // 2), rel=1e-3)


def test_the_time_of_a_candidates_other_settings_is_not_its_own(tmp_path: Path) -> None:
    run_tune(tune_settings(tmp_path, sentences(40), halving=None), say=quiet, engine=fake_engines(SCRIPTS, []))
    for folder in (tmp_path / "out" / "candidates").iterdir():
        (count,) = [json.loads(line)["sentences"] for line in (folder / "speed.jsonl").read_text().splitlines()]
        (folder / "speed.jsonl").write_text(
            json.dumps({"sentences": count, "copies": 0, "seconds": float(count)}) + "\n"
        )
    labels = {**LABELS, "PER": "people, real or not"}
    others = {"good": annotator("capitals", labels=labels), "blind": annotator("none", labels=labels)}
    run_tune(
        tune_settings(tmp_path, sentences(40), annotators=others, halving=None),
        say=quiet,
        engine=fake_engines(SCRIPTS, []),
    )
    # a second a sentence before, next to nothing now: half a second at the pace of both, and not one in all
    for row in table(tmp_path).values():
        assert float(row["seconds_a_sentence"]) == pytest.approx(0.5, abs=0.1)
