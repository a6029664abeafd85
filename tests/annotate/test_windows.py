"""Sentences asked about together: which, and whose labels their answer gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import FinishReason
from nerkd_local.annotate.engines.start import open_engine
from nerkd_local.annotate.folder import annotate_folder, forecast_folder, write_corpus
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.ledger import is_usable
from nerkd_local.annotate.reading import Reading
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.settings import AnnotatorSettings, FormatName, ScriptedSettings
from nerkd_local.annotate.shards import Shard, annotate_shard
from nerkd_local.annotate.windows import Windows, join, split
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from tests.fakes.completer import ScriptedCompleter

LABELS = {"PER": "people", "LOC": "places"}


def sentence(number: int, text: str, document: str | None = "d") -> Document:
    return from_words(f"s:{number}", text.split(), meta={} if document is None else {"document": document})


@pytest.mark.parametrize(
    ("documents", "most", "expected"),
    [
        ("aaaaa", 2, [2, 2, 1]),
        ("aaabb", 10, [3, 2]),
        ("aba", 10, [1, 1, 1]),  # only what follows each other
        ("--a", 10, [1, 1, 1]),  # of no document
        ("", 3, []),
    ],
)
def test_windows_are_neighbours_of_one_document(documents: str, most: int, expected: list[int]) -> None:
    corpus = SentenceList(sentence(n, f"w{n}", None if name == "-" else name) for n, name in enumerate(documents))
    windows = Windows(corpus, most)
    assert [len(windows.members(number)) for number in range(len(windows))] == expected
    assert [n for number in range(len(windows)) for n in windows.members(number)] == list(range(len(corpus)))
    assert list(windows) == [windows[number] for number in range(len(windows))]
    assert windows.keys.tolist() == SentenceList(windows).keys.tolist()


@given(st.text("aab-", max_size=12), st.integers(2, 4), st.lists(st.integers(0, 12), max_size=3))
def test_windows_with_an_answer_stay_as_they_were_while_the_corpus_grows(
    documents: str, most: int, lengths: list[int]
) -> None:
    corpus = [sentence(n, f"w{n}", None if name == "-" else name) for n, name in enumerate(documents)]
    windows = Windows(SentenceList([]), most)
    for length in sorted(lengths):
        before, answered = windows, (np.arange(len(windows)), windows.keys)
        windows = Windows(SentenceList(corpus[:length]), most, answered)
        assert list(windows)[: len(before)] == list(before)
        assert windows.keys.tolist()[: len(before)] == before.keys.tolist()
        members = [n for number in range(len(windows)) for n in windows.members(number)]
        assert members == list(range(min(length, len(corpus))))


def test_a_window_is_one_text_with_all_tokens() -> None:
    joined = join([sentence(0, "Ann left ."), Document("e", "", ()), sentence(2, "Bonn ?")])
    assert (joined.id, joined.text) == ("s:0..s:2", "Ann left .  Bonn ?")
    assert joined.words == ["Ann", "left", ".", "Bonn", "?"]
    assert join([sentence(4, "Ann")]).id == "s:4"


def test_an_answer_is_taken_apart_with_every_mention_counted_once() -> None:
    parts = [sentence(0, "Ann left Bonn"), sentence(1, "Bonn is Ann")]
    ann, bonn, both, last = Span(0, 3, "PER"), Span(9, 13, "LOC"), Span(9, 18, "LOC"), Span(22, 25, "PER")
    counts: dict[Any, int] = {"accepted": 2, "repaired": 1, "hallucinated": 3}
    mentions = tuple(Mention(text, "PER") for text in ("Ann", "x", "Ann"))
    reading = Reading("annotated", (ann, both, last), counts, mentions, ("accepted", "repaired", "accepted"))
    first, second = split(parts, reading)
    assert (first.spans, second.spans) == ((ann,), (Span(8, 11, "PER"),))
    assert first.mentions == {"accepted": 1, "crossing": 1, "hallucinated": 3}
    assert second.mentions == {"accepted": 1}
    assert (first.sources, second.sources) == (mentions[:1], mentions[2:])
    plain = Reading("annotated", (bonn,), {"accepted": 1}, mentions[:1], ("accepted",))
    assert [part.spans for part in split(parts, plain)] == [(bonn,), ()]
    lost = split(parts, Reading("truncated", (), {"truncated": 4}))
    assert [(part.state, part.mentions) for part in lost] == [("truncated", {"truncated": 4}), ("truncated", {})]


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_spans_of_single_sentences_come_back_as_they_were(marks: list[list[bool]]) -> None:
    parts = [sentence(n, " ".join(f"w{n}{k}" for k in range(len(row)))) for n, row in enumerate(marks)]
    own = [
        tuple(Span(start, end, "PER") for (start, end), marked in zip(part.tokens, row, strict=True) if marked)
        for part, row in zip(parts, marks, strict=True)
    ]
    begins = [sum(len(part.text) + 1 for part in parts[:n]) for n in range(len(parts))]
    spans = tuple(Span(s.start + b, s.end + b, s.label) for b, row in zip(begins, own, strict=True) for s in row)
    mention, total = Mention("w", "PER"), len(spans)
    reading = Reading("annotated", spans, {"accepted": total}, (mention,) * total, ("accepted",) * total)
    assert [part.spans for part in split(parts, reading)] == own


def settings_of(window: int, **changes: Any) -> AnnotatorSettings:
    engine = ScriptedSettings(labels=("PER", "LOC"))
    return AnnotatorSettings.model_validate(
        {"name": "a", "engine": engine, "labels": LABELS, "window": window, "shots": 0} | changes
    )


class Perfect:
    """Names every capitalised word a place, in lines; longer texts than `most` words are cut off."""

    def __init__(self, most: int = 10**6, reason: FinishReason = "length") -> None:
        self.most, self.reason = most, reason

    def __call__(self, text: str) -> tuple[str, FinishReason]:
        words = [word for word in text.split() if word[:1].isupper()]
        answer = "\n".join(f"LOC\t{word}" for word in words) or "NONE"
        return (answer, "stop") if len(text.split()) <= self.most else (answer[:6], self.reason)


CORPUS = [
    sentence(0, "Rome is old .", "a"),
    sentence(1, "it rained", "a"),
    sentence(2, "Bonn and Rome", "a"),
    sentence(3, "Oslo", "b"),
    sentence(4, "Rome is old .", "c"),
    sentence(5, "it rained", "c"),
]


def run(
    folder: Path, script: Callable[[str], tuple[str, FinishReason]], window: int
) -> tuple[Any, Any, Any, list[str]]:
    folder.mkdir(exist_ok=True)
    write_corpus(folder / "corpus.jsonl", CORPUS)
    engine, said = ScriptedCompleter(script), list[str]()
    ledger = annotate_folder(folder / "corpus.jsonl", folder, settings_of(window), engine, say=said.append)
    return list(read_documents(folder / "annotations.jsonl")), ledger, engine, said


def test_each_window_is_asked_once_and_labels_are_those_of_single_sentences(tmp_path: Path) -> None:
    alone, one_by_one, _, _ = run(tmp_path / "one", Perfect(), 1)
    found, ledger, engine, said = run(tmp_path / "two", Perfect(), 2)
    assert sorted(engine.asked) == ["Bonn and Rome", "Oslo", "Rome is old . it rained"]  # the second time a copy
    assert [d.spans for d in found] == [d.spans for d in alone]
    assert [d.id for d in found] == [d.id for d in CORPUS]
    assert (ledger["sentences"], ledger["mentions"]) == (one_by_one["sentences"], one_by_one["mentions"])
    assert ledger["inputs"]["run"]["window"] == 2
    assert "window" not in one_by_one["inputs"]["run"]
    assert any("up to 2 sentences are asked about together" in line for line in said)
    _, _, engine, _ = run(tmp_path / "two", Perfect(), 2)
    assert not engine.used


def test_sentences_of_a_window_without_a_whole_answer_are_asked_alone(tmp_path: Path) -> None:
    found, ledger, engine, said = run(tmp_path, Perfect(most=5), 3)
    alone, _, _, _ = run(tmp_path / "one", Perfect(), 1)
    assert [d.spans for d in found] == [d.spans for d in alone]
    assert all(is_usable(document) for document in found)
    assert any("5 sentences of windows without a whole answer" in line for line in said)
    assert ledger["finish_reasons"] == {"length": 2, "stop": 1 + 5}
    short = [text for text in engine.asked if len(text.split()) < 5]
    assert sorted(short) == sorted(document.text for document in CORPUS)
    assert ledger["sentences"]["annotated"] == ledger["sentences_total"] == 6
    assert sum(ledger["mentions"].values()) == sum(sum(d.meta["mentions"].values()) for d in found) == 5


def test_a_document_that_grows_is_gone_on_with(tmp_path: Path) -> None:
    corpus = [sentence(n, word, "a") for n, word in enumerate(["Rome", "x", "Bonn", "Oslo", "y", "Paris"])]
    asked: list[str] = []
    for length in (3, 4, 6):
        write_corpus(tmp_path / "corpus.jsonl", corpus[:length])
        engine = ScriptedCompleter(Perfect())
        ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path, settings_of(2), engine, say=lambda line: None)
        asked += sorted(engine.asked)
    assert asked == ["Bonn", "Rome x", "Oslo", "y Paris"]
    assert ledger["sentences"]["annotated"] == len(corpus)
    assert [len(document.spans) for document in read_documents(tmp_path / "annotations.jsonl")] == [1, 0, 1, 1, 0, 1]


def test_what_stays_without_an_answer_says_so_sentence_by_sentence(tmp_path: Path) -> None:
    found, ledger, _, _ = run(tmp_path, Perfect(most=3, reason="loop"), 3)
    states = [document.meta["status"] for document in found]
    assert states == ["looped", "annotated", "annotated", "annotated", "looped", "annotated"]
    assert ledger["sentences"]["looped"] == 2
    assert [document.spans for document in found if not is_usable(document)] == [(), ()]


def test_a_mention_over_a_border_is_counted_and_labels_nothing(tmp_path: Path) -> None:
    found, ledger, _, _ = run(tmp_path, lambda text: ("LOC\told . it" if "it" in text else "NONE", "stop"), 2)
    assert ledger["mentions"]["crossing"] == ledger["mentions_total"] == 2
    assert [document.meta["mentions"] for document in found] == [{"crossing": 1}, {}, {}, {}, {"crossing": 1}, {}]
    assert not any(document.spans for document in found)


def test_a_forecast_counts_windows_and_shards_are_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.jsonl", CORPUS)
    engine = ScriptedCompleter(Perfect())
    told = forecast_folder(tmp_path / "corpus.jsonl", tmp_path, settings_of(2), engine, count=1, gpus=0)
    assert told is not None
    assert (told.measured, told.missing, told.copies) == (1, 2, 1)
    with pytest.raises(InputError, match=r"window: 2 .* leave out --shard"):
        annotate_shard(
            tmp_path / "corpus.jsonl",
            tmp_path / "index",
            tmp_path,
            settings_of(2),
            engine,
            [],
            Shard(1, 2),
            seed=0,
            say=lambda line: None,
        )


def test_room_for_an_answer_grows_with_the_window() -> None:
    from nerkd_local.annotate.folder import prepare_job

    text = join([sentence(n, "word " * 100) for n in range(5)])
    brief = [prepare_job(settings_of(window)).question(0, text).brief.max_tokens for window in (1, 5)]
    assert brief[0] == 200 < brief[1] <= 1000


@pytest.mark.parametrize(("kind", "format"), [("conll", "lines"), ("jsonl", "json")])
def test_perfect_answers_about_whole_documents_align(
    shared: Path, tmp_path: Path, kind: str, format: FormatName
) -> None:
    path = shared / "data" / "conll2003" / "dev.conll"
    if kind == "jsonl":
        write_documents(tmp_path / "dev.jsonl", read_corpus(CorpusSettings(path=path)))
        path = tmp_path / "dev.jsonl"
    gold = list(read_corpus(CorpusSettings(path=path)))
    windows = Windows(SentenceList(gold), 1000)
    answers = {}
    for number in range(len(windows)):
        members = [gold[member] for member in windows.members(number)]
        mentions = [Mention(d.text[s.start : s.end], s.label) for d in members for s in d.spans]
        answers[windows[number].text] = answer_format(format).write(mentions)
    assert len(windows) == len({d.meta["document"] for d in gold}) == 216
    write_corpus(tmp_path / "corpus.jsonl", gold)
    labels = dict.fromkeys(("PER", "ORG", "LOC", "MISC"), "names")
    settings = settings_of(1000, labels=labels, format=format)
    engine = ScriptedCompleter(lambda text: (answers[text], "stop"))
    ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path, settings, engine, say=lambda line: None)
    found = list(read_documents(tmp_path / "annotations.jsonl"))
    right = sum(len({*one.spans} & {*two.spans}) for one, two in zip(gold, found, strict=True))
    f1 = 2 * right / (sum(len(d.spans) for d in gold) + sum(len(d.spans) for d in found))
    assert f1 >= 0.999, f1
    assert ledger["mentions_total"] == sum(len(d.spans) for d in gold)


def test_the_scripted_engine_serves_windows_too(tmp_path: Path) -> None:
    settings = settings_of(3, format="json")
    write_corpus(tmp_path / "corpus.jsonl", CORPUS)
    engine = open_engine(settings.engine)
    ledger = annotate_folder(tmp_path / "corpus.jsonl", tmp_path, settings, engine, say=lambda line: None)
    assert ledger["sentences_total"] == len(CORPUS)
    assert sum(ledger["sentences"].values()) == len(CORPUS)
