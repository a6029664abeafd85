"""A corpus through an annotator: everything counted, nothing asked twice, killed or not the same bytes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import Completion, FinishReason, Request
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.settings import PromptName, SamplingSettings, Thinking
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import read_json_lines
from nerkd_local.fingerprints import digest_json
from nerkd_local.records import RAW_TAGS, Document, Span, from_words
from nerkd_local.store.answers import AnswerStore
from tests.annotations import annotate, annotate_and_export
from tests.fakes.completer import ScriptedCompleter

LABELS = {"PER": "people", "LOC": "places"}
DOCUMENTS = [from_words(f"s:{n}", ["Ann", f"saw{n}", "Bonn"], (Span(0, 3, "LOC"),)) for n in range(60)]


def both(text: str) -> tuple[str, FinishReason]:
    return "PER\tAnn\nLOC\tBonn", "stop"


def job(prompt: PromptName = "standard", thinking: Thinking = "none", **changes: Any) -> AnnotationJob:
    asked = Prompt(prompt, LABELS, answer_format("lines"), thinking=thinking)
    plain: dict[str, Any] = {
        "sampling": SamplingSettings(max_tokens=50), "constrained": True, "engine_identity": {"kind": "fake"},
        "reasoning_tokens": 300,
    }  # fmt: skip
    return AnnotationJob(asked, **plain | changes)


def run(
    folder: Path,
    completer: ScriptedCompleter,
    documents: list[Document] = DOCUMENTS,
    asked: AnnotationJob | None = None,
) -> dict[str, Any]:
    return annotate_and_export(documents, asked or job(), completer, folder)


def test_labels_replace_those_the_corpus_carried(tmp_path: Path) -> None:
    completer = ScriptedCompleter(both)
    ledger = run(tmp_path, completer)
    rows = [row for _, row in read_json_lines(tmp_path / "annotations.jsonl")]
    assert [row["id"] for row in rows] == [document.id for document in DOCUMENTS]
    assert rows[3]["spans"] == [[0, 3, "PER"], [9, 13, "LOC"]]
    assert ledger["sentences"]["annotated"] == ledger["sentences_total"] == 60
    assert ledger["mentions"]["accepted"] == ledger["mentions_total"] == 120
    assert (ledger["prompt_tokens"], ledger["output_tokens"]) == (180, 240)


SCRIPT: dict[str, tuple[str, FinishReason]] = {
    "saw0": ("PER\tAnn\nLOC\tBo", "length"),
    "saw1": ("I cannot do that", "stop"),
    "saw2": ("", "too_long"),
    "saw3": ("NONE", "stop"),
    "saw4": ("PER\tAnn\nPER\tAnn\nLOC\tOslo\nCITY\tBonn\nwell", "stop"),
}


def faulty(text: str) -> tuple[str, FinishReason]:
    return SCRIPT.get(text.split(" ")[1], both(text))


def test_every_fault_has_its_state_and_no_partial_label_survives(tmp_path: Path) -> None:
    ledger = run(tmp_path, ScriptedCompleter(faulty))
    rows = [row for _, row in read_json_lines(tmp_path / "annotations.jsonl")][:6]
    states = [row["meta"]["status"] for row in rows]
    assert states == ["truncated", "malformed", "too_long", "annotated", "annotated", "annotated"]
    assert [len(row["spans"]) for row in rows] == [0, 0, 0, 0, 1, 2]
    assert rows[4]["meta"]["mentions"] == {
        "accepted": 1, "duplicate": 1, "hallucinated": 1, "bad_type": 1, "malformed": 1
    }  # fmt: skip
    assert ledger["mentions"]["truncated"] == 2
    assert ledger["finish_reasons"] == {"length": 1, "stop": 58, "too_long": 1}


THOUGHTFUL: dict[str, tuple[str, FinishReason]] = {
    "saw0": ("<think>Ann?\nPER\tAnn\n", "length"),  # thinking took the tokens
    "saw1": ("<think>\nPER\tAnn\n", "stop"),  # it never came to an answer
    "saw2": ("<think>Bob</think>\n\n1. Ann\n2. PER\tAnn", "length"),  # the steps took the tokens
    "saw3": ("<think></think>1. -\n2. -\n3. PER\tEvil\n4. -\nAnswer:\nNONE", "stop"),
    "saw4": ("<think>PER\tAnn</think>1. a\n2. b\n3. c\n4. d\nAnswer:\nLOC\tBonn", "stop"),
}


def test_only_what_follows_the_reasoning_is_an_answer(tmp_path: Path) -> None:
    completer = ScriptedCompleter(lambda text: THOUGHTFUL[text.split(" ")[1]])
    ledger = run(tmp_path, completer, DOCUMENTS[:5], job("cot", "tags"))
    rows = [row for _, row in read_json_lines(tmp_path / "annotations.jsonl")]
    assert [row["meta"]["status"] for row in rows] == [
        "truncated", "malformed", "truncated", "annotated", "annotated"
    ]  # fmt: skip
    assert [row["spans"] for row in rows] == [[], [], [], [], [[9, 13, "LOC"]]]
    assert (ledger["mentions"]["accepted"], ledger["mentions_total"]) == (1, 5)
    assert ledger["mentions"]["malformed"] == 1  # the thought that never ended
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        assert [answer.answer for answer in store.answers(1)] == [text for text, _ in THOUGHTFUL.values()]


@pytest.mark.parametrize(
    ("prompt", "thinking", "max_tokens", "keeps"),
    [
        ("standard", "none", 50, False),
        ("cot", "none", 350, False),
        ("standard", "tags", 350, True),
        ("standard", "apart", 350, False),
        ("cot", "channels", 350, True),
    ],
)
def test_reasoning_has_room_of_its_own(prompt: PromptName, thinking: Thinking, max_tokens: int, keeps: bool) -> None:
    request = job(prompt, thinking, chat_template_kwargs={"effort": "low"}).question(7, DOCUMENTS[0]).full
    assert (request.key, request.max_tokens, request.keep_control_tokens) == (7, max_tokens, keeps)
    assert request.chat_template_kwargs == {"effort": "low"}
    assert request.constraint == job(prompt, thinking).prompt.constraint
    assert job(prompt, thinking, constrained=False).question(7, DOCUMENTS[0]).full.constraint is None


def test_the_identity_follows_what_is_asked_and_names_only_what_is_used() -> None:
    jobs = [
        job(),
        job("cot"),
        job("cot", reasoning_tokens=200),
        job(thinking="tags"),
        job(thinking="channels", constrained=False),
        job(thinking="tags", constrained=False),
        job(thinking="apart"),
        job(constrained=False),
        job(chat_template_kwargs={"enable_thinking": False}),
        job(chat_template_kwargs={"enable_thinking": True}),
        job(knows_system_role=False),
    ]
    assert len({digest_json(each.identity()) for each in jobs}) == len(jobs)
    assert job().identity() == job(reasoning_tokens=200).identity()  # nothing uses that room
    assert list(job().identity()) == [
        "asking", "engine", "prompt", "prompt_sha256", "labels", "format", "constraint", "sampling"
    ]  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.one_of(st.text(max_size=12), st.sampled_from(["PER\tAnn", "NONE", "LOC\tBonn\nLOC\tBonn"])),
            st.sampled_from(["stop", "length", "too_long"]),
        ),
        min_size=1,
        max_size=10,
    )
)
def test_the_ledger_conserves_whatever_the_model_says(
    tmp_path_factory: pytest.TempPathFactory, answers: list[tuple[str, FinishReason]]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    documents = DOCUMENTS[: len(answers)]
    by_text = {document.text: answer for document, answer in zip(documents, answers, strict=True)}
    ledger = run(folder, ScriptedCompleter(by_text.__getitem__), documents)
    assert sum(ledger["sentences"].values()) == ledger["sentences_total"] == len(documents)
    parsed = [answer_format("lines").parse(text) for text, reason in answers if reason != "too_long"]
    assert sum(ledger["mentions"].values()) == sum(len(p.mentions) + p.malformed for p in parsed)
    rows = [row for _, row in read_json_lines(folder / "annotations.jsonl")]
    assert sum(sum(row["meta"]["mentions"].values()) for row in rows) == ledger["mentions_total"]


def test_a_crashed_run_goes_on_and_exports_the_same_bytes(tmp_path: Path) -> None:
    run(tmp_path / "whole", ScriptedCompleter(faulty))
    crashing = ScriptedCompleter(faulty, dies_after=25, seed=1)
    with pytest.raises(RuntimeError, match="on purpose"):
        run(tmp_path / "broken", crashing)
    resumed = ScriptedCompleter(faulty, seed=2)
    run(tmp_path / "broken", resumed)
    asked = Counter(crashing.asked + resumed.asked)
    assert asked.keys() == {document.text for document in DOCUMENTS}
    # cut off once and out of the format twice, each asked again; nothing else is
    assert {text for text, count in asked.items() if count > 1} <= {f"Ann saw{n} Bonn" for n in (0, 1, 4)}
    for name in ("annotations.jsonl", "ledger.json"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_asks_nothing(tmp_path: Path) -> None:
    run(tmp_path, ScriptedCompleter(both))
    idle = ScriptedCompleter(both)
    run(tmp_path, idle)
    assert not idle.used


def test_a_signal_stops_the_run_with_its_answers_stored(tmp_path: Path) -> None:
    def stopping(text: str) -> tuple[str, FinishReason]:
        if "saw20" in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return both(text)

    first = ScriptedCompleter(stopping)
    with pytest.raises(InterruptedRun, match=r"of 60 answers are stored; the same command goes on"):
        run(tmp_path, first)
    assert 20 < len(first.asked) < 60
    second = ScriptedCompleter(both)
    run(tmp_path, second)
    assert len(first.asked) + len(second.asked) == 60


def test_an_engine_that_dies_of_the_same_ctrl_c_is_no_error(tmp_path: Path) -> None:
    def stopping(text: str) -> tuple[str, FinishReason]:
        if "saw20" in text:
            os.kill(os.getpid(), signal.SIGINT)
            raise RuntimeError("the engine got the signal too")
        return both(text)

    with pytest.raises(InterruptedRun, match="answers are stored"):
        run(tmp_path, ScriptedCompleter(stopping))
    ledger = run(tmp_path, ScriptedCompleter(both))
    assert ledger["sentences"]["annotated"] == 60


def test_an_engine_that_does_not_come_up_after_ctrl_c_is_no_error(tmp_path: Path) -> None:
    class Starting(ScriptedCompleter):
        def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
            os.kill(os.getpid(), signal.SIGINT)
            raise InputError("vLLM cannot serve this model")

    with pytest.raises(InterruptedRun, match="0 of 60"):
        run(tmp_path, Starting(both))


def test_a_stop_with_the_last_answer_is_still_a_stop(tmp_path: Path) -> None:
    def stopping(text: str) -> tuple[str, FinishReason]:
        if "saw59" in text:
            os.kill(os.getpid(), signal.SIGTERM)
        return both(text)

    with pytest.raises(InterruptedRun, match="60 of 60"):
        run(tmp_path, ScriptedCompleter(stopping, in_flight=1))


def test_a_failing_store_is_not_taken_for_the_stop_that_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(text: str) -> tuple[str, FinishReason]:
        os.kill(os.getpid(), signal.SIGTERM)
        return both(text)

    def full(store: AnswerStore, run_id: int, *answers: object, **more: object) -> None:
        raise InputError("the disk is full")

    monkeypatch.setattr(AnswerStore, "add", full)
    with pytest.raises(InputError, match="the disk is full"):
        run(tmp_path, ScriptedCompleter(stopping))


def test_tags_that_a_student_left_do_not_outlive_the_annotation(tmp_path: Path) -> None:
    predicted = [replace(document, meta={RAW_TAGS: ["O", "O", "O"], "line": 3}) for document in DOCUMENTS[:2]]
    run(tmp_path, ScriptedCompleter(both), predicted)
    (row, _) = [row for _, row in read_json_lines(tmp_path / "annotations.jsonl")]
    assert row["meta"] == {"line": 3, "status": "annotated", "mentions": {"accepted": 2}}


def test_other_settings_are_another_run_in_the_same_store(tmp_path: Path) -> None:
    longer = job(sampling=SamplingSettings(max_tokens=51))
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        one = annotate(DOCUMENTS, job(), ScriptedCompleter(both), store)
        other = annotate(DOCUMENTS, longer, ScriptedCompleter(faulty), store)
        assert one != other
        assert store.count(one) == store.count(other) == 60
        assert {answer.answer for answer in store.answers(one)} == {"PER\tAnn\nLOC\tBonn"}


def test_a_changed_corpus_is_refused_with_the_sentence_named(tmp_path: Path) -> None:
    run(tmp_path, ScriptedCompleter(both))
    changed = [*DOCUMENTS[:7], from_words("s:7", ["Another", "text"]), *DOCUMENTS[8:]]
    with pytest.raises(InputError, match=r"sentence 7 is 's:7' now.*the corpus changed"):
        run(tmp_path, ScriptedCompleter(both), changed)


def test_a_grown_corpus_asks_only_the_new_sentences(tmp_path: Path) -> None:
    run(tmp_path, ScriptedCompleter(both), DOCUMENTS[:40])
    more = ScriptedCompleter(both)
    run(tmp_path, more)
    assert sorted(more.asked) == sorted(document.text for document in DOCUMENTS[40:])
