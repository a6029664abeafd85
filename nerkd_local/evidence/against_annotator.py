"""What the annotator gets wrong and the student still gets right, and the reverse, on the same evaluation sentences.

The annotator's labels of these come from the annotator study (`annotator_study` in the settings, on the evaluation
corpus): no student has learned from them, but the students' LLM labels were made by the same annotator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.evaluate.errors import CLASSES, Errors, classify
from nerkd_local.evaluate.spans import IntArray, SpanTable, exact_matches
from nerkd_local.evidence.evaluated import Evaluated, Found, gold_table
from nerkd_local.evidence.examples import Example, pick
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.annotator_study import study_annotators
from nerkd_local.experiment.intervals import RESAMPLING_SEED
from nerkd_local.records import Document
from nerkd_local.stats.bootstrap import Interval, ratio_intervals

Marks = npt.NDArray[np.bool_]
Outcome = str
"""What the annotator made of a mention: a class of `evaluate.errors`, or `wrong` for all but `right` and `spurious`."""


@dataclass(frozen=True)
class Study:
    """The annotator's labels on the evaluation sentences that it has usable answers to.

    `sentences` are their places in the evaluation, ascending; `evaluated` is cut down to them. `others` is how many of
    the evaluation's sentences have no usable answer. `as_asked`: with the annotator's own prompt and format, those of
    the distilled labels.
    """

    annotator: str
    name: str
    as_asked: bool
    sentences: IntArray
    evaluated: Evaluated
    found: SpanTable
    errors: Errors
    others: int


@dataclass(frozen=True, slots=True)
class AgainstRow:
    """Of the mentions that the annotator made this of: the share that the students have right, over all seeds.

    `label`: only those of this human type; None for all. `same`: the share where the student has exactly what the
    annotator has (where that is nothing: where the student has nothing there either). Of spurious mentions, `right` is
    the share that the student does not have.
    """

    size: int
    line: str
    outcome: Outcome
    label: str | None
    mentions: int
    right: Interval
    same: Interval


def read_study(run: Run, evaluated: Evaluated) -> Study | None:
    """The annotator's own prompt and format, or else the first of the study, that has labels of any of the sentences;
    None where none has.

    Sentences are matched by id, and only where their words are the same.
    """
    places = {document.id: place for place, document in enumerate(evaluated.documents)}
    studied = run.settings.annotator_study
    own = run.settings.annotator_of(studied.annotator) if studied else None
    for asked in sorted(study_annotators(run.settings), key=lambda each: each != own):
        file = run.folder.study_annotation(asked.prompt, asked.format) / "annotations.jsonl"
        if not file.exists():
            continue
        answers: dict[int, Document] = {}
        for document in read_documents(file):
            place = places.get(document.id)
            if place is not None and is_usable(document) and document.words == evaluated.words[place]:
                answers[place] = document
        if answers:
            sentences = np.array(sorted(answers), np.int64)
            part = Evaluated(
                evaluated.size,
                [evaluated.documents[place] for place in sentences],
                evaluated.parts[sentences],
                evaluated.groups[sentences],
            )
            found = gold_table([answers[place] for place in sentences.tolist()])
            name = f"{asked.name}, prompt {asked.prompt}, format {asked.format}"
            others = len(evaluated.documents) - len(sentences)
            return Study(asked.name, name, asked == own, sentences, part, found, classify(part.gold, found), others)
    return None


def why_no_study(run: Run) -> str:
    """Why `read_study` finds nothing, and what to do."""
    if run.settings.folds is not None:
        return (
            "The annotator has not labelled the evaluation sentences: with folds these are the original ones, which "
            "annotator_study leaves out, as its worked examples come from them. An evaluation corpus of its own is "
            "needed."
        )
    return (
        "The annotator has not labelled the evaluation sentences. Give annotator_study in the settings the evaluation "
        "corpus and run the same command again with --no-train: no student is trained anew."
    )


def against_rows(study: Study, found: Found) -> list[AgainstRow]:
    """A row for each class of the annotator's, and for right and wrong by type; none for what does not occur."""
    gold, theirs = study.evaluated.gold, study.found
    judged = [_judge(study, table.select(study.sentences)) for table in found.tables]
    right, same, has = (np.stack([each[column] for each in judged]) for column in range(3))  # (seeds, mentions)
    wanted: list[tuple[Outcome, str | None, SpanTable, Marks, Marks, Marks]] = [
        (kind, None, gold, study.errors.gold == place, right, same)
        for place, kind in enumerate(CLASSES)
        if kind != "spurious"
    ]
    wanted.append(("spurious", None, theirs, study.errors.predicted == CLASSES.index("spurious"), ~has, has))
    correct = study.errors.gold == CLASSES.index("right")
    for number, label in enumerate(gold.labels):
        for outcome, which in (("wrong", ~correct), ("right", correct)):
            wanted.append((outcome, label, gold, which & (gold.label == number), right, same))
    wanted = [each for each in wanted if each[3].any()]
    tables = [_counts(table, which, marks) for _, _, table, which, *both in wanted for marks in both]
    shares = iter(ratio_intervals(tables, groups=study.evaluated.groups, seed=RESAMPLING_SEED))
    return [
        AgainstRow(study.evaluated.size, found.name, outcome, label, int(which.sum()), next(shares), next(shares))
        for outcome, label, _, which, *_ in wanted
    ]


def corrected(study: Study, found: Found, count: int) -> list[Example]:
    """Mentions that the annotator has wrong and the students of all seeds right: human, annotator's, typical seed's."""
    return _examples(study, found, count, annotator_right=False)


def spoilt(study: Study, found: Found, count: int) -> list[Example]:
    """Mentions that the annotator has right and the students of all seeds wrong: human, annotator's, typical seed's."""
    return _examples(study, found, count, annotator_right=True)


def _judge(study: Study, table: SpanTable) -> tuple[Marks, Marks, Marks]:
    """Of each human mention whether a student has it right, and whether it does as the annotator does; of each of the
    annotator's whether the student has the very same."""
    gold = study.evaluated.gold
    right, _ = exact_matches(gold, table)
    has, _ = exact_matches(study.found, table)
    nothing = classify(gold, table).gold == CLASSES.index("missed")
    partner = study.errors.gold_partner
    same = np.where(partner >= 0, has[partner] if len(has) else False, nothing)
    return right, same, has


def _counts(table: SpanTable, which: Marks, marks: Marks) -> IntArray:
    """Of some of a table's mentions, those marked and all, by sentence. Shapes: (mentions,) and (seeds, mentions) to
    (seeds, sentences, 2)."""
    sentences = table.sentence[which]
    total = np.bincount(sentences, minlength=table.sentences)
    marked = [np.bincount(sentences[each[which]], minlength=table.sentences) for each in marks]
    return np.stack([np.stack([each, total], axis=-1) for each in marked])


def _examples(study: Study, found: Found, count: int, *, annotator_right: bool) -> list[Example]:
    gold = study.evaluated.gold
    hits = np.stack([exact_matches(gold, table.select(study.sentences))[0] for table in found.tables])
    correct = study.errors.gold == CLASSES.index("right")
    which = correct & ~hits.any(axis=0) if annotator_right else ~correct & hits.all(axis=0)
    student = found.of_seed(found.typical).select(study.sentences)
    partners = (study.errors.gold_partner, classify(gold, student).gold_partner)
    places = [(place, *(int(partner[place]) for partner in partners)) for place in np.flatnonzero(which).tolist()]
    return pick(study.evaluated, places, (gold, study.found, student), count)
