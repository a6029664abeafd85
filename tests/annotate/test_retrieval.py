"""Which worked examples a sentence is shown."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from nerkd_local.annotate.retrieval import Chooser, Retrieval, fixed_demonstrations, same_retrieval
from nerkd_local.annotate.settings import AnnotatorSettings, DemonstrationKind, DemonstrationSettings, ScriptedSettings
from nerkd_local.errors import InputError
from nerkd_local.records import Document, Span, from_words
from nerkd_local.student.embed import Embedder
from tests.fakes.embedder import TableEmbedder

# two directions: places along the first, people along the second; `the` and `runs` between other axes
VECTORS = {
    "Paris": (1.0, 0, 0, 0),
    "Rome": (0.9, 0.1, 0, 0),
    "Berlin": (0.95, 0.0, 0.1, 0),
    "Ann": (0, 1.0, 0, 0),
    "Bob": (0, 0.9, 0.2, 0),
    "the": (0, 0, 1.0, 0),
    "runs": (0, 0, 0, 1.0),
    "market": (0, 0, 0.2, 1.0),
}


def sentence(id: str, text: str, **spans: str) -> Document:
    document = from_words(id, text.split())
    found = tuple(
        Span(text.index(mention), text.index(mention) + len(mention), label) for mention, label in spans.items()
    )
    return Document(id, document.text, document.tokens, found)


ROME = sentence("rome", "the Rome market", Rome="LOC")
PARIS = sentence("paris", "the Paris market", Paris="LOC")
ANN = sentence("ann", "the Ann runs", Ann="PER")
PLAIN = sentence("plain", "the market runs")
POOL = [PLAIN, ROME, ANN, PARIS]


def chooser(kind: DemonstrationKind, shots: int, pool: list[Document] = POOL) -> Chooser:
    return Chooser(kind, shots, TableEmbedder(VECTORS), pool)


def shown(kind: DemonstrationKind, shots: int, document: Document, pool: list[Document] = POOL) -> set[str]:
    """The ids of the examples, whatever their order."""
    made = chooser(kind, shots, pool)
    return {made.pool[number].id for number in made.choose([document])[0] if number >= 0}


def test_the_nearest_sentences_are_shown() -> None:
    assert shown("sentence_knn", 1, sentence("q", "the Bob runs")) == {"ann"}
    assert shown("sentence_knn", 2, sentence("q", "the Berlin market")) == {"paris", "rome"}


def test_different_words_bring_different_examples() -> None:
    # Berlin is nearest to Paris, then Rome; Bob to Ann: one example for each, not both places
    question = sentence("q", "Berlin Bob")
    assert shown("entity_knn", 2, question) == {"paris", "ann"}
    assert shown("entity_knn", 1, question) == {"paris"}  # .995 against .976
    assert shown("entity_knn", 3, question) == {"paris", "ann", "rome"}  # a second round, from what is left


def test_with_four_examples_one_is_without_a_mention() -> None:
    assert shown("entity_knn", 3, sentence("q", "the Berlin")) == {"paris", "rome", "ann"}
    assert shown("entity_knn", 4, sentence("q", "the Berlin")) == {"paris", "rome", "ann", "plain"}
    crowded = [*POOL, sentence("bob", "Bob", Bob="PER")]
    assert "plain" in shown("entity_knn", 4, sentence("q", "the Berlin"), crowded)


@pytest.mark.parametrize("kind", ["sentence_knn", "entity_knn"])
def test_a_sentence_of_the_pool_is_never_shown_to_itself(kind: DemonstrationKind) -> None:
    for document in POOL:
        assert shown(kind, 4, document) == {other.id for other in POOL} - {document.id}
    # under another id, with other white space or line breaks; under its id, with another text
    for document in (sentence("q", "the Paris market"), Document("q", "the\nParis\u2028market", ((4, 9),))):
        assert "paris" not in shown(kind, 4, document)
    assert "paris" not in shown(kind, 4, sentence("paris", "the Rome runs"))


def test_a_text_written_with_combining_accents_is_the_same_text() -> None:
    composed, combining = (unicodedata.normalize(form, "the Zürich market") for form in ("NFC", "NFD"))
    assert composed != combining
    assert "z" not in shown("sentence_knn", 5, from_words("q", combining.split()), [*POOL, sentence("z", composed)])
    assert "z" in shown("sentence_knn", 5, from_words("q", ["Zürich"]), [*POOL, sentence("z", composed)])


def test_neither_are_the_sentences_of_several_asked_together() -> None:
    together = from_words("q", ["the", "Paris", "market", "the", "Ann", "runs"])
    assert shown("sentence_knn", 4, together) == {"rome", "plain"}
    # begins like one, and has the words of another in another order
    assert len(shown("sentence_knn", 4, from_words("q", ["the", "Paris", "runs", "Ann", "the"]))) == 4


def test_of_equal_texts_one_is_shown() -> None:
    again = sentence("again", "the  Paris market".replace("  ", " "), Paris="LOC")
    made = chooser("sentence_knn", 2, [*POOL, again])
    assert [document.id for document in made.pool].count("again") == 0
    assert len(made.pool) == 4


def test_popular_examples_come_first_and_the_order_is_that_of_the_pool_alone() -> None:
    # with one example each: PLAIN and PARIS are nearest to ROME, ANN to PLAIN (.792 against .735), ROME to PARIS
    made = chooser("sentence_knn", 1)
    assert [document.id for document in made.pool] == ["rome", "plain", "paris", "ann"]
    assert made.order == [1, 0, 3, 2]
    two = chooser("sentence_knn", 2)
    rows = two.choose([sentence("q", "the Bob runs"), sentence("q2", "the Berlin market")])
    assert (rows[:, 0] < rows[:, 1]).all()


def test_a_small_pool_shows_what_it_has() -> None:
    made = chooser("entity_knn", 6, [ANN, PARIS])
    assert sorted(made.choose([sentence("q", "Bob")])[0].tolist()) == [-1, -1, -1, -1, 0, 1]


def test_words_that_nothing_is_known_of_bring_no_error() -> None:
    empty = Document("e", "", ())
    assert chooser("entity_knn", 2).choose([empty]).tolist() == [[-1, -1]]
    assert len(chooser("sentence_knn", 2).choose([empty, sentence("q", "Zzz")])) == 2


def annotator(kind: DemonstrationKind, encoder: Path, shots: int = 2) -> AnnotatorSettings:
    return AnnotatorSettings.model_validate(
        {
            "name": "a",
            "engine": ScriptedSettings().model_dump(),
            "labels": {"PER": "people", "LOC": "places"},
            "shots": shots,
            "demonstrations": {"kind": kind, "encoder": encoder},
        }
    )


def test_the_identity_names_encoder_and_pool(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    settings = annotator("entity_knn", tmp_path)
    first = Retrieval.of(settings, POOL)
    assert first is not None
    assert first.identity == Retrieval.of(settings, list(POOL)).identity  # type: ignore[union-attr]
    relabelled = [*POOL[:3], sentence("paris", "the Paris market", Paris="PER")]
    assert first.identity != Retrieval.of(settings, relabelled).identity  # type: ignore[union-attr]
    (tmp_path / "config.json").write_text("{ }")
    other = Retrieval.of(settings, POOL)
    assert other is not None
    assert first.identity != other.identity
    assert not same_retrieval(first.identity, other.identity)
    assert same_retrieval(first.identity, {**other.identity, "encoder_sha256": None})  # it may be gone by now


def test_what_retrieves_needs_a_pool_and_an_encoder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="entity_knn needs human-labelled sentences"):
        Retrieval.of(annotator("entity_knn", tmp_path), [])
    assert Retrieval.of(annotator("entity_knn", tmp_path, shots=0), []) is None
    with pytest.raises(InputError, match="nothing is downloaded"):
        Retrieval("sentence_knn", 1, Path("some/encoder"), tuple(POOL)).open()
    with pytest.raises(ValueError, match="needs a local encoder"):
        DemonstrationSettings(kind="sentence_knn")


def test_what_every_sentence_is_shown_goes_by_the_kind(tmp_path: Path) -> None:
    assert fixed_demonstrations(annotator("entity_knn", tmp_path), POOL, 0) == []
    assert fixed_demonstrations(annotator("none", tmp_path), POOL, 0) == []
    assert len(fixed_demonstrations(annotator("static", tmp_path), POOL, 0)) == 2


def test_a_real_encoder_finds_near_duplicates(encoder: Path) -> None:
    texts = [
        "Arsenal beat Chelsea in the cup final on Sunday",
        "The central bank raised its interest rate by a quarter point",
        "Heavy rain is expected over the northern hills tonight",
    ]
    near = [
        "Liverpool lost to Everton in the cup semifinal on Saturday",
        "The bank cut interest rates by half a point",
        "Strong rain is forecast for the hills in the north",
    ]
    pool = [from_words(f"p{number}", text.split()) for number, text in enumerate(texts)]
    made = Chooser("sentence_knn", 1, Embedder(encoder), pool)
    rows = made.choose([from_words(f"q{number}", text.split()) for number, text in enumerate(near)])
    assert [made.pool[number].id for number in rows[:, 0]] == ["p0", "p1", "p2"]
