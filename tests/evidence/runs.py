"""Small run folders as `nerkd run` leaves them, made in a second: everything is real but the students.

The corpora are prepared, the annotator's recorded answers aligned and the plans built by the project's own code, so
`nerkd run --no-train` finds such a folder finished. What each student predicts is made up: every human label is found
exactly with the regimen's skill, and otherwise has another type, other borders or no answer at all.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.corpus.schemes import spans_to_tags, tags_to_spans
from nerkd_local.demo.corpus import LABELS, write_sentences
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.annotations import annotate_sources
from nerkd_local.experiment.cells import list_cells, student_of
from nerkd_local.experiment.distilled import write_distilled
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.labels import label_students
from nerkd_local.experiment.prepare import prepare
from nerkd_local.experiment.results import write_results
from nerkd_local.experiment.students import Student, course_of
from nerkd_local.files import write_bytes, write_json, write_json_lines, write_text
from nerkd_local.fingerprints import digest, digest_file
from nerkd_local.records import CONFIDENCES, RAW_TAGS, Document, Span, from_words
from nerkd_local.regimen.plan import Plan, save_plan
from nerkd_local.settings import save_settings

SKILLS = {"original_only": 0.6, "distilled_only": 0.5, "simple_mix": 0.8, "linear": 0.7}
"""By regimen, the share of the human labels that a student finds exactly; 0.65 for any other."""
ANNOTATOR_SKILL = 0.75
DOCUMENT = 4
"""Sentences of a document."""


def write_run(
    root: Path,
    *,
    regimens: Sequence[str] = ("original_only", "simple_mix", "linear"),
    sizes: Sequence[int] = (10, 20),
    seeds: Sequence[int] = (0, 1, 2),
    evaluation: int = 40,
    distilled: int = 30,
    skills: Mapping[str, float] = SKILLS,
    study: bool = False,
    results: bool = False,
    unfinished: Sequence[str] = (),
    prefix: str = "",
    id_prefix: str = "",
    copies: int = 0,
    more: Mapping[str, Any] | None = None,
) -> ExperimentSettings:
    """Write a finished experiment to `root/run`, its corpora to `root/data`; returns its settings.

    `study` also has the annotator label the evaluation sentences, as `annotator_study` does; `results` writes tables
    and figures (which takes matplotlib, a second); `unfinished` names students without a result; every word of the
    corpora begins with `prefix`, and what they call sentences and documents with `id_prefix`; so many distilled
    sentences are `copies` of evaluation sentences; `more` are further settings, such as `folds` in place of
    `evaluation`, `mixes` or `label_study`.
    """
    settings = run_settings(root, regimens=regimens, sizes=sizes, seeds=seeds, study=study, more=more)
    _write_corpora(root, evaluation, 3 * max(sizes), distilled, prefix, id_prefix, copies)
    folder = RunFolder(settings.output)
    prepare(settings, folder)
    annotate_sources(settings, folder, lambda line: None)
    save_settings(settings, folder.settings)
    counts = write_distilled(settings, folder, lambda line: None)
    students = [student_of(cell, settings, folder) for cell in list_cells(settings)]
    students += label_students(settings, folder)
    finished = {
        student.name: write_student(student, settings, folder, skills.get(student.regimen.partition("@")[0], 0.65))
        for student in students
        if student.name not in unfinished
    }
    if results:
        write_results(settings, folder, finished, counts)
    return settings


def run_settings(
    root: Path,
    *,
    regimens: Sequence[str],
    sizes: Sequence[int],
    seeds: Sequence[int],
    study: bool = False,
    more: Mapping[str, Any] | None = None,
) -> ExperimentSettings:
    """The settings of such an experiment; nothing is written."""
    values: dict[str, Any] = {
        "name": "made up",
        "output": root / "run",
        "data_root": root / "data",
        "student": root / "encoder",
        "annotator": {
            "name": "recorded",
            "engine": {"kind": "replay", "answers": root / "answers.jsonl"},
            "labels": {label: f"names of kind {label}" for label in LABELS},
        },
        "original": {"corpus": {"path": "train.jsonl"}, "sizes": list(sizes)},
        "distilled": [{"name": "news", "corpus": {"path": "news.jsonl"}}],
        "evaluation": {"path": "evaluation.jsonl"},
        "regimens": list(regimens),
        "seeds": list(seeds),
        "training": {"steps": 20, "batch_size": 4},
        "keep_students": False,
    }
    if study:
        values["annotator_study"] = {"corpus": {"path": "evaluation.jsonl"}, "formats": ["lines"]}
    values |= more or {}
    if values.get("folds"):
        values["evaluation"] = None
    return ExperimentSettings.model_validate(values)


def write_student(student: Student, settings: ExperimentSettings, folder: RunFolder, skill: float) -> Mapping[str, Any]:
    """Write what a finished student leaves behind: plan, exposure, predictions, counts and result; returns the
    result."""
    here = folder.student(student.name)
    course = course_of(student, settings.students, folder)
    save_plan(course.plan, here / "plan.jsonl")
    write_json_lines(here / "exposure.jsonl", _exposure(course.plan))
    random = Random(int(digest("student", student.name)[:16], 16))
    tables, scores = {}, {}
    for name, path in student.evaluations.items():
        gold = list(read_documents(path))
        found = [_predict(document, skill, random) for document in gold]
        write_documents(here / f"predictions-{name}.jsonl", found)
        sides = [spans_to_tags(document) for document in gold], [list(each.meta[RAW_TAGS]) for each in found]
        tables[name] = sentence_counts(*sides).astype(np.uint16)
        scores[name] = list(scores_to_rows(score_tags(*sides)))
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **tables)
    write_bytes(here / "counts.npz", packed.getvalue())
    evaluations = {name: digest_file(path) for name, path in student.evaluations.items()}
    result = {
        "made_from": {"training": dict(course.fingerprints), "evaluation": evaluations},
        "seed": student.seed,
        "examples": course.plan.examples,
        "passes": course.plan.passes,
        "cpu": "a processor, 2 cores",
        "scores": scores,
    }
    write_json(here / "result.json", result)
    return result


def corrupted(document: Document, skill: float, random: Random) -> tuple[Span, ...]:
    """The document's mentions, each as it is with that probability; now and then one that is none."""
    spans: list[Span] = []
    for span in document.spans:
        kind = "right" if random.random() < skill else random.choice(("missed", "type", "boundary"))
        inside = [token for token in document.tokens if span.start <= token[0] < span.end]
        if kind == "missed":
            continue
        if kind == "type":
            spans.append(replace(span, label=random.choice([label for label in LABELS if label != span.label])))
        elif kind == "boundary" and len(inside) > 1:
            spans.append(Span(inside[1][0], span.end, span.label))
        else:
            spans.append(span)
    free = [token for token in document.tokens if all(token[1] <= s.start or s.end <= token[0] for s in document.spans)]
    if free and random.random() < (1 - skill) / 2:
        spans.append(Span(*random.choice(free), random.choice(LABELS)))
    return tuple(sorted(spans, key=lambda span: span.start))


