"""Votes and the second pass: what is asked again, at which cost, and what becomes of the labels."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nerkd_local.annotate.completer import Completion, Request
from nerkd_local.annotate.engines.scripted import ScriptedCompleter
from nerkd_local.annotate.folder import annotate_folder, prepare_job
from nerkd_local.annotate.further import Further, least_sure
from nerkd_local.annotate.ledger import describe
from nerkd_local.annotate.prompts import text_of
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.settings import AnnotatorSettings, ScriptedSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InterruptedRun
from nerkd_local.evaluate.calibration import collect_spans
from nerkd_local.records import Document, Span, from_words
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.inspection import verify_store
from nerkd_local.store.rows import StoredAnswer

NAMES = ["Ann", "Bob", "Bonn", "Ibsen", "Kafka", "Oslo", "Rhine", "Siemens", "Ulm", "Zola"]
CORPUS = [
    from_words(f"d:{i}", [NAMES[i % 10], "met", NAMES[(i * 7 + 3) % 10], "in", NAMES[i % 7], f"{i % 25}", "."])
    for i in range(30)
] + [from_words("d:none", ["nobody", "came"])]


def settings(**changes: object) -> AnnotatorSettings:
    values = {"name": "a", "engine": {"kind": "scripted", "script": "capitals"}, "labels": {"PER": "p", "ORG": "o"}}
    return AnnotatorSettings.model_validate({**values, "logprobs": "raw", **changes})


class Engine(ScriptedCompleter):
    """The scripted engine; it keeps what it was asked, and dies after so many answers."""

    def __init__(self, dies_after: int | None = None) -> None:
        super().__init__(ScriptedSettings(script="capitals", labels=("PER", "ORG"), in_flight=4))
        self.asked: list[Request] = []
        self.dies_after = dies_after

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        for number, completion in enumerate(super().complete(requests), len(self.asked)):
            if self.dies_after is not None and number >= self.dies_after:
                raise RuntimeError("the engine died (on purpose)")
            yield completion

    def answer(self, request: Request) -> Completion:
        self.asked.append(request)
        return super().answer(request)


def annotate(folder: Path, annotator: AnnotatorSettings, engine: Engine | None = None) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    write_documents(folder / "corpus.jsonl", CORPUS)
    return annotate_folder(folder / "corpus.jsonl", folder, annotator, engine or Engine(), say=lambda line: None)


def labels(folder: Path) -> list[Document]:
    return list(read_documents(folder / "annotations.jsonl"))


VOTES = {"samples": 3, "temperature": 1.0}


def test_a_person_is_told_what_was_asked_further_and_what_it_cost(tmp_path: Path) -> None:
    ledger = annotate(tmp_path, settings(votes=VOTES, verify=True))
    *_, votes, verified = describe(ledger).splitlines()
    told = ledger["votes"]
    assert votes == (
        f"votes: 31 sentences with 3 further answers, {told['changed']} changed by them; "
        f"{told['prompt_tokens']:,} tokens in and {told['output_tokens']:,} out"
    )
    assert verified.startswith("second pass: the mentions of 30 sentences, ")


def test_all_sentences_are_voted_on_without_a_share(tmp_path: Path) -> None:
    engine = Engine()
    ledger = annotate(tmp_path, settings(votes=VOTES), engine)
    distinct = len({document.text for document in CORPUS})
    assert len(engine.asked) == 4 * distinct
    assert {request.sample for request in engine.asked} == {0, 1, 2, 3}
    assert ledger["votes"]["sentences"] == len(CORPUS)
    assert ledger["votes"]["asked"] == 3 * distinct
    assert ledger["votes"]["answers"] == {"annotated": 3 * len(CORPUS)}
    assert ledger["votes"]["output_tokens"] > 0
    assert 0 < ledger["votes"]["changed"] < len(CORPUS)
    for document in labels(tmp_path):
        assert len(document.meta["tag_votes"]) == len(document.tokens)
        assert all(sum(shares.values()) == pytest.approx(1, abs=1e-3) for shares in document.meta["tag_votes"])
        assert document.meta["confidences"] == [
            round(of_span["votes"] * of_span["type_votes"], 6) for of_span in document.meta["signals"]
        ]
    assert verify_store(tmp_path / "answers.sqlite").problems == []


def test_the_share_is_asked_again_that_is_least_sure(tmp_path: Path) -> None:
    annotate(tmp_path / "base", settings())
    sure = {
        document.id: min(document.meta["confidences"], default=float(np.exp(document.meta["answer_logprob"])))
        for document in labels(tmp_path / "base")
    }
    ledger = annotate(tmp_path / "voted", settings(votes={**VOTES, "share": 0.2}))
    voted = {document.id for document in labels(tmp_path / "voted") if "tag_votes" in document.meta}
    assert len(voted) == ledger["votes"]["sentences"] == 7  # of 31
    assert max(sure[id] for id in voted) <= min(sure[id] for id in sure.keys() - voted)
    unchanged = {document.id: document for document in labels(tmp_path / "base")}
    assert all(
        document == unchanged[document.id] for document in labels(tmp_path / "voted") if document.id not in voted
    )


@pytest.mark.parametrize("dies_after", [10, 35, 50])
def test_a_run_that_died_chooses_the_same_sentences_when_it_goes_on(tmp_path: Path, dies_after: int) -> None:
    annotator = settings(votes={**VOTES, "share": 0.5})
    whole = annotate(tmp_path / "whole", annotator)
    with pytest.raises(RuntimeError, match="on purpose"):
        annotate(tmp_path / "killed", annotator, Engine(dies_after=dies_after))
    assert annotate(tmp_path / "killed", annotator) == whole
    both = [(tmp_path / name / "annotations.jsonl").read_bytes() for name in ("whole", "killed")]
    assert both[0] == both[1]


def test_another_share_is_another_export_of_the_same_answers(tmp_path: Path) -> None:
    annotate(tmp_path, settings())
    plain = (tmp_path / "annotations.jsonl").read_bytes()
    annotate(tmp_path, settings(votes=VOTES))
    engine = Engine()
    ledger = annotate(tmp_path, settings(votes={**VOTES, "share": 0.2}), engine)
    assert engine.asked == []
    assert ledger["votes"]["sentences"] == 7
    annotate(tmp_path, settings(), engine)
    assert (tmp_path / "annotations.jsonl").read_bytes() == plain
    assert engine.asked == []


def test_an_answer_whose_tokens_are_not_kept_is_least_sure(tmp_path: Path) -> None:
    annotate(tmp_path, settings())
    job = prepare_job(settings())
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        store._database.execute("DELETE FROM token_logprobs WHERE sentence_no = 30")
        run_id = store.open_run(job.identity())
        assert 30 in least_sure(SentenceList(CORPUS), store, run_id, job, 0.01).tolist()
        assert len(least_sure(SentenceList(CORPUS), store, run_id, job)) == len(CORPUS)


class Unfitting(Engine):
    """Gives tokens that are not the answer's where the text begins with Ann."""

    def answer(self, request: Request) -> Completion:
        answer = super().answer(request)
        unfit = text_of(request.messages).startswith("Ann ")
        return replace(answer, logprobs=(("?", -0.1),)) if unfit else answer


