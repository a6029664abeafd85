"""The loop: round 0 annotates everything and trains; each further round asks again where the two disagree, and trains.

Every stage leaves files in the run folder and finds them again, so the same command goes on wherever it was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.config.experiment import ExperimentSettings, as_recorded
from nerkd_local.corpus.folds import document_names
from nerkd_local.corpus.jsonl import read_documents, write_documents
from nerkd_local.errors import InputError
from nerkd_local.experiment.annotations import annotate_sources
from nerkd_local.experiment.cells import EVALUATION, check_grid
from nerkd_local.experiment.crossfit import CrossFitSettings, cross_fit
from nerkd_local.experiment.intervals import RESAMPLING_SEED, documents_of
from nerkd_local.experiment.lines import Counts
from nerkd_local.experiment.locks import held
from nerkd_local.experiment.prepare import prepare
from nerkd_local.experiment.students import Student, read_counts
from nerkd_local.experiment.workers import run_students
from nerkd_local.files import link_or_copy, local_model, read_json, write_json, write_json_lines, write_text
from nerkd_local.fingerprints import digest_folder
from nerkd_local.loop.division import divide
from nerkd_local.loop.folder import LoopFolder, RoundFolder
from nerkd_local.loop.questions import ask_annotator, ask_human, choose
from nerkd_local.loop.settings import MAY_CHANGE, AskHuman, LoopSettings
from nerkd_local.loop.verdict import judge
from nerkd_local.machine import usable_cores, visible_gpus
from nerkd_local.report.rounds import RoundRow, rounds_figure, rounds_table, row_from_json, row_to_json
from nerkd_local.settings import load_settings, make_settings, save_settings
from nerkd_local.stats.bootstrap import f1_difference, f1_interval

SOURCE = "corpus"
"""What the experiment that a loop is made of calls the sentences to annotate."""


def run_loop(settings: LoopSettings, say: Callable[[str], None]) -> str:
    """Go round until it no longer pays; returns the table of the rounds. What is finished is not done again.

    Raises InputError, among others for a run folder that was made with other settings; InterruptedRun where the same
    command goes on, as when a person is asked.
    """
    folder = LoopFolder(settings.output)
    _check_same(settings, folder)
    with held(folder.run, "loop"):
        loop = _Loop(settings, folder, _experiment(settings, folder, say), say)
        save_settings(settings, folder.settings)
        write_text(folder.student, digest_folder(settings.student))
        loop.annotate()
        rows: list[RoundRow] = []
        stop = False
        while not stop:
            rows.append(loop.round(len(rows)))
            verdict = judge(rows, least_gain=settings.least_gain, patience=settings.patience, rounds=settings.rounds)
            stop = verdict.stop
            rows[-1] = replace(rows[-1], verdict=verdict.why)
            say(_describe(rows[-1], loop.minutes))
            _report(rows, settings, folder, loop.minutes)
            if not stop and not loop.questions(len(rows)):
                stop = True
                rows[-1] = replace(rows[-1], verdict="stop: nothing is left to ask")
                say(rows[-1].verdict)
                _report(rows, settings, folder, loop.minutes)
        best = max(rows, key=lambda row: row.f1[0])
        labels = folder.round(best.round)
        say(f"the best round is {best.round} (chosen on the slice): {labels.distilled}, {labels.original}")
        return rounds_table(rows, minutes=loop.minutes)


class _Loop:
    def __init__(
        self,
        settings: LoopSettings,
        folder: LoopFolder,
        experiment: ExperimentSettings,
        say: Callable[[str], None],
    ) -> None:
        self.settings, self.folder, self.experiment, self.say = settings, folder, experiment, say
        gpus = visible_gpus()
        self._devices = len(gpus) or usable_cores()
        self.minutes = "GPU" if gpus else "processor"

    def round(self, number: int) -> RoundRow:
        """Do one round, or read what came out of it."""
        here = self.folder.round(number)
        if here.row.exists():
            return row_from_json(read_json(here.row))
        if not here.asked.exists():
            self._ask(number, here)
        with here.timed("train"):
            run_students(self._students(number), self.experiment.students, self.folder.run, self.say)
        row = self._row(number, here)
        write_json(here.row, row_to_json(row))
        return row

    def questions(self, number: int) -> dict[str, float]:
        """The sentences that a round asks about, with how disputed each is; found once."""
        here, before = self.folder.round(number), self.folder.round(number - 1)
        chosen = here.root / "disputed.json"
        if not chosen.exists():
            write_json(chosen, self._choose(number, here, before))
        found: dict[str, float] = read_json(chosen)
        return found

    def _choose(self, number: int, here: RoundFolder, before: RoundFolder) -> dict[str, float]:
        ask, documents = self.settings.ask, list(read_documents(before.distilled))
        most = ask.sentences
        if isinstance(ask, AskHuman):
            # what a person answers is the annotator's no more, and students learn from both
            most = min(most, len(documents) - 1)
            if number > 1 and len(set(document_names(documents).values())) < self.settings.folds:
                return {}
        with here.timed("opinions"):
            opinions = cross_fit(documents, self._fitting(before), here.opinions, say=self.say)
        earlier = (read_json(self.folder.round(n).root / "disputed.json") for n in range(1, number))
        asked = {id for disputed in earlier for id in disputed}
        return choose(documents, opinions, most, asked)

    def annotate(self) -> None:
        """Label everything for round 0, or see that the labels there are this annotator's.

        Until the round is finished its labels are taken from the annotation again: as long as no student is trained,
        another annotator may have made another one.
        """
        here, run = self.folder.round(0), self.folder.run
        if here.row.exists():
            annotate_sources(self.experiment, run, self.say)
            return
        with here.timed("annotate"):
            annotate_sources(self.experiment, run, self.say)
        answers = list(read_documents(run.annotation(SOURCE) / "annotations.jsonl"))
        usable = [answer for answer in answers if is_usable(answer)]
        write_documents(here.distilled, usable)
        here.original.unlink(missing_ok=True)
        link_or_copy(run.original(self.experiment.original.sizes[0]), here.original)
        write_json(here.asked, {"asked": len(answers), "changed": 0, "unanswered": len(answers) - len(usable)})

    def _ask(self, number: int, here: RoundFolder) -> None:
        """Ask the disputed sentences, and write the labels that result."""
        before = self.folder.round(number - 1)
        disputed = self.questions(number)
        labels = {document.id: document for document in read_documents(before.distilled)}
        original = list(read_documents(before.original))
        asked = [labels[id] for id in disputed]
        if isinstance(self.settings.ask, AskHuman):
            opinions = cross_fit(list(labels.values()), self._fitting(before), here.opinions, say=self.say)
            answers = ask_human(asked, disputed, opinions, self.settings.annotator.labels, here)
            original += answers.values()
            kept = [document for document in labels.values() if document.id not in answers]
        else:
            with here.timed("annotate"):
                answers = ask_annotator(asked, self.settings, here, self.folder.run, original, self.say)
            kept = [answers.get(document.id, document) for document in labels.values()]
        write_documents(here.original, original)
        write_documents(here.distilled, kept)
        changed = sum(1 for id in disputed if id in answers and answers[id].spans != labels[id].spans)
        counts = {"asked": len(asked), "changed": changed, "unanswered": len(asked) - len(answers)}
        write_json(here.asked, counts)

    def _fitting(self, before: RoundFolder) -> CrossFitSettings:
        settings = self.settings
        return make_settings(
            CrossFitSettings,
            student=settings.student,
            labels=tuple(settings.annotator.labels),
            folds=settings.folds,
            entity_disjoint=False,  # the names that a loop labels return everywhere
            training=settings.training,
            also=before.original,
            regimen=settings.regimen,
            seed=settings.sample_seed,
            accelerate=settings.accelerate,
            workers=settings.workers,
        )

    def _students(self, number: int) -> list[Student]:
        here = self.folder.round(number)
        return [
            Student(
                name=f"round-{number}-seed{seed}",
                regimen=self.settings.regimen,
                seed=seed,
                original=here.original,
                distilled=here.distilled,
                evaluations={EVALUATION: self.folder.run.evaluation},
            )
            for seed in self.settings.seeds
        ]

    def _counts(self, number: int) -> Counts:
        run = self.folder.run
        return np.stack([read_counts(run, student.name, EVALUATION) for student in self._students(number)])

    def _row(self, number: int, here: RoundFolder) -> RoundRow:
        counts, groups = self._counts(number), documents_of((self.folder.run.evaluation,))
        f1 = f1_interval(counts, groups=groups, seed=RESAMPLING_SEED)
        gain = None
        if number:
            found = f1_difference(counts, self._counts(number - 1), groups=groups, seed=RESAMPLING_SEED)
            gain = found.mean, found.low, found.high
        results = (read_json(self.folder.run.student(each.name) / "result.json") for each in self._students(number))
        return RoundRow(
            round=number,
            **read_json(here.asked),
            original=sum(1 for _ in read_documents(here.original)),
            distilled=sum(1 for _ in read_documents(here.distilled)),
            f1_seeds=tuple(result["scores"][EVALUATION][0]["f1"] for result in results),
            f1=(f1.mean, f1.low, f1.high),
            gain=gain,
            minutes=sum(here.seconds().values()) / 60 * self._devices,
        )


def _experiment(settings: LoopSettings, folder: LoopFolder, say: Callable[[str], None]) -> ExperimentSettings:
    """The experiment whose stages the loop goes through, with its corpora written."""
    original, evaluation, said = divide(settings, folder.root / "given")
    say(said)
    experiment = make_settings(
        ExperimentSettings,
        name=settings.name,
        output=settings.output,
        data_root=original.parent.absolute(),
        student=settings.student,
        annotator=settings.annotator,
        original={"corpus": {"path": original.name}, "sizes": [sum(1 for _ in read_documents(original))]},
        evaluation={"path": evaluation.name},
        near_duplicates=settings.near_duplicates,
        distilled=[{"name": SOURCE, "corpus": _absolute(settings), "sample": settings.sample}],
        regimens=(settings.regimen,),
        training=settings.training,
        seeds=settings.seeds,
        sample_seed=settings.sample_seed,
        accelerate=settings.accelerate,
        workers=settings.workers,
    )
    check_grid(experiment, folder.run)
    drawn = prepare(experiment, folder.run)["distilled"][SOURCE]
    say(
        f"{drawn['sentences']:,} sentences to annotate; {drawn['excluded']:,} were left out because they stand among "
        "the human-labelled ones"
    )
    return experiment


def _absolute(settings: LoopSettings) -> dict[str, Any]:
    # the others are relative to `data_root`
    return {**settings.corpus.model_dump(), "path": settings.corpus.path.absolute()}


def _check_same(settings: LoopSettings, folder: LoopFolder) -> None:
    if not folder.settings.exists():
        return
    earlier = load_settings(LoopSettings, folder.settings, as_recorded(folder.settings)).model_dump(
        mode="json", exclude=MAY_CHANGE
    )
    now = settings.model_dump(mode="json", exclude=MAY_CHANGE)
    changed = sorted(name for name in now if now[name] != earlier[name])
    if folder.student.exists() and folder.student.read_text() != digest_folder(local_model(settings.student)):
        changed.append("student")
    if changed:
        raise InputError(f"the loop was begun with other {', '.join(changed)}; choose another output", path=folder.root)


def _report(rows: Sequence[RoundRow], settings: LoopSettings, folder: LoopFolder, minutes: str) -> None:
    write_json_lines(folder.rounds, map(row_to_json, rows))
    write_text(folder.root / "rounds.md", rounds_table(rows, minutes=minutes))
    caption = (
        f"{settings.name}: {settings.annotator.name}, asked again by {settings.ask.kind}; student "
        f"{'/'.join(settings.student.parts[-2:])}, {settings.training.steps} steps of {settings.training.batch_size}, "
        f"{settings.regimen}; scored on the slice that decides when to stop"
    )
    rounds_figure(rows, folder.root / "rounds.png", caption, minutes=minutes)


def _describe(row: RoundRow, minutes: str) -> str:
    parts = [
        f"round {row.round}: asked {row.asked:,}, changed {row.changed:,}, no usable answer {row.unanswered:,}",
        f"F1 {row.f1[0]:.3f} ({row.f1[1]:.3f} to {row.f1[2]:.3f})",
    ]
    if row.gain is not None:
        parts.append(f"gain {row.gain[0]:+.3f} ({row.gain[1]:+.3f} to {row.gain[2]:+.3f})")
    parts.append(f"{row.minutes:.1f} {minutes}-minutes")
    if row.gain_a_minute is not None:
        parts.append(f"{row.gain_a_minute:+.4f} a minute")
    return f"{'; '.join(parts)}: {row.verdict}"
