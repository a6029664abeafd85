"""A corpus through an annotator: ask what is not stored yet, store each answer as it comes, export.

The export is a function of the corpus, the label set and the stored answers alone, so a run that was killed
and resumed exports the same bytes as one that was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from tqdm import tqdm

from nerkd_local.annotate.align import align
from nerkd_local.annotate.completer import Completer, FinishReason, Request
from nerkd_local.annotate.ledger import Ledger, SentenceState
from nerkd_local.annotate.prompts import Prompt
from nerkd_local.annotate.reasoning import is_in_text
from nerkd_local.annotate.settings import SamplingSettings
from nerkd_local.corpus.jsonl import document_to_json
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.files import write_json, write_json_lines
from nerkd_local.fingerprints import digest, digest_file
from nerkd_local.records import CONFIDENCES, RAW_TAGS, Document
from nerkd_local.stopping import StopRequest, listen_for_stop
from nerkd_local.store.answers import AnswerStore, StoredAnswer

ALIGNMENT_VERSION = 1
"""Raised when the same stored answers would export differently."""

SYSTEM_ROLE = "system_role"
"""In a job's identity: False where the first user message begins with the instructions, None where it is not known;
absent where there is a system message."""


@dataclass(frozen=True, slots=True)
class AnnotationJob:
    """What is asked of every sentence, and what is known of the engine that is asked.

    `knows_system_role` is None where that cannot be found out, since the model is not at hand.
    """

    prompt: Prompt
    sampling: SamplingSettings
    constrained: bool
    engine_identity: Mapping[str, Any]
    reasoning_tokens: int = 0
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    knows_system_role: bool | None = True

    def identity(self) -> dict[str, Any]:
        """Everything the answers depend on. Another value is another run in the store, never a mixed one.

        What a plain chat does without is named only where it is used, so that stores from before stay what they are.
        """
        more = {
            "thinking": self.prompt.thinking if self.prompt.thinking != "none" else None,
            "reasoning_tokens": self._room or None,
            "chat_template_kwargs": dict(self.chat_template_kwargs) or None,
        }
        return {
            "engine": dict(self.engine_identity),
            "prompt": self.prompt.version,
            "prompt_sha256": self.prompt.fingerprint,
            "labels": list(self.prompt.labels),
            "format": self.prompt.format.name,
            "constraint": self.prompt.constraint if self.constrained else None,
            "sampling": self.sampling.model_dump(mode="json"),
            **{name: value for name, value in more.items() if value is not None},
            **({} if self.knows_system_role else {SYSTEM_ROLE: self.knows_system_role}),
        }

    @property
    def _room(self) -> int:
        """Tokens for what stands before the answer."""
        return self.reasoning_tokens if self.prompt.has_steps or self.prompt.thinking != "none" else 0

    def request(self, key: int, document: Document) -> Request:
        """The question about one sentence."""
        return Request(
            key,
            self.prompt.messages(document),
            self.sampling.max_tokens + self._room,
            self.prompt.constraint if self.constrained else None,
            self.sampling.temperature,
            chat_template_kwargs=self.chat_template_kwargs,
            keep_control_tokens=is_in_text(self.prompt.thinking),
        )


def annotate(
    documents: Iterable[Document], job: AnnotationJob, completer: Completer, store: AnswerStore, *, total: int
) -> int:
    """Ask about every document whose answer is not stored; returns the number of the run in the store.

    `documents` is iterated twice and must give the same sentences in the same order each time. Memory does
    not grow with it. The completer is asked nothing if nothing is missing, and is left open. Raises InputError
    where a stored answer belongs to another text (the corpus changed), InterruptedRun after a stop signal:
    what was answered by then is stored.
    """
    run_id = store.open_run(job.identity())
    missing = sum(1 for _ in _unanswered(documents, store, run_id))
    if not missing:
        return run_id
    with (
        listen_for_stop() as stop,
        tqdm(total=total, initial=total - missing, unit="sentence") as progress,
    ):
        for answer in _answers(documents, job, completer, store, run_id, stop):
            store.add(run_id, answer)
            progress.update()
    store.commit()
    done = store.count(run_id)
    if stop:
        raise InterruptedRun(f"stopped: {done:,} of {total:,} answers are stored; the same command goes on")
    return run_id


def _answers(
    documents: Iterable[Document],
    job: AnnotationJob,
    completer: Completer,
    store: AnswerStore,
    run_id: int,
    stop: StopRequest,
) -> Iterator[StoredAnswer]:
    """The missing answers as they arrive; after a stop signal no more is asked, and what was asked arrives."""
    asked: dict[int, Document] = {}

    def questions() -> Iterator[Request]:
        for number, document in _unanswered(documents, store, run_id):
            if stop:
                return
            asked[number] = document
            yield job.request(number, document)

    try:
        for completion in completer.complete(questions()):
            document = asked.pop(completion.key)
            yield StoredAnswer(
                completion.key,
                document.id,
                digest(document.text),
                completion.text,
                completion.finish_reason,
                completion.prompt_tokens,
                completion.output_tokens,
            )
    except Exception:
        # Ctrl-C reaches every process of the terminal's group, the engine's own too, which then is gone, or never
        # came up. An error that has nothing to do with it will be there when the run goes on.
        if not stop:
            raise


def export(
    documents: Iterable[Document],
    job: AnnotationJob,
    store: AnswerStore,
    run_id: int,
    folder: Path,
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Write `annotations.jsonl` and then `ledger.json`, which names its hash, into the folder; returns the ledger.

    Every document is written, in corpus order. One whose answer could not be used has no spans; its
    `meta.status` says why, and `meta.mentions` counts what became of its mentions. `inputs` (plain JSON that
    names what the export was made from) is kept in the ledger.
    """
    ledger = Ledger()
    labels = frozenset(job.prompt.labels)

    def rows() -> Iterator[dict[str, Any]]:
        for document, answer in _with_answers(documents, store, run_id):
            yield document_to_json(_labelled(document, answer, job, labels, ledger))

    write_json_lines(folder / "annotations.jsonl", rows())
    result = {
        **ledger.to_json(),
        "inputs": inputs,
        "annotations_sha256": digest_file(folder / "annotations.jsonl"),
    }
    write_json(folder / "ledger.json", result)
    return result