def _predict(document: Document, skill: float, random: Random) -> Document:
    found = replace(document, spans=corrupted(document, skill, random))
    sure = [round(random.uniform(0.3, 1.0), 6) for _ in found.spans]
    return replace(found, meta={**document.meta, RAW_TAGS: spans_to_tags(found), CONFIDENCES: sure})


def _prefixed(document: Document, prefix: str) -> Document:
    """The same sentence with other words."""
    if not prefix:
        return document
    tags = spans_to_tags(document)
    made = from_words(document.id, [f"{prefix}{word}" for word in document.words])
    return replace(made, spans=tags_to_spans(tags, made.tokens, strict=True))


def _write_corpora(
    root: Path, evaluation: int, train: int, distilled: int, prefix: str, id_prefix: str, copies: int
) -> None:
    """Three files of sentences in documents, the annotator's answers to all of them, and an encoder's folder."""
    sentences = write_sentences("scored", evaluation + train + distilled, 0)
    answers = []
    scored: list[Document] = []
    for name, count in (("evaluation", evaluation), ("train", train), ("news", distilled)):
        documents = []
        for number in range(count):
            place = {"document": f"{id_prefix}{name}#{number // DOCUMENT}", "line": number + 1}
            copied = name == "news" and number < copies
            sentence = scored[number] if copied else _prefixed(next(sentences), prefix)
            documents.append(replace(sentence, id=f"{id_prefix}{name}:{number}", meta=place))
        scored = scored or documents
        write_documents(root / "data" / f"{name}.jsonl", documents)
        random = Random(int(digest("annotator", name)[:16], 16))
        for document in documents[copies if name == "news" else 0 :]:  # a text has one answer
            named = [
                f"{span.label}\t{document.text[span.start : span.end]}"
                for span in corrupted(document, ANNOTATOR_SKILL, random)
            ]
            answers.append({"text": document.text, "answer": "\n".join(named) or "NONE"})
    write_json_lines(root / "answers.jsonl", answers)
    write_text(root / "encoder" / "config.json", "{}\n")


def _exposure(plan: Plan) -> list[dict[str, Any]]:
    """A line a step as the trainer writes it, with a loss that falls."""
    rows = []
    for number, step in enumerate(plan.steps):
        row: dict[str, Any] = {"step": number, "learning_rate": 0.0001 * (1 - number / len(plan.steps))}
        for source, ids in (("original", step.original), ("distilled", step.distilled)):
            loss = 2 / (1 + number) if ids else None
            row[source] = {"ids": list(ids), "words": 9 * len(ids), "tokens": 12 * len(ids), "loss": loss}
        rows.append(row)
    return rows