def test_one_answer_whose_tokens_are_not_kept_does_not_take_all_others_confidences(tmp_path: Path) -> None:
    ledger = annotate(tmp_path, settings(), Unfitting())
    unfit = [document for document in labels(tmp_path) if document.text.startswith("Ann ")]
    assert ledger["token_logprobs"] == {"not kept": len(unfit), "raw": len(CORPUS) - len(unfit)}
    assert all(document.meta["signals"] == [{}] * len(document.spans) for document in unfit)
    assert unfit[0].meta["confidences"] == [0.5] * len(unfit[0].spans)
    found = collect_spans([(document, document) for document in labels(tmp_path)])
    assert found is not None
    assert len(found.right) == sum(len(document.spans) for document in labels(tmp_path))


class Unusable(Engine):
    """Answers of the second draw are cut off."""

    def answer(self, request: Request) -> Completion:
        answer = super().answer(request)
        if request.sample != 2:
            return answer
        return Completion(answer.key, "PER\tAn", "length", answer.prompt_tokens, answer.output_tokens)


def test_a_draw_that_cannot_be_used_does_not_vote_and_is_counted(tmp_path: Path) -> None:
    ledger = annotate(tmp_path, settings(votes=VOTES), Unusable())
    assert ledger["votes"]["answers"] == {"annotated": 2 * len(CORPUS), "truncated": len(CORPUS)}
    shares = {of_span["votes"] for document in labels(tmp_path) for of_span in document.meta["signals"]}
    assert shares <= {0.6667, 1.0}


