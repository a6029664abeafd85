"""Which sentences are asked about again, and what the answers do to the labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nerkd_local.annotate.engines.start import LazyEngine
from nerkd_local.annotate.folder import annotate_folder
from nerkd_local.annotate.ledger import describe, is_usable
from nerkd_local.audit.suspects import find_suspects
from nerkd_local.corpus.checks import check_labels
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError, InterruptedRun
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.loop.folder import RoundFolder
from nerkd_local.loop.settings import LoopSettings
from nerkd_local.records import Document, Span
from nerkd_local.select.opinions import Opinion


def choose(
    documents: Sequence[Document], opinions: Mapping[str, Opinion], count: int, asked: Collection[str]
) -> dict[str, float]:
    """The sentences that are most disputed, with how much: the sum of the doubts in their places (`audit.suspects`).

    Most disputed first, equal ones in the order of the documents; only those that are disputed at all and not among
    the `asked`.
    """
    disputed: dict[str, float] = defaultdict(float)
    for suspect in find_suspects(documents, opinions):
        disputed[suspect.document.id] += suspect.score
    place = {document.id: number for number, document in enumerate(documents)}
    order = sorted(disputed, key=lambda id: (-disputed[id], place[id]))
    fresh = [id for id in order if id not in asked and disputed[id] > 0]
    return {id: round(disputed[id], 6) for id in fresh[:count]}


def ask_annotator(
    documents: Sequence[Document],
    settings: LoopSettings,
    here: RoundFolder,
    run: RunFolder,
    pool: Sequence[Document],
    say: Callable[[str], None],
) -> dict[str, Document]:
    """The annotator's new labels of these sentences by id, those without a usable answer left out.

    `pool`: the human-labelled sentences for worked examples. Raises InputError, InterruptedRun (see `annotate_folder`).
    """
    write_documents(here.questions, (replace(document, spans=(), meta=_origin(document)) for document in documents))
    asked = settings.annotator_again()
    with LazyEngine(asked.engine, run.logs) as engine:
        ledger = annotate_folder(
            here.questions, here.annotation, asked, engine, pool, seed=settings.sample_seed, say=say
        )
    say(describe(ledger))
    answers = read_documents(here.annotation / "annotations.jsonl")
    return {answer.id: answer for answer in answers if is_usable(answer)}


def ask_human(
    documents: Sequence[Document],
    disputed: Mapping[str, float],
    opinions: Mapping[str, Opinion],
    labels: Collection[str],
    here: RoundFolder,
) -> dict[str, Document]:
    """A person's labels of these sentences by id.

    Raises InterruptedRun where there are none yet, with what is to be done; InputError for answers that are not of
    exactly these sentences, or have labels outside the set.
    """
    questions = {document.id: _question(document, disputed[document.id], opinions) for document in documents}
    if not here.answers.exists():
        if not here.questions.exists():  # somebody may be at work in it
            write_documents(here.questions, questions.values())
        raise InterruptedRun(
            f"{len(questions):,} questions are in {here.questions}: correct the `spans` of each, save all as "
            f"{here.answers.name} beside it, and the same command goes on"
        )
    answers = {}
    for answer in read_documents(here.answers):
        question = questions.get(answer.id)
        if question is None:
            raise InputError(f"{answer.id!r} was not asked; answer {here.questions.name}", path=here.answers)
        if (answer.text, answer.tokens) != (question.text, question.tokens):
            raise InputError(f"text or tokens of {answer.id!r} are not those of the question", path=here.answers)
        answers[answer.id] = replace(answer, meta=_origin(answer))
    missing = [id for id in questions if id not in answers]
    if missing:
        raise InputError(
            f"has no answer to {len(missing):,} of {len(questions):,} questions (first: {missing[0]!r}); leave the "
            "spans of the question where they are right",
            path=here.answers,
        )
    check_labels(answers.values(), labels, here.answers)
    return answers


def _question(document: Document, disputed: float, opinions: Mapping[str, Opinion]) -> Document:
    opinion = opinions[document.id]
    meta = {"annotator": _plain(document.spans), "student": _plain(opinion.spans), "disputed": disputed}
    return replace(document, meta={**_origin(document), **meta})


def _origin(document: Document) -> dict[str, Any]:
    """Where it came from, without what somebody made of it."""
    return {name: document.meta[name] for name in ("document", "line", "offset") if name in document.meta}


def _plain(spans: Sequence[Span]) -> list[list[object]]:
    return [[span.start, span.end, span.label] for span in spans]
