"""An audit from files to files: human labels go in, `suspects.jsonl` and `suspects.csv` come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.audit.suspects import Suspect, find_suspects
from nerkd_local.config.experiment import TrainingSettings
from nerkd_local.corpus.checks import check_labels
from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.experiment.crossfit import OPINIONS, CrossFitSettings, cross_fit
from nerkd_local.files import write_json_lines
from nerkd_local.records import CONFIDENCES, Document, Span
from nerkd_local.report.highlight import visible
from nerkd_local.report.tables import write_csv
from nerkd_local.select.confidences import Confidences
from nerkd_local.settings import EntityType, Settings, save_settings


class AuditSettings(Settings):
    """Whose labels are looked at, and who looks."""

    corpus: CorpusSettings
    """Labelled sentences; those whose annotator gave no usable answer are passed over."""
    student: Path
    """A local folder with a pretrained encoder."""
    annotations: Path | None = None
    """An annotator's labels of the same sentences, as `nerkd annotate` leaves them."""
    labels: tuple[EntityType, ...] | None = None
    """Where not all that occur are to be allowed."""
    folds: Annotated[int, Field(ge=2)] = 5
    entity_disjoint: bool = True
    """No student is trained on a sentence that shares a mention with its held-out fold."""
    training: TrainingSettings = TrainingSettings()
    seed: int = 1
    accelerate: str = "cpu"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Students side by side; auto: one a GPU, or one a core."""


def audit(settings: AuditSettings, folder: Path, say: Callable[[str], None]) -> list[Suspect]:
    """Rank the suspect places of a corpus and write them into the folder, which also keeps the students' opinions.

    Started again, it goes on with the students that are not finished. Raises InputError (see `read_corpus`,
    `cross_fit`), and for annotations of other sentences; InterruptedRun where the same call goes on.
    """
    everything = list(read_corpus(settings.corpus))
    documents = list(filter(is_usable, everything))
    if unusable := len(everything) - len(documents):
        say(f"{unusable:,} of {len(everything):,} sentences have no usable answer (`status`) and are passed over")
    annotated = None if settings.annotations is None else read_annotations(settings.annotations, documents, say)
    labels = settings.labels or tuple(sorted({span.label for document in documents for span in document.spans}))
    if not labels:
        raise InputError("holds no labelled mention, so there is nothing to learn from", path=settings.corpus.path)
    check_labels(documents, labels, settings.corpus.path)
    shared = settings.model_dump(exclude={"corpus", "annotations", "labels"})
    fitted = CrossFitSettings(labels=labels, **shared)
    opinions = cross_fit(documents, fitted, opinions_of(folder).parent, say=say)
    suspects = find_suspects(documents, opinions, annotated)
    write_suspects(suspects, document_names(documents), folder)
    save_settings(settings, folder / "settings.yaml")
    return suspects


def opinions_of(folder: Path) -> Path:
    """The file of an audit's folder that holds the students' opinions, as `nerkd select --opinions` reads them."""
    return folder / "crossfit" / OPINIONS


def read_annotations(path: Path, documents: Sequence[Document], say: Callable[[str], None]) -> dict[str, Document]:
    """An annotator's labels of these documents by id; what is missing, and what is of other sentences, is said.

    Raises InputError where a sentence of the same id is another one, where none is of these documents, and for
    confidences that are none.
    """
    confidences = Confidences("annotator", None, None, path)
    by_id = {document.id: document for document in documents}
    annotated = {}
    others = 0
    for answer in read_corpus(CorpusSettings(path=path)):
        document = by_id.get(answer.id)
        if document is None:
            others += 1
        elif (answer.text, answer.tokens) != (document.text, document.tokens):
            raise InputError(f"sentence {answer.id!r} is not that of the labelled corpus; annotate that one", path=path)
        else:
            if CONFIDENCES in answer.meta:
                confidences.entities(answer)
            annotated[answer.id] = answer
    if not annotated:
        raise InputError("labels none of the corpus's sentences; annotate that corpus", path=path)
    say(f"{len(annotated):,} of {len(documents):,} sentences have an annotator's labels; {others:,} others left out")
    return annotated


def write_suspects(suspects: Sequence[Suspect], names: Mapping[str, str], folder: Path) -> None:
    """Write the ranked suspects as JSON lines and as a table; `names`: the document of each sentence id."""
    rows = [_row(rank, suspect, names[suspect.document.id]) for rank, suspect in enumerate(suspects, start=1)]
    write_json_lines(folder / "suspects.jsonl", rows)
    write_csv(folder / "suspects.csv", [_flat(row, suspect) for row, suspect in zip(rows, suspects, strict=True)])


def describe(suspects: Sequence[Suspect], count: int = 20) -> str:
    """The first so many as a table for a terminal, and how many of each kind there are."""
    from tabulate import tabulate

    rows = [
        [
            rank,
            f"{suspect.score:.3f}",
            suspect.kind,
            visible(_in_words(suspect.document, suspect.labels)),
            visible(_in_words(suspect.document, suspect.suggestion)),
            visible(_around(suspect)),
        ]
        for rank, suspect in enumerate(suspects[:count], start=1)
    ]
    headers = ["", "score", "kind", "stands there", "suggested", "in"]
    counts = Counter(suspect.kind for suspect in suspects)
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in counts.most_common())
    table = tabulate(rows, headers, disable_numparse=True) if rows else ""
    return f"{table}\n\n{len(suspects):,} suspect places: {kinds or 'none'}".strip()


def _row(rank: int, suspect: Suspect, name: str) -> dict[str, Any]:
    return {
        "rank": rank,
        "id": suspect.document.id,
        "document": name,
        "text": suspect.document.text,
        "span": [suspect.start, suspect.end],
        "label": _plain(suspect.labels),
        "suggestion": _plain(suspect.suggestion),
        "kind": suspect.kind,
        "score": suspect.score,
        "evidence": dict(suspect.evidence),
    }


def _flat(row: dict[str, Any], suspect: Suspect) -> dict[str, object]:
    """The row with words in place of offsets, and a column for each number of the evidence."""
    shown = {
        "place": suspect.document.text[suspect.start : suspect.end],
        "label": _in_words(suspect.document, suspect.labels),
        "suggestion": _in_words(suspect.document, suspect.suggestion),
    }
    numbers = {name: value for name, value in suspect.evidence.items() if not isinstance(value, list)}
    plain = {name: value for name, value in row.items() if name not in ("span", "evidence")}
    return {**plain, **shown, "start": suspect.start, "end": suspect.end, **numbers}


def _in_words(document: Document, spans: Sequence[Span]) -> str:
    return "; ".join(f"{span.label} {document.text[span.start : span.end]}" for span in spans) or "nothing"


_AROUND = 25


def _around(suspect: Suspect) -> str:
    text, start, end = suspect.document.text, suspect.start, suspect.end
    before, after = text[max(start - _AROUND, 0) : start], text[end : end + _AROUND]
    left, right = "..." * (start > _AROUND), "..." * (end + _AROUND < len(text))
    return f"{left}{before}{text[start:end]}{after}{right}"


def _plain(spans: Sequence[Span]) -> list[list[object]]:
    return [[span.start, span.end, span.label] for span in spans]