class Doubtful(Engine):
    """Says no to every mention of Ann, and forgets the last one of a list."""

    def answer(self, request: Request) -> Completion:
        if "yes or no" not in request.messages[0].content:
            return super().answer(request)
        self.asked.append(request)
        listed = request.messages[-1].content.splitlines()[:-1]
        answer = "\n".join(f"{n}\t{'no' if ' Ann ' in line else 'yes'}" for n, line in enumerate(listed[:-1], 1))
        word = {"yes": -0.25, "no": -0.5}
        tokens = tuple(
            (piece, word.get(piece, 0.0)) for piece in answer.replace("\t", "\t|").replace("\n", "|\n|").split("|")
        )
        kept = tokens if request.logprobs else None
        return Completion(request.key, answer, "stop", 9, 2 * len(listed), kept, masked=True)


def test_the_second_pass_asks_about_each_mention_of_the_first_answers(tmp_path: Path) -> None:
    engine = Doubtful()
    ledger = annotate(tmp_path, settings(verify=True), engine)
    question = next(
        request
        for request in engine.asked
        if text_of(request.messages) == CORPUS[0].text and request.logprobs and "1. Ann" in request.messages[-1].content
    )
    assert question.messages[-1].content.splitlines()[:-1] == ["1. Ann (ORG)", "2. Ibsen (ORG)", "3. Ann (ORG)"]
    assert question.constraint == r"1\t(yes|no)\n2\t(yes|no)\n3\t(yes|no)"
    first = labels(tmp_path)[0]
    assert [of_span.get("verified") for of_span in first.meta["signals"]] == [
        pytest.approx(1 - np.exp(-0.5), abs=1e-4),
        pytest.approx(np.exp(-0.25), abs=1e-4),
        None,
    ]
    made_of = first.meta["signals"][0]
    expected = np.exp(made_of["mention"] + made_of["label"]) * made_of["verified"]
    assert first.meta["confidences"][0] == pytest.approx(expected, abs=1e-6)
    verified = ledger["verification"]
    assert verified["sentences"] == 30  # the one without a mention is not asked about
    assert verified["without_verdict"] == 30
    assert verified["yes"] + verified["no"] + verified["without_verdict"] == sum(len(d.spans) for d in labels(tmp_path))
    assert "verified" not in json.dumps(labels(tmp_path)[-1].meta)


class Nested(Doubtful):
    """Finds a mention inside another one, and says no to the longer one."""

    def answer(self, request: Request) -> Completion:
        self.asked.append(request)
        if "yes or no" in request.messages[0].content:
            listed = request.messages[-1].content.splitlines()[:-1]
            verdicts = [f"{n}\t{'no' if ' met ' in line else 'yes'}" for n, line in enumerate(listed, 1)]
            return Completion(request.key, "\n".join(verdicts), "stop", 1, 1)
        first, met, *_ = text_of(request.messages).split()
        return Completion(request.key, f"PER\t{first} {met}\nPER\t{first}", "stop", 1, 1)


def test_another_policy_for_nested_mentions_asks_about_its_own(tmp_path: Path) -> None:
    told = {}
    for nested in ("outermost", "innermost", "outermost"):
        annotate(tmp_path, settings(logprobs="none", verify=True, nested=nested), Nested())
        (told[nested],) = labels(tmp_path)[7].meta["signals"]
    assert told == {"outermost": {"verified": 0.0}, "innermost": {"verified": 1.0}}


