"""A whole loop, stopped and taken up again anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.settings import VoteSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.fingerprints import digest_folder
from nerkd_local.loop import run
from nerkd_local.loop.run import run_loop
from nerkd_local.loop.settings import AskHuman, AskSamples, LoopSettings
from nerkd_local.records import TAG_VOTES, Document
from tests.models import make_encoder


def quiet(line: str) -> None:
    """Nobody listens."""


def rounds(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def timeless(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if "minute" not in key} for row in rounds(folder)]


def labels(folder: Path, number: int) -> dict[str, Document]:
    path = folder / "rounds" / str(number) / "distilled.jsonl"
    return {document.id: document for document in read_documents(path)}


def disputed(folder: Path, number: int) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "rounds" / str(number) / "disputed.json").read_text())
    return found


def test_each_round_asks_what_is_most_disputed_and_no_sentence_twice(
    settings: LoopSettings, trained: list[str]
) -> None:
    said: list[str] = []
    table = run_loop(settings, said.append)
    rows = rounds(settings.output)
    assert [row["round"] for row in rows] == [0, 1, 2]
    assert [row["asked"] for row in rows] == [12, 3, 3]
    assert rows[0]["gain"] is None
    assert rows[2]["verdict"] == "stop: the rounds are over"
    for row, before in zip(rows[1:], rows, strict=False):
        assert row["gain"][0] == pytest.approx(row["f1"][0] - before["f1"][0])
        assert row["gain_a_minute"] == pytest.approx(row["gain"][0] / row["minutes"])
    first, second = disputed(settings.output, 1), disputed(settings.output, 2)
    assert list(first.values()) == sorted(first.values(), reverse=True)
    assert set(first).isdisjoint(second)
    # two rounds of two folds, three rounds of two seeds; a student of unchanged labels is not trained twice
    assert len(trained) in range(6, 11)
    assert len([line for line in table.splitlines() if line.startswith("|")]) == 5
    assert (settings.output / "rounds.png").read_text().startswith("small: script, asked again by demonstrations")
    assert any(line.startswith("round 1: asked 3") for line in said)
    # the slice is nowhere trained on, and shown by no prompt
    slice_texts = {document.id for document in read_documents(settings.output / "corpus" / "evaluation.jsonl")}
    assert slice_texts
    for number in range(3):
        original = read_documents(settings.output / "rounds" / str(number) / "original.jsonl")
        assert slice_texts.isdisjoint(document.id for document in original)

    assert (settings.output / "student.sha256").read_text() == digest_folder(settings.student)

    trained.clear()
    assert run_loop(settings, quiet) == table
    assert trained == []


def test_a_loop_that_is_stopped_anywhere_ends_as_one_that_was_not(
    settings: LoopSettings, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_loop(settings, quiet)
    broken = settings.model_copy(update={"output": settings.output.parent / "broken"})
    stages = ["annotate_sources", "cross_fit", "choose", "ask_annotator", "run_students", "write_documents"]
    left = 0

    class Stopped(Exception):
        pass

    def stopping(stage: Any) -> Any:
        def inner(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if not left:
                raise Stopped
            left -= 1
            return stage(*arguments, **named)

        return inner

    ends = 0
    with monkeypatch.context() as patch:
        for stage in stages:
            patch.setattr(run, stage, stopping(getattr(run, stage)))
        while True:
            left = 4
            try:
                run_loop(broken, quiet)
                break
            except Stopped:
                ends += 1
                assert ends < 40
    assert ends > 3
    assert timeless(broken.output) == timeless(settings.output)
    for number in range(3):
        assert labels(broken.output, number) == labels(settings.output, number)


def test_a_person_is_asked_and_the_answers_become_originals(settings: LoopSettings, trained: list[str]) -> None:
    human = settings.model_copy(update={"ask": AskHuman(sentences=3), "rounds": 1})
    here = settings.output / "rounds" / "1"
    for _ in range(2):
        with pytest.raises(InterruptedRun, match=r"3 questions are in .*questions.jsonl: correct the `spans`"):
            run_loop(human, quiet)
    count = len(trained)
    questions = list(read_documents(here / "questions.jsonl"))
    before = labels(settings.output, 0)
    for question in questions:
        assert question.spans == before[question.id].spans
        assert question.meta["annotator"] == [[s.start, s.end, s.label] for s in question.spans]
        assert question.meta["disputed"] > 0
        assert question.meta["student"] != question.meta["annotator"]

    answers = here / "answers.jsonl"
    text = (here / "questions.jsonl").read_text()
    answers.write_text(text.split("\n", 1)[1])
    with pytest.raises(InputError, match=r"answers.jsonl: has no answer to 1 of 3 questions"):
        run_loop(human, quiet)
    answers.write_text(text.replace('"PER"', '"TOWN"'))
    with pytest.raises(InputError, match=r"answers.jsonl:?\d*: label 'TOWN'"):
        run_loop(human, quiet)
    answers.write_text(text.replace(" works in ", " Works in "))
    with pytest.raises(InputError, match=r"text or tokens of .* are not those of the question"):
        run_loop(human, quiet)
    answers.write_text(text.replace(questions[0].id, "other"))
    with pytest.raises(InputError, match="'other' was not asked"):
        run_loop(human, quiet)
    assert len(trained) == count

    right = [
        Document(q.id, q.text, q.tokens, tuple(s for s in q.spans if s.start == 0), dict(q.meta)) for q in questions
    ]
    write_documents(answers, right)
    run_loop(human, quiet)
    (row,) = rounds(settings.output)[1:]
    assert (row["asked"], row["changed"]) == (3, sum(1 for q in questions if len(q.spans) != 1))
    assert (row["original"], row["distilled"]) == (rounds(settings.output)[0]["original"] + 3, 9)
    original = {d.id: d for d in read_documents(here / "original.jsonl")}
    assert all(original[each.id].spans == each.spans and "student" not in original[each.id].meta for each in right)
    assert not {each.id for each in right} & labels(settings.output, 1).keys()


def test_people_may_answer_everything(
    settings: LoopSettings, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(documents: Any, opinions: Any, count: int, asked: Any) -> dict[str, float]:
        return dict.fromkeys([document.id for document in documents][:count], 1.0)

    monkeypatch.setattr(run, "choose", everything)
    human = settings.model_copy(update={"ask": AskHuman(sentences=100)})
    here = settings.output / "rounds" / "1"
    with pytest.raises(InterruptedRun, match="11 questions"):
        run_loop(human, quiet)
    (here / "answers.jsonl").write_bytes((here / "questions.jsonl").read_bytes())
    run_loop(human, quiet)
    assert rounds(settings.output)[-1]["distilled"] == 1
    assert rounds(settings.output)[-1]["verdict"] == "stop: nothing is left to ask"


def test_labels_of_another_annotator_are_taken_before_the_first_student_and_refused_after(
    settings: LoopSettings, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> None:
        raise InterruptedRun("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(run, "run_students", stopped)
        with pytest.raises(InterruptedRun):
            run_loop(settings, quiet)
    before = labels(settings.output, 0)
    engine = settings.annotator.engine.model_copy(update={"labels": ("PER", "LOC")})
    other = settings.model_copy(update={"annotator": settings.annotator.model_copy(update={"engine": engine})})
    monkeypatch.setattr(run, "choose", lambda *arguments: {})
    run_loop(other, quiet)
    after = labels(settings.output, 0)
    assert after == {d.id: d for d in read_documents(settings.output / "annotations" / "corpus" / "annotations.jsonl")}
    assert {id for id in after if after[id].spans != before[id].spans} == set(before)
    with pytest.raises(InputError, match="made by another annotator"):
        run_loop(settings, quiet)


def test_it_stops_when_a_round_gains_too_little(settings: LoopSettings, trained: list[str]) -> None:
    dear = settings.model_copy(update={"least_gain": 1e6})
    run_loop(dear, quiet)
    assert [row["verdict"] for row in rounds(settings.output)] == [
        "the beginning",
        "stop: clearly below the least gain",
    ]
    # and goes on where less is asked of a round
    run_loop(settings, quiet)
    assert len(rounds(settings.output)) == 3


def test_votes_replace_the_labels_of_what_was_asked(settings: LoopSettings, trained: list[str]) -> None:
    asked = AskSamples(sentences=4, votes=VoteSettings(samples=3, temperature=2.0))
    run_loop(settings.model_copy(update={"ask": asked, "rounds": 1}), quiet)
    questions = disputed(settings.output, 1)
    before, after = labels(settings.output, 0), labels(settings.output, 1)
    changed = [id for id in questions if after[id].spans != before[id].spans]
    assert rounds(settings.output)[1]["changed"] == len(changed) > 0
    assert {id for id in after if TAG_VOTES in after[id].meta} == set(questions)
    assert all(after[id] == before[id] for id in before if id not in questions)


def test_other_settings_need_another_folder(settings: LoopSettings, trained: list[str]) -> None:
    run_loop(settings.model_copy(update={"rounds": 1}), quiet)
    other = make_encoder(settings.output.parent / "encoder", dropout=0.2)
    for change in ({"folds": 3}, {"seeds": (0,)}, {"ask": AskHuman()}, {"student": other}):
        with pytest.raises(InputError, match=f"begun with other {next(iter(change))}; choose another output"):
            run_loop(settings.model_copy(update=change), quiet)
    run_loop(
        settings.model_copy(update={"rounds": 1, "training": settings.training.model_copy(update={"log_every": 7})}),
        quiet,
    )


def test_it_ends_where_nothing_is_disputed_any_more(
    settings: LoopSettings, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "choose", lambda *arguments: {})
    run_loop(settings, quiet)
    (row,) = rounds(settings.output)
    assert row["verdict"] == "stop: nothing is left to ask"
