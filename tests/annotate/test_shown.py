"""The examples of a whole corpus: chosen once, kept, and asked about in an order that lets prompts begin alike."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nerkd_local.annotate.command import AnnotateCommand
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.merging import merge_shards
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.retrieval import Retrieval
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.selection import Selection
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.settings import AnnotatorSettings, PromptName, SamplingSettings
from nerkd_local.annotate.shards import Shard
from nerkd_local.annotate.shown import TABLE, ShownExamples
from nerkd_local.annotate.watch import Watch
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import Document, Span, from_words
from nerkd_local.store.answers import AnswerStore
from tests.fakes.completer import ScriptedCompleter
from tests.fakes.embedder import TableEmbedder

VECTORS = {"Rome": (1.0, 0, 0), "Paris": (0.9, 0.4, 0), "Ann": (0, 1.0, 0), "Bob": (0, 0.9, 0.3), "runs": (0, 0, 1.0)}
POOL = [
    Document("p-rome", "Rome", ((0, 4),), (Span(0, 4, "LOC"),)),
    Document("p-ann", "Ann runs", ((0, 3), (4, 8)), (Span(0, 3, "PER"),)),
]
CORPUS = [from_words(f"s{n}", words.split()) for n, words in enumerate(["Paris", "Bob", "Paris runs", "Bob runs"] * 3)]


@pytest.fixture
def embedder() -> TableEmbedder:
    return TableEmbedder(VECTORS)


@pytest.fixture
def retrieval(tmp_path: Path, embedder: TableEmbedder) -> Retrieval:
    return Retrieval("sentence_knn", 1, tmp_path / "encoder", tuple(POOL), start=lambda _: embedder)


def job(retrieval: Retrieval, name: PromptName = "standard") -> AnnotationJob:
    prompt = Prompt(name, {"PER": "people", "LOC": "places"}, answer_format("lines"))
    return AnnotationJob(prompt, SamplingSettings(), False, {"kind": "fake"}, retrieval=retrieval)


class Listening(ScriptedCompleter):
    """Keeps the whole conversations, in the order they are asked."""

    def __init__(self, dies_after: int | None = None) -> None:
        super().__init__(lambda text: ("NONE", "stop"), in_flight=1, dies_after=dies_after)
        self.chats: dict[str, tuple[str, ...]] = {}

    def complete(self, requests):  # type: ignore[no-untyped-def]
        def heard():  # type: ignore[no-untyped-def]
            for request in requests:
                if request is not None:
                    self.chats[request.messages[-1].content] = tuple(m.content for m in request.messages[1:-1])
                yield request

        yield from super().complete(heard())


def run(folder: Path, made: AnnotationJob, completer: Listening) -> None:
    sentences = SentenceList(CORPUS)
    assert made.retrieval is not None
    with AnswerStore(folder / "answers.sqlite") as store:
        shown = ShownExamples(made.retrieval, sentences, folder)
        number = store.open_run(made.identity())
        Annotation(sentences, made, completer, store, number, Watch(io.StringIO()), shown=shown).ask()


def test_each_sentence_is_asked_with_its_own_example_and_alike_ones_together(
    tmp_path: Path, retrieval: Retrieval
) -> None:
    completer = Listening()
    run(tmp_path, job(retrieval), completer)
    assert completer.chats == {
        "Text: Paris": ("Text: Rome", "LOC\tRome"),
        "Text: Paris runs": ("Text: Ann runs", "PER\tAnn"),
        "Text: Bob": ("Text: Ann runs", "PER\tAnn"),
        "Text: Bob runs": ("Text: Ann runs", "PER\tAnn"),
    }
    # copies are not asked; of the four texts, those with the same example follow each other
    assert len(completer.asked) == 4
    examples = [completer.chats[f"Text: {text}"] for text in completer.asked]
    assert sum(one != next for one, next in pairwise(examples)) == 1


def test_the_examples_of_a_chain_of_thought_stand_in_the_instructions(tmp_path: Path, retrieval: Retrieval) -> None:
    made = job(retrieval, "cot")
    messages = made.question(0, CORPUS[0], [POOL[0]]).full.messages
    assert len(messages) == 2
    assert "Text: Rome\nAnswer:\nLOC\tRome" in messages[0].content
    assert "Text: Rome" not in made.question(0, CORPUS[0], []).full.messages[0].content


def test_a_run_that_died_goes_on_with_the_same_examples(
    tmp_path: Path, retrieval: Retrieval, embedder: TableEmbedder
) -> None:
    whole = Listening()
    run(tmp_path / "whole", job(retrieval), whole)
    dying = Listening(dies_after=2)
    with pytest.raises(RuntimeError, match="on purpose"):
        run(tmp_path / "cut", job(retrieval), dying)
    embedded = embedder.embedded
    rest = Listening()
    run(tmp_path / "cut", job(retrieval), rest)
    assert embedder.embedded == embedded  # everything was chosen: nothing is embedded again, the pool neither
    assert {**dying.chats, **rest.chats} == whole.chats
    assert sorted(dying.asked + rest.asked) == sorted(whole.asked)


def test_what_is_kept_is_of_one_pool_and_one_set_of_texts(
    tmp_path: Path, retrieval: Retrieval, embedder: TableEmbedder
) -> None:
    sentences = SentenceList(CORPUS)
    numbers = np.arange(len(CORPUS))
    first = ShownExamples(retrieval, sentences, tmp_path).arrange(numbers, print)
    assert sorted(first.tolist()) == numbers.tolist()
    embedded = embedder.embedded
    assert ShownExamples(retrieval, sentences, tmp_path).arrange(numbers, print).tolist() == first.tolist()
    assert embedder.embedded == embedded
    fewer = Retrieval("sentence_knn", 1, retrieval.encoder, tuple(POOL[1:]), start=lambda _: embedder)
    other = ShownExamples(fewer, sentences, tmp_path)
    other.arrange(numbers, print)
    assert [document.id for document in other.of(0, CORPUS[0])] == ["p-ann"]
    assert embedder.embedded == embedded + 1 + len(CORPUS)


def test_a_sentence_that_was_not_arranged_gets_its_examples_all_the_same(tmp_path: Path, retrieval: Retrieval) -> None:
    shown = ShownExamples(retrieval, SentenceList(CORPUS), tmp_path)
    assert [document.id for document in shown.of(0, CORPUS[0])] == ["p-rome"]
    assert [document.id for document in shown.of(1, CORPUS[1])] == ["p-ann"]


def test_the_identity_has_the_retrieval_in_place_of_fixed_examples(retrieval: Retrieval) -> None:
    made = job(retrieval)
    assert made.identity()["demonstrations"] == retrieval.identity
    plain = AnnotationJob(made.prompt, made.sampling, False, {"kind": "fake"})
    assert "demonstrations" not in plain.identity()
    assert plain.identity()["prompt_sha256"] == made.identity()["prompt_sha256"]


def test_shards_and_a_resumed_run_have_the_examples_of_a_whole_one(tmp_path: Path, tiny_encoder: Path) -> None:
    corpus = [from_words(f"s{number}", ["Paris", "Bob", f"w{number % 8}"]) for number in range(12)]
    write_documents(tmp_path / "corpus.jsonl", corpus)
    write_documents(tmp_path / "pool.jsonl", POOL)
    settings = AnnotatorSettings.model_validate(
        {
            "name": "a",
            "engine": {"kind": "scripted", "script": "capitals"},
            "labels": {"PER": "people", "LOC": "places"},
            "demonstrations": {"kind": "entity_knn", "encoder": tiny_encoder},
        }
    )
    selection = Selection(corpus=tmp_path / "corpus.jsonl", examples=tmp_path / "pool.jsonl")

    def command(output: Path) -> AnnotateCommand:
        return AnnotateCommand(settings, selection, output, None, (), lambda line: None)

    command(tmp_path / "whole").annotate()
    for number in (1, 2):
        command(tmp_path / "parts").annotate_shard(Shard(number, 2))
    parts = [tmp_path / "parts" / f"shard-{number}-of-2" for number in (1, 2)]
    merge_shards(parts, tmp_path / "merged", say=lambda line: None)
    for name in ("annotations.jsonl", "ledger.json"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    tables = [np.load(folder / TABLE) for folder in (tmp_path / "whole", *parts)]
    together = np.maximum(tables[1], tables[2])
    known = together[:, 0] >= 0  # each text's first sentence: copies have none of their own
    assert known.sum() == 8
    assert (together[known] == tables[0][known]).all()
    assert command(tmp_path / "whole").annotate().startswith("sentences: 12 = 12 annotated")
