from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.records import OF_LABELS, OF_NOTHING, Document, Span, from_words
from nerkd_local.student import predict as module
from nerkd_local.student.confidence import entity_confidences
from nerkd_local.student.encode import Window, encode
from nerkd_local.student.model import load_trained, new_student, save_student, student_tags
from nerkd_local.student.predict import Prediction, batches, predict
from nerkd_local.student.windows import Windows
from tests.models import WORDS


@pytest.fixture(scope="module")
def student(tiny_encoder: Path) -> tuple[Any, Any]:
    model, tokenizer = new_student(tiny_encoder, ["LOC", "PER"], seed=3)
    with torch.no_grad():
        model.classifier.weight.mul_(100)  # so that an untrained head chooses different tags
    return model, tokenizer


def run(student: tuple[Any, Any], documents: list[Document], **options: Any) -> list[Prediction]:
    defaults = {"device": torch.device("cpu"), "max_tokens": 16, "stride": 4, "precision": "fp32"}
    return list(predict(*student, documents, **{**defaults, **options}))


@given(st.lists(st.lists(st.sampled_from([*WORDS, "Zürich", "\u200b", "\x07", "x" * 40]), max_size=30), max_size=6))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_token_of_every_document_gets_one_tag_in_order(
    student: tuple[Any, Any], sentences: list[list[str]]
) -> None:
    documents = [from_words(f"d{number}", words) for number, words in enumerate(sentences)]
    predictions = run(student, documents)
    assert [answer.document.id for answer in predictions] == [document.id for document in documents]
    for words, answer in zip(sentences, predictions, strict=True):
        assert len(answer.tags) == len(words)
        assert all(tag == "O" for word, tag in zip(words, answer.tags, strict=True) if word in "\u200b\x07")


def test_answers_do_not_depend_on_batch_size_or_neighbours(student: tuple[Any, Any]) -> None:
    documents = [from_words(f"d{n}", (WORDS * 3)[n : n + 1 + 3 * n]) for n in range(10)]
    together = run(student, documents)
    alone = [run(student, [document])[0] for document in documents]
    for others in (run(student, documents, tokens_per_batch=1), alone):
        assert [answer[:2] for answer in others] == [answer[:2] for answer in together]
        for other, answer in zip(others, together, strict=True):
            assert other.confidences == pytest.approx(answer.confidences, abs=1e-5)
    assert len({tag for answer in together for tag in answer.tags}) > 1


@given(st.lists(st.sampled_from([*WORDS, "\u200b", "x" * 40]), max_size=60))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_span_has_a_confidence(student: tuple[Any, Any], words: list[str]) -> None:
    (answer,) = run(student, [from_words("d", words)])
    assert len(answer.confidences) == len(answer.document.spans)
    assert all(0 <= confidence <= 1 for confidence in answer.confidences)


def test_it_judges_the_spans_that_a_document_came_with(student: tuple[Any, Any]) -> None:
    words = ["anna", "lives", "in", "paris"]
    (own,) = run(student, [from_words("d", words)])
    given = from_words("d", words, (Span(0, 4, "PER"), Span(14, 19, "ANIMAL")), {"line": 3})
    (answer,) = run(student, [given])
    assert answer.document.spans == own.document.spans
    assert len(answer.of_labels) == len(answer.of_nothing) == 2
    assert 0 < answer.of_labels[0] < 1
    assert answer.of_labels[1] == 0  # a label that it does not know
    judged = answer.judged_document.meta
    assert judged.items() > answer.tagged_document.meta.items()
    assert judged[OF_LABELS] == pytest.approx(answer.of_labels, rel=1e-5)
    assert judged[OF_NOTHING] == pytest.approx(answer.of_nothing, rel=1e-5)
    (again,) = run(student, [own.document])
    assert again.of_labels == pytest.approx(own.confidences, abs=1e-6)


def test_confidences_come_from_the_softmax_over_each_words_first_sub_token(student: tuple[Any, Any]) -> None:
    model, tokenizer = student
    sentences = [WORDS[first : first + 5] for first in range(8)]
    answers = run(student, [from_words(f"d{number}", words) for number, words in enumerate(sentences)])
    assert sum(len(answer.confidences) for answer in answers) > 4
    for words, answer in zip(sentences, answers, strict=True):
        ids = [tokenizer.cls_token_id, *tokenizer.convert_tokens_to_ids(words), tokenizer.sep_token_id]
        with torch.inference_mode():
            probabilities = model(input_ids=torch.tensor([ids])).logits[0, 1:-1].softmax(-1).numpy()
        expected = entity_confidences(answer.document, probabilities, student_tags(model))
        assert answer.confidences == pytest.approx(expected, abs=1e-5)


