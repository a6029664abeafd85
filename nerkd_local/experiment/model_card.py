"""The card of a student that an experiment has scored: what training wrote, with the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import Tags, sentence_counts
from nerkd_local.experiment.intervals import RESAMPLING_SEED, documents_of
from nerkd_local.files import read_json
from nerkd_local.fingerprints import digest_file
from nerkd_local.regimen.plan import Plan
from nerkd_local.stats.bootstrap import f1_interval
from nerkd_local.student.card import Figure, write_card
from nerkd_local.train.evidence import as_trained
from nerkd_local.train.facts import card_facts
from nerkd_local.train.folder import TrainFolder
from nerkd_local.train.identity import run_fingerprints
from nerkd_local.train.settings import TrainSettings


class Scored(NamedTuple):
    """An evaluation: the human-labelled file, the student's labels of the same sentences, and `scores_to_rows`."""

    gold: Path
    predicted: Path
    rows: Sequence[Mapping[str, Any]]


def write_scored_card(training: TrainSettings, plan: Plan, evaluations: Mapping[str, Scored]) -> None:
    """Write the card of a finished run again, with its scores on each evaluation, by name, and their intervals."""
    run = TrainFolder(training.output)
    figures = [figure for name, scored in evaluations.items() for figure in evaluation_figures(name, scored)]
    facts = card_facts(
        training,
        plan,
        run_fingerprints(training, plan),
        followed=as_trained(plan, run.evidence),
        precision=read_json(run.done)["precision"],
        figures=figures,
        evaluation_sha256={name: digest_file(scored.gold) for name, scored in evaluations.items()},
    )
    write_card(run.student, facts)


def evaluation_figures(name: str, scored: Scored) -> Iterator[Figure]:
    """The strict figures of one evaluation: all types together, then each. Intervals are over documents; an evaluation
    without sentences has none."""
    human, predicted = ([spans_to_tags(document) for document in read_documents(path)] for path in scored[:2])
    together, _lenient, _macro, *by_type = scored.rows
    for row in (together, *by_type):
        label = None if row is together else str(row["type"])
        counts = sentence_counts(_only(label, human), _only(label, predicted))
        interval = None
        if len(counts):
            over_documents = f1_interval(counts[None], groups=documents_of((scored.gold,)), seed=RESAMPLING_SEED)
            interval = over_documents.low, over_documents.high
        yield Figure(
            name,
            label,
            row["precision"],
            row["recall"],
            row["f1"],
            interval=interval,
            entities=row["support"],
        )


def _only(label: str | None, sentences: Sequence[Tags]) -> list[list[str]]:
    """The tags of that label; other words are outside. All tags for None."""
    return [[tag if label is None or tag[2:] == label else "O" for tag in tags] for tags in sentences]
