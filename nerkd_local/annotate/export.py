"""From stored answers to files of labels.

An export is a function of the corpus, the label set and the stored answers alone, so a run that was killed and resumed
exports the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

from nerkd_local.annotate.completer import FinishReason
from nerkd_local.annotate.further import Further, FurtherAnswers
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.ledger import Ledger
from nerkd_local.annotate.reading import Reading, read_stored
from nerkd_local.annotate.sentences import Sentences
from nerkd_local.annotate.signals import Signals, answer_logprob, confidence_of, signals_of
from nerkd_local.annotate.token_logprobs import TokenLogprobs
from nerkd_local.annotate.windows import Windows, find_single_run, split, windowed
from nerkd_local.corpus.jsonl import document_to_json
from nerkd_local.errors import InputError
from nerkd_local.files import write_json, write_json_lines
from nerkd_local.fingerprints import digest_file, text_key
from nerkd_local.records import (
    ANSWER_LOGPROB,
    CONFIDENCES,
    RAW_TAGS,
    SELECTED,
    SIGNALS,
    TAG_VOTES,
    TOKEN_WEIGHTS,
    Document,
)
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer

_OF_OTHER_LABELS = frozenset({RAW_TAGS, CONFIDENCES, SIGNALS, ANSWER_LOGPROB, TAG_VOTES, TOKEN_WEIGHTS, SELECTED})


def export(
    sentences: Sentences,
    job: AnnotationJob,
    store: AnswerStore,
    run_id: int,
    folder: Path,
    inputs: Mapping[str, Any],
    further: Further | None = None,
) -> dict[str, Any]:
    """Write `annotations.jsonl` and then `ledger.json`, which names its hash, into the folder; returns the ledger.

    Every document is written, in corpus order. One whose answer could not be used has no spans; its
    `meta.status` says why, and `meta.mentions` counts what became of its mentions. Where log-probabilities are asked
    for, or more was asked (`further`), `meta.signals` and `meta.confidences` (not calibrated) have an entry for each
    span (see `signals`), and `meta.tag_votes` one for each token where votes were counted. Those whose question the
    engine died of also stand in `quarantined.jsonl`, where there are any. `inputs` (plain JSON that names what the
    export was made from) is kept in the ledger. Raises InputError for a damaged store and a corpus that changed.
    """
    ledger = Ledger()
    quarantined: list[dict[str, Any]] = []
    answers = FurtherAnswers(further, sentences, store, run_id) if further and further.to_json() else None

    def rows() -> Iterator[dict[str, Any]]:
        for number, found in enumerate(_readings(sentences, job, store, run_id, ledger)):
            document, reading, logprobs = found
            labelled = _labelled(document, reading, job, ledger, logprobs)
            if answers:
                labelled = answers.add_to(number, labelled)
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
        **(answers.to_json() if answers else {}),
        "inputs": inputs,
        "annotations_sha256": digest_file(folder / "annotations.jsonl"),
    }
    write_json(folder / "ledger.json", result)
    return result


def _readings(
    sentences: Sentences, job: AnnotationJob, store: AnswerStore, run_id: int, ledger: Ledger
) -> Iterator[tuple[Document, Reading, TokenLogprobs | None]]:
    """Each sentence with what its answer says, or its part of the answer to its window, and that answer's tokens.

    A window whose answer did not end by itself gives way to the answers to its sentences alone, as far as there are.
    """
    view = windowed(sentences, job, store, run_id)
    alone = find_single_run(job, store) if isinstance(view, Windows) else None
    members = enumerate(sentences)
    for number, (document, answer) in enumerate(_with_answers(view, store, run_id)):
        logprobs = _token_logprobs(store, run_id, answer, job, ledger)
        reading = _reading(document, answer, job, ledger)
        if not isinstance(view, Windows):
            yield document, reading, logprobs
            continue
        parts = list(islice(members, len(view.members(number))))
        whole = answer is not None and answer.finish_reason == "stop"
        for (place, sentence), part in zip(parts, split([s for _, s in parts], reading), strict=True):
            single = None if whole or alone is None or len(parts) == 1 else store.answer(alone, place)
            if alone is None or single is None:
                yield sentence, part, logprobs
            else:
                of_single = _token_logprobs(store, alone, single, job, ledger)
                yield sentence, _reading(sentence, single, job, ledger), of_single


def _token_logprobs(
    store: AnswerStore, run_id: int, answer: StoredAnswer | None, job: AnnotationJob, ledger: Ledger
) -> TokenLogprobs | None:
    """What is kept of the answer's tokens, where the job keeps it, and its line in the ledger."""
    if job.logprobs == "none" or answer is None:
        return None
    value = store.logprobs(run_id, answer)
    kept = None if value is None else TokenLogprobs.from_json(value)
    ledger.logprobs["not kept" if kept is None else "masked" if kept.masked else "raw"] += 1
    return kept


def _reading(document: Document, answer: StoredAnswer | None, job: AnnotationJob, ledger: Ledger) -> Reading:
    """What an answer says of the document it is about, and what it cost in the ledger."""
    if answer is None:
        return Reading("unanswered")
    ledger.prompt_tokens += answer.prompt_tokens
    ledger.output_tokens += answer.output_tokens
    ledger.finished[cast(FinishReason, answer.finish_reason)] += 1
    return read_stored(document, answer, job)


def _labelled(
    document: Document, reading: Reading, job: AnnotationJob, ledger: Ledger, logprobs: TokenLogprobs | None
) -> Document:
    """The document with the annotator's spans in place of whatever it carried, and its lines in the ledger."""
    ledger.sentences[reading.state] += 1
    ledger.mentions.update(reading.mentions)
    ledger.nested += reading.nested
    # what a student or an annotator that labelled this text before said of its labels would speak for these still
    meta = {key: value for key, value in document.meta.items() if key not in _OF_OTHER_LABELS}
    meta |= {"status": reading.state, "mentions": reading.mentions}
    if job.logprobs != "none" and reading.state == "annotated":
        meta |= _confidence(reading, logprobs, job)
    return Document(document.id, document.text, document.tokens, reading.spans, meta)


def _confidence(reading: Reading, logprobs: TokenLogprobs | None, job: AnnotationJob) -> dict[str, Any]:
    """What the log-probabilities say of a reading's spans, for `Document.meta`; nothing of each, where none are kept:
    one such answer must not make all others' confidences useless.
    """
    signals: list[Signals] = [{} for _ in reading.spans]
    of_answer: dict[str, float] = {}
    if logprobs is not None:
        signals = signals_of(reading.sources, logprobs, tell_masked=job.logprobs == "raw")
        of_answer = {ANSWER_LOGPROB: answer_logprob(logprobs)}
    return {SIGNALS: signals, CONFIDENCES: [confidence_of(of_span) for of_span in signals], **of_answer}


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
