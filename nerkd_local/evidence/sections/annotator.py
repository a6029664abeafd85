"""Annotator reliability: its labels against human ones, what became of its answers, the studies, its confidences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from nerkd_local.annotate.ledger import SENTENCE_STATES
from nerkd_local.evidence.annotators import ALL, TypeScore, ledgers, source_confidences, type_scores
from nerkd_local.evidence.confidences import ConfidenceReport, shown
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.annotator_study import study_annotators
from nerkd_local.experiment.figures import draw_annotators, draw_labels
from nerkd_local.experiment.rows import annotator_rows, labels_rows
from nerkd_local.experiment.summary import selected_mixes, selection_cells
from nerkd_local.report.labels import annotators_cells, f1_figure, labels_cells
from nerkd_local.report.parts import Figure, Part, Section, Table, Text
from nerkd_local.report.tables import NOTHING
from nerkd_local.stats.calibration import BINS

KEY, TITLE = "annotator", "How far the annotator can be trusted"


def section(run: Run) -> Section:
    """F1 of the distilled labels by source and type, the ledgers, and what studies and confidences there are."""
    scores, kept = type_scores(run), ledgers(run)
    parts: list[Part] = [
        *_scores(run, scores),
        *_ledgers(kept),
        *_selection(run),
        *_annotator_study(run),
        *_label_study(run),
        *_confidences(run),
    ]
    return Section(KEY, TITLE, _lead(run, scores, kept), tuple(parts))


def _lead(run: Run, scores: Sequence[TypeScore], kept: Mapping[str, Mapping[str, Any]]) -> str:
    annotators = {source.name: run.settings.annotator_of(source.annotator).name for source in run.settings.distilled}
    overall = [score for score in scores if score.type == ALL]
    said = [
        f"{score.f1_mean:.3f}{f' ({score.f1.low:.3f} to {score.f1.high:.3f})' if score.f1 else ''} on {score.source} "
        f"({annotators.get(score.source, 'the annotator')})"
        for score in overall
    ]
    told = (
        [f"The distilled labels against human ones that no student reads: strict F1 {', '.join(said)}."] if said else []
    )
    unknown = [name for name in annotators if name not in {score.source for score in scores}]
    if unknown:
        why = "there are no human labels of these sentences"
        if not any(run.folder.unlabelled(name).exists() for name in unknown):
            why = "the run was kept without its texts"
        elif any(run.folder.hidden(name).exists() for name in unknown):
            why = "the run has no annotations of them"
        told.append(f"How good the labels of {' and '.join(unknown)} are is not known: {why}.")
    if any(score.f1 is None for score in scores):
        told.append("The sentences or their annotations are not here, so these scores have no intervals.")
    if not kept:
        told.append("What became of each answer is not known: the run holds no ledgers of its annotations.")
    return " ".join(told)


def _scores(run: Run, scores: Sequence[TypeScore]) -> list[Part]:
    if not scores:
        return []
    headers = ("source", "type", "F1", "95% interval", "precision", "recall", "human entities")
    rows = tuple(
        (
            score.source,
            score.type,
            f"{score.f1_mean:.3f}",
            NOTHING if score.f1 is None else f"{score.f1.low:.3f} to {score.f1.high:.3f}",
            f"{score.precision:.3f}",
            f"{score.recall:.3f}",
            f"{score.support:,}",
        )
        for score in scores
    )
    records = tuple(
        {
            **{name: value for name, value in asdict(score).items() if name != "f1"},
            "f1_low": score.f1 and score.f1.low,
            "f1_high": score.f1 and score.f1.high,
        }
        for score in scores
    )
    caption = "Strict (IOB2). A sentence without a usable answer counts as one without mentions."
    parts: list[Part] = []
    known = [score for score in scores if score.f1 is not None]
    if known:
        one = len({score.source for score in known}) == 1
        marks = [
            (score.type if one else f"{score.source}: {score.type}", score.f1.mean, score.f1.low, score.f1.high)
            for score in known
            if score.f1 is not None
        ]
        of = f" on {known[0].source}" if one else ""
        sizes = dict.fromkeys(f"{score.sentences:,} sentences of {score.source}" for score in known)
        below = f"{run.settings.name}: {', '.join(sizes)}, against their human labels; intervals over documents"
        parts.append(
            Figure(
                "annotator_types",
                "The distilled labels by type",
                "",
                "Strict F1 of the annotator's labels over all types and by type, with intervals; the numbers are in "
                "the table below.",
                partial(f1_figure, marks, caption=below, title=f"Strict F1 of the distilled labels{of}"),
            )
        )
    parts.append(
        Table(
            "annotator_types", "The distilled labels by source and type", headers, rows, headers[:2], caption, records
        )
    )
    return parts


def _ledgers(kept: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    if not kept:
        return []
    return [
        _ledger_table("sentences", "What became of the sentences", kept, SENTENCE_STATES[:1]),
        _ledger_table("mentions", "What became of the mentions", kept, ("accepted",)),
    ]


def _ledger_table(kind: str, title: str, kept: Mapping[str, Mapping[str, Any]], always: Sequence[str]) -> Table:
    """A row a source; the states that occur are the columns, `always` first."""
    occurring = [state for ledger in kept.values() for state, count in ledger[kind].items() if count]
    states = list(dict.fromkeys([*always, *occurring]))
    headers = ("source", kind, *(state.replace("_", " ") for state in states))
    counts = [
        (name, ledger[f"{kind}_total"], *(ledger[kind].get(state, 0) for state in states))
        for name, ledger in kept.items()
    ]
    captions = {
        "sentences": "Only annotated sentences teach anything.",
        "mentions": "Accepted and repaired mentions are labels; the others are nowhere in the text, overlap others, or "
        "are of no known type.",
    }
    return Table(
        f"ledger_{kind}",
        title,
        headers,
        tuple((str(name), *(f"{count:,}" for count in numbers)) for name, *numbers in counts),
        headers[:1],
        captions[kind],
        tuple(dict(zip(headers, line, strict=True)) for line in counts),
    )


def _selection(run: Run) -> list[Part]:
    mixes = selected_mixes(run.settings, run.folder)
    if not mixes:
        return []
    headers, cells = selection_cells(mixes, run.folder)
    return [Table("selection", "Which labels students were given", headers, cells, headers[:2])]


def _annotator_study(run: Run) -> list[Part]:
    if run.settings.annotator_study is None:
        return []
    if not run.folder.study.exists():
        return [Text("The annotator study is not shown: the run was kept without its texts.")]
    asked = [run.folder.study_annotation(each.prompt, each.format) for each in study_annotators(run.settings)]
    if not all((folder / "annotations.jsonl").exists() for folder in asked):
        return [Text("The annotator study is not shown: it is not finished. The same nerkd run goes on with it.")]
    rows = annotator_rows(run.settings, run.folder)
    headers, cells = annotators_cells(rows)
    return [
        Figure(
            "annotators",
            "The annotator by prompt and answer format",
            "",
            "Strict F1 of the annotator by how it was asked, with intervals; the numbers are in the table below.",
            partial(draw_annotators, settings=run.settings, rows=rows),
        ),
        Table(
            "annotators",
            "The annotator by prompt and answer format",
            headers,
            cells,
            (*headers[:3], headers[5]),
            records=tuple(asdict(row) for row in rows),
        ),
    ]


def _label_study(run: Run) -> list[Part]:
    rows = labels_rows(run.settings, run.folder, run.results, run.documents)
    if not rows:
        return []
    headers, cells = labels_cells(rows)
    title = "Students of the same sentences with human and with LLM labels"
    return [
        Figure(
            "labels",
            title,
            "",
            "F1 of students against the number of sentences, one curve for human and one for LLM labels; the numbers "
            "are in the table below.",
            partial(draw_labels, settings=run.settings, rows=rows),
        ),
        Table("labels", title, headers, cells, (headers[0], headers[-1]), records=tuple(asdict(row) for row in rows)),
    ]


def _confidences(run: Run) -> list[Part]:
    parts: list[Part] = []
    reports = source_confidences(run)
    for name, report in reports.items():
        several = f"_{name}" if len(reports) > 1 else ""
        parts += [
            Figure(
                f"reliability{several}",
                f"Confidence and what is right, {name}",
                "",
                "The share of found entities that is right over their confidence, with the line on which they agree.",
                report.draw_reliability,
            ),
            Figure(
                f"risk_coverage{several}",
                f"What is wrong among the surest, {name}",
                "",
                "The share wrong among the entities kept, over the share kept, the surest first.",
                report.draw_risk,
            ),
        ]
    if reports:
        parts.append(_confidence_table(reports))
    return parts


def _confidence_table(reports: Mapping[str, ConfidenceReport]) -> Table:
    headers = ("source", "ranking", f"ECE ({BINS} bins)", "Brier", "AURC", "AURC - sentence mean", "AURC - chance")
    judged = [(name, each) for name, report in reports.items() for each in report.judge()]
    return Table(
        "confidences",
        "What the annotator's confidences are worth",
        headers,
        tuple(
            (name, each.name, *map(shown, (each.ece, each.brier, each.aurc, each.over_sentence, each.over_chance)))
            for name, each in judged
        ),
        headers[:2],
        "Over the entities found, with 95% intervals over documents. ECE: how far confidences are from the share "
        "that is right. AURC: the area under the curve of the share wrong over the share kept; lower is better.",
    )