@pytest.mark.parametrize(("share", "count"), [(0.07, 7), (0.55, 55), (1 / 3, 34), (0.001, 1), (1.0, 100)])
def test_a_share_is_rounded_up_and_only_where_it_is_no_whole_number(tmp_path: Path, share: float, count: int) -> None:
    texts = [from_words(f"d:{n}", ["nobody", f"came{n}"]) for n in range(100)]
    job = prepare_job(settings())
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        run_id = store.open_run(job.identity())
        assert len(least_sure(SentenceList(texts), store, run_id, job, share)) == 0
        store.add(run_id, *(StoredAnswer(n, f"d:{n}", 0, "NONE", "stop", 1, 1) for n in range(100)))
        assert least_sure(SentenceList(texts), store, run_id, job, share).tolist() == list(range(count))


def test_a_stop_among_the_further_answers_tells_how_many_of_them_are_there(tmp_path: Path) -> None:
    class Stopping(Engine):
        def answer(self, request: Request) -> Completion:
            if request.sample == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().answer(request)

    annotator = settings(votes={**VOTES, "share": 0.5})
    with pytest.raises(InterruptedRun, match=r"stopped: \d+ of 16 answers are stored; the same command goes on"):
        annotate(tmp_path, annotator, Stopping())
    assert annotate(tmp_path, annotator) == annotate(tmp_path / "whole", annotator)


def test_without_log_probabilities_a_verdict_is_all_or_nothing(tmp_path: Path) -> None:
    annotate(tmp_path, settings(logprobs="none", verify=True), Doubtful())
    first = labels(tmp_path)[0]
    assert first.meta["signals"] == [{"verified": 0.0}, {"verified": 1.0}, {}]
    assert first.meta["confidences"] == [0.0, 1.0, 0.5]
    assert "confidences" not in labels(tmp_path)[-1].meta


def test_the_shipped_fake_engine_can_be_asked_a_second_time(tmp_path: Path) -> None:
    ledger = annotate(tmp_path, settings(votes={"samples": 2}, verify=True))
    assert ledger["verification"]["without_verdict"] == 0
    assert ledger["verification"]["no"] > 0
    voted = [of_span for document in labels(tmp_path) for of_span in document.meta["signals"]]
    assert {"votes", "type_votes", "verified", "mention"} <= voted[0].keys()


def test_spans_that_only_further_answers_have_carry_what_is_known_of_them(tmp_path: Path) -> None:
    class Missing(Engine):
        def answer(self, request: Request) -> Completion:
            answer = super().answer(request)
            if request.sample == 0:
                return Completion(answer.key, "NONE", "stop", 1, 1, (("NONE", -0.5),))
            return Completion(answer.key, f"PER\t{text_of(request.messages).split()[0]}", "stop", 1, 1)

    annotate(tmp_path, settings(votes=VOTES), Missing())
    first = labels(tmp_path)[0]
    assert first.spans == (Span(0, 3, "PER"),)
    assert first.meta["signals"] == [{"sentence": -0.5, "votes": 0.75, "type_votes": 1.0}]


def test_each_further_run_is_its_own(tmp_path: Path) -> None:
    job = prepare_job(settings(votes=VOTES, verify=True))
    further = Further.of(job, settings(votes=VOTES, verify=True))
    assert further.verification
    assert "sample" not in job.identity()
    identities = [job.identity(), *(each.identity() for each in further.samples), further.verification.identity()]
    assert len({json.dumps(identity, sort_keys=True) for identity in identities}) == 5
    assert [identity.get("sample") for identity in identities] == [None, 1, 2, 3, None]
    assert identities[1]["sampling"]["temperature"] == 1.0
    assert identities[-1]["base"] == job.identity()
    assert Further.of(job, settings()).to_json() == {}


@pytest.mark.parametrize("more", [{"votes": VOTES}, {"verify": True}])
def test_windows_are_not_asked_about_again(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave out window"):
        settings(window=2, **more)


@pytest.mark.parametrize("more", [{"votes": VOTES}, {"verify": True}])
def test_recorded_answers_are_not_asked_further(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="recorded answers hold no further ones"):
        settings(engine={"kind": "replay", "answers": "a.jsonl"}, **more)