def test_a_word_the_tokenizer_drops_ends_an_entity_for_certain(student: tuple[Any, Any]) -> None:
    for words in (WORDS[first : first + 5] for first in range(8)):
        (open_end,) = run(student, [from_words("d", words)])
        (dropped,) = run(student, [from_words("d", [*words, "\u200b"])])
        assert dropped.tags == [*open_end.tags, "O"]
        assert dropped.confidences == pytest.approx(open_end.confidences)


def test_long_texts_are_read_whole(student: tuple[Any, Any]) -> None:
    (answer,) = run(student, [from_words("long", WORDS * 20)])
    assert len(answer.tags) == 240
    assert set(answer.tags[-100:]) != {"O"}
    assert len(answer.confidences) == len(answer.document.spans)
    assert answer.document.spans[-1].start > len(answer.document.text) // 2
    assert all(0 < confidence <= 1 for confidence in answer.confidences)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The window sizes of every call of `encode`."""
    calls: list[dict[str, int]] = []

    def noting(*arguments: Any, **sizes: int) -> list[list[Window]]:
        calls.append(sizes)
        return encode(*arguments, **sizes)

    monkeypatch.setattr(module, "encode", noting)
    return calls


def test_texts_are_read_in_the_windows_the_student_was_saved_with(
    student: tuple[Any, Any], tmp_path: Path, asked: list[dict[str, int]]
) -> None:
    save_student(*student, tmp_path / "student", Windows(max_tokens=20, stride=6))
    again = load_trained(tmp_path / "student")
    save_student(*again, tmp_path / "copy")
    documents = [from_words("long", WORDS * 20)]
    for folder in ("student", "copy"):
        (answer,) = predict(*load_trained(tmp_path / folder), documents, device=torch.device("cpu"), precision="fp32")
        assert answer == run(student, documents, max_tokens=20, stride=6)[0]
    run(again, documents, max_tokens=None, stride=2)
    run(again, documents, max_tokens=24, stride=None)
    sizes = [(call["max_tokens"], call["stride"]) for call in asked]
    assert sizes == [(20, 6)] * 4 + [(20, 2), (24, 6)]


def test_a_student_that_says_nothing_is_read_as_far_as_its_positions_go(
    student: tuple[Any, Any], tmp_path: Path, asked: list[dict[str, int]]
) -> None:
    save_student(*student, tmp_path / "student")
    assert not (tmp_path / "student" / "nerkd.json").exists()
    (answer,) = predict(*load_trained(tmp_path / "student"), [from_words("long", WORDS * 20)])
    assert len(answer.tags) == 240
    assert asked == [{"max_tokens": 64, "stride": 16}]


def test_the_students_spans_replace_the_documents_own(student: tuple[Any, Any]) -> None:
    document = from_words("d", ["Anna", "\u200b"], (Span(5, 6, "PER"),), {"line": 3})
    (answer,) = run(student, [document])
    assert answer.document.meta == {"line": 3}
    assert all(span.end <= 4 for span in answer.document.spans)


def test_tags_and_confidences_replace_what_an_earlier_student_left(student: tuple[Any, Any]) -> None:
    meta = {"line": 3, "tags": ["B-PER"] * 240, "confidences": [2.0]}
    (answer,) = run(student, [from_words("d", WORDS * 20, meta=meta)])
    assert answer.document.spans
    assert answer.tagged_document.meta == {
        "line": 3,
        "tags": answer.tags,
        "confidences": [round(confidence, 6) for confidence in answer.confidences],
    }
    assert answer.tagged_document.spans == answer.document.spans


def test_documents_are_read_a_chunk_at_a_time(student: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 2)
    taken: list[str] = []

    def stream() -> Iterator[Document]:
        for number in range(5):
            taken.append(f"d{number}")
            yield from_words(f"d{number}", ["paris"])

    answers = predict(*student, stream(), device=torch.device("cpu"), max_tokens=16, stride=4)
    assert next(answers).document.id == "d0"
    assert taken == ["d0", "d1"]
    assert [answer.document.id for answer in answers] == ["d1", "d2", "d3", "d4"]


def test_batches_hold_as_many_windows_as_the_budget_allows(student: tuple[Any, Any]) -> None:
    windows = [Window(torch.zeros(length).numpy(), None, None) for length in (2, 3, 3, 4, 9)]  # type: ignore[arg-type]
    assert [[len(window) for window in group] for group in batches(windows, 8)] == [[2, 3], [3, 4], [9]]