def _labelled(
    document: Document,
    answer: StoredAnswer | None,
    job: AnnotationJob,
    labels: frozenset[str],
    ledger: Ledger,
) -> Document:
    """The document with the annotator's spans in place of whatever it carried, and its lines in the ledger."""
    state: SentenceState = "unanswered"
    spans: tuple[Any, ...] = ()
    counts: dict[str, int] = {}
    if answer is not None:
        ledger.prompt_tokens += answer.prompt_tokens
        ledger.output_tokens += answer.output_tokens
        ledger.finished[cast(FinishReason, answer.finish_reason)] += 1
        parsed = job.prompt.read(answer.answer, constrained=job.constrained)
        if answer.finish_reason == "too_long":
            state = "too_long"
        elif answer.finish_reason == "length":
            # the last mention may be half a mention, and the rest is missing (all of it, where thinking took the
            # tokens): using any would teach omissions
            state = "truncated"
            counts = {"truncated": len(parsed.mentions) + parsed.malformed}
        else:
            alignment = align(document, parsed.mentions, labels)
            spans = alignment.spans
            for outcome in alignment.states:
                counts[outcome] = counts.get(outcome, 0) + 1
            if parsed.malformed:
                counts["malformed"] = parsed.malformed
            state = "malformed" if parsed.malformed and not parsed.mentions else "annotated"
    ledger.sentences[state] += 1
    ledger.mentions.update(cast(Any, counts))
    # the raw tags and confidences of a student that labelled this text before would speak for it still
    meta = {key: value for key, value in document.meta.items() if key not in (RAW_TAGS, CONFIDENCES)}
    return replace(document, spans=spans, meta={**meta, "status": state, "mentions": counts})


def _with_answers(
    documents: Iterable[Document], store: AnswerStore, run_id: int
) -> Iterator[tuple[Document, StoredAnswer | None]]:
    """Each document with its stored answer, both read once, side by side, in corpus order."""
    answers = store.answers(run_id)
    answer = next(answers, None)
    for number, document in enumerate(documents):
        if answer is None or answer.sentence_no != number:
            yield document, None
            continue
        if (answer.sentence_id, answer.text_sha256) != (document.id, digest(document.text)):
            raise InputError(
                f"sentence {number} is {document.id!r} now, but its stored answer is to {answer.sentence_id!r} or to "
                "another text: the corpus changed; annotate it into another folder",
                path=store.path,
            )
        yield document, answer
        answer = next(answers, None)


def _unanswered(documents: Iterable[Document], store: AnswerStore, run_id: int) -> Iterator[tuple[int, Document]]:
    for number, (document, answer) in enumerate(_with_answers(documents, store, run_id)):
        if answer is None:
            yield number, document
