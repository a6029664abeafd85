"""The summary of an experiment in Markdown: what was run, what came out, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nerkd_local.annotate.ledger import describe
from nerkd_local.config.experiment import ExperimentSettings, MixSettings, PhaseSettings
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.rows import score_row
from nerkd_local.experiment.selection import Selection
from nerkd_local.files import read_json
from nerkd_local.report.labels import annotators_table, labels_table
from nerkd_local.report.rows import AnnotatorRow, LabelsRow, ResultRow
from nerkd_local.report.tables import markdown_table, results_table
from nerkd_local.select.decisions import DECISIONS
from nerkd_local.select.ledger import KINDS


def write_summary(
    settings: ExperimentSettings,
    folder: RunFolder,
    rows: Sequence[ResultRow],
    selections: Sequence[tuple[ResultRow, Selection]],
    labels: Sequence[LabelsRow],
    annotators: Sequence[AnnotatorRow],
    sources: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    students: tuple[int, int],
    machines: Sequence[str],
) -> str:
    """`students`: how many are finished, and how many the experiment has."""
    report = read_json(folder.preparation)
    original = report["original"]
    finished, wanted = students
    lines = [
        f"# {settings.name}",
        "",
        f"Student `{student_name(settings)}`, {settings.training.steps} steps of {settings.training.batch_size}, "
        f"seeds {', '.join(map(str, settings.seeds))}; scored on {_scored_on(settings, report)}; "
        f"{'; '.join(machines)}.",
        f"{len(original['also_in_evaluation']) + len(original['repeated']):,} original sentences stand in the "
        f"evaluation corpus, or twice{_near(original, report)}; {original['excluded']:,} were excluded.",
        *_across_folds(report),
    ]
    if finished < wanted:
        lines.append(
            f"**{finished:,} of {wanted:,} students are finished**: the table holds those; the same command goes on."
        )
    lines += ["", results_table([*rows, *(row for row, _ in selections)]).rstrip(), ""]
    lines.append(
        "F1, precision and recall are strict (seqeval, IOB2), micro-averaged, means over the seeds. Intervals: "
        "percentile bootstrap over documents with seeds nested; differences are paired by document and seed."
    )
    lines += [_describe_selection(row, selection) for row, selection in selections]
    if annotators:
        lines += ["", "## The annotator by prompt and answer format", "", annotators_table(annotators).rstrip()]
    if labels:
        lines += ["", "## The same sentences with human and with LLM labels", "", labels_table(labels).rstrip()]
    selected = selected_mixes(settings, folder)
    if selected:
        headers, cells = selection_cells(selected, folder)
        lines += ["", "## Selection", "", markdown_table(headers, cells, left=headers[:2]).rstrip()]
    lines += ["", "## Annotation"]
    for source in settings.distilled:
        lines += ["", *_describe_source(source.name, settings, folder, report, sources.get(source.name))]
    if settings.phases:
        lines += ["", "## What stands for what in the paper"]
    for phase in settings.phases:
        lines += ["", *_describe_phase(phase)]
    return "\n".join(lines) + "\n"


def student_name(settings: ExperimentSettings) -> str:
    """The end of its path: the folder alone is often called `model`."""
    return "/".join(settings.student.parts[-2:])


def _scored_on(settings: ExperimentSettings, report: Mapping[str, Any]) -> str:
    if settings.evaluation is not None:
        return f"{report['evaluation']['sentences']:,} sentences of `{settings.evaluation.path.name}`"
    assert settings.folds is not None
    held = ", ".join(f"{sum(folds['sentences']):,}" for folds in report["folds"].values())
    apart = max(folds["worked_examples"] for folds in report["folds"].values())
    return (
        f"{held} of the original sentences in {settings.folds.count} folds, each by students that did not see its "
        f"fold ({apart} worked examples of the annotator's prompt are in none); nothing is stopped early or chosen "
        "by these scores"
    )


def _near(part: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Of one corpus; corpus files of an earlier version do not say (the report's section counts for itself)."""
    near = report.get("near_duplicates")
    if near is None:
        return "; near duplicates were not looked for"
    found = sum(not row["exact"] for row in part["duplicates"])
    allowed = ", and were allowed" if near["allowed"] and found else ""
    if "evaluation" in report:
        whom = "a sentence of it"
    elif part is report["original"]:
        return ""  # scored by folds: see `_across_folds`
    else:
        whom = "one of those"
    return f"; {found:,} more resemble {whom} (similarity {near['similarity']:g}){allowed}"


def _across_folds(report: Mapping[str, Any]) -> list[str]:
    return [
        f"{folds['near_across_folds']:,} of the {size} original sentences resemble one in another fold."
        for size, folds in report.get("folds", {}).items()
        if folds.get("near_across_folds")
    ]


def _describe_selection(row: ResultRow, selection: Selection) -> str:
    taken = Counter(f"{line.regimen} ({line.mix})" if line.mix else line.regimen for line in selection.chosen)
    choices = ", ".join(f"{name} {count} x" for name, count in taken.most_common())
    return (
        f"\nThe regimen chosen on inner folds, {row.original_size:,} labelled sentences: {choices}. Its row is what "
        "choosing the best may promise; the best of the other rows is not, having been chosen by its own score."
    )


def selected_mixes(settings: ExperimentSettings, folder: RunFolder) -> list[MixSettings]:
    """The mixes with a selection that was made, one of each whole mix."""
    whole = {mix.whole_name: mix for mix in settings.all_mixes if mix.selection}
    return [mix for name, mix in whole.items() if folder.selection_ledger(name).exists()]


def selection_cells(
    mixes: Sequence[MixSettings], folder: RunFolder
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """What became of the sentences and entities of each mix with a selection: headers and a row a mix."""
    headers = ("distilled source", "policy", *(f"{kind} {what}" for kind in KINDS for what in DECISIONS))
    cells = []
    for mix in mixes:
        ledger = read_json(folder.selection_ledger(mix.whole_name))
        policy = dict(ledger["policy"])
        words = [policy.pop("kind"), *(f"{name} {value}" for name, value in policy.items() if value is not None)]
        counts = (f"{ledger[kind][what]:,}" for kind in KINDS for what in DECISIONS)
        cells.append((mix.whole_name, ", ".join(words), *counts))
    return headers, tuple(cells)


def _describe_phase(phase: PhaseSettings) -> list[str]:
    shown = ", ".join(f"`{what}`" for what in phase.shows)
    lines = [f"**{phase.phase}**: {shown}. The paper: {phase.paper}"]
    if phase.unstated:
        lines += ["Not known here:", "", *(f"- {what}" for what in phase.unstated)]
    return lines


def _describe_source(
    name: str,
    settings: ExperimentSettings,
    folder: RunFolder,
    report: Mapping[str, Any],
    scores: Sequence[Mapping[str, Any]] | None,
) -> list[str]:
    drawn = report["distilled"][name]
    annotator = next(
        settings.annotator_of(source.annotator).name for source in settings.distilled if source.name == name
    )
    lines = [
        f"**{name}**, labelled by {annotator}: {len(drawn['also_in_evaluation']):,} of its sentences stand in the "
        f"evaluation corpus, {len(drawn['also_in_original']):,} among the original ones{_near(drawn, report)}; "
        f"{drawn['excluded']:,} were excluded.",
        describe(read_json(folder.annotation(name) / "ledger.json")),
    ]
    if scores is not None:
        score = score_row(scores, "strict")
        lines.append(
            f"strict F1 against the hidden human labels: {score['f1']:.3f} (precision {score['precision']:.3f}, "
            f"recall {score['recall']:.3f}, {score['support']:,} entities)"
        )
    return lines
