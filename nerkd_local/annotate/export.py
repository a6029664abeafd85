"""From stored answers to files of labels.

An export is a function of the corpus, the label set and the stored answers alone, so a run that was killed and resumed
exports the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from nerkd_local.annotate.completer import FinishReason
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.ledger import Ledger
from nerkd_local.annotate.reading import Reading, read_answer
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.corpus.jsonl import document_to_json
from nerkd_local.errors import InputError
from nerkd_local.files import write_json, write_json_lines
from nerkd_local.fingerprints import digest_file, text_key
from nerkd_local.records import CONFIDENCES, RAW_TAGS, Document
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer

ALIGNMENT_VERSION = 1
"""Raised when the same stored answers would export differently."""


def export(
    sentences: Sentences,
    job: AnnotationJob,
    store: AnswerStore,
    run_id: int,
    folder: Path,
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `annotations.jsonl` and then `ledger.json`, which names its hash, into the folder; returns the ledger.

    Every document is written, in corpus order. One whose answer could not be used has no spans; its
    `meta.status` says why, and `meta.mentions` counts what became of its mentions. Those whose question the engine
    died of also stand in `quarantined.jsonl`, where there are any. `inputs` (plain JSON that names what the export
    was made from) is kept in the ledger. Raises InputError for a damaged store and a corpus that changed.
    """
    ledger = Ledger()
    quarantined: list[dict[str, Any]] = []

    def rows() -> Iterator[dict[str, Any]]:
        for document, answer in _with_answers(sentences, store, run_id):
            labelled = _labelled(document, answer, job, ledger)
            row = document_to_json(labelled)
            if labelled.meta["status"] == "quarantined":
                quarantined.append(row)
            yield row

    write_json_lines(folder / "annotations.jsonl", rows())
    if quarantined:
        write_json_lines(folder / "quarantined.jsonl", quarantined)
    else:
        (folder / "quarantined.jsonl").unlink(missing_ok=True)  # of an earlier run in this folder
    result = {
        **ledger.to_json(),
        "inputs": inputs,
        "annotations_sha256": digest_file(folder / "annotations.jsonl"),
    }
    write_json(folder / "ledger.json", result)
    return result


def _labelled(document: Document, answer: StoredAnswer | None, job: AnnotationJob, ledger: Ledger) -> Document:
    """The document with the annotator's spans in place of whatever it carried, and its lines in the ledger."""
    reading = Reading("unanswered")
    if answer is not None:
        ledger.prompt_tokens += answer.prompt_tokens
        ledger.output_tokens += answer.output_tokens
        ledger.finished[cast(FinishReason, answer.finish_reason)] += 1
        reading = read_answer(
            document, answer.answer, answer.finish_reason, job.prompt, job.prompt.labels, constrained=job.constrained
        )
    ledger.sentences[reading.state] += 1
    ledger.mentions.update(reading.mentions)
    # the raw tags and confidences of a student that labelled this text before would speak for it still
    meta = {key: value for key, value in document.meta.items() if key not in (RAW_TAGS, CONFIDENCES)}
    meta |= {"status": reading.state, "mentions": reading.mentions}
    return Document(document.id, document.text, document.tokens, reading.spans, meta)


def _with_answers(
    sentences: Sentences, store: AnswerStore, run_id: int
) -> Iterator[tuple[Document, StoredAnswer | None]]:
    """Each document with its stored answer, both read once, side by side, in corpus order."""
    answers = store.answers(run_id)
    answer = next(answers, None)
    for number, document in enumerate(sentences):
        if answer is None or answer.sentence_no != number:
            yield document, None
            continue
        if (answer.sentence_id, answer.text_key) != (document.id, text_key(document.text)):
            raise InputError(
                f"sentence {number} is {document.id!r} now, but its stored answer is to {answer.sentence_id!r} or to "
                "another text: the corpus changed; annotate it into another folder",
                path=store.path,
            )
        yield document, answer
        answer = next(answers, None)
