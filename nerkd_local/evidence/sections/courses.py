"""What training saw and how it went: schedules planned and realised, losses, scores on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from nerkd_local.evidence.courses import Course, courses_of
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Line
from nerkd_local.report.courses import Curve, Panel, losses_figure, schedules_figure, scores_figure
from nerkd_local.report.parts import Figure, Section, Table
from nerkd_local.report.tables import NOTHING

KEY, TITLE = "courses", "What training saw, and how it went"
_PANELS = 24
"""Regimens that are drawn, of the size that has most of them, the smallest of equals; the table has all."""
_STAIRS, _POINTS, _MOMENTS = 75, 25, 200
"""At most so many stairs of shown shares, points of a loss, and moments of a planned share."""
_ROUNDING = 1.0
"""Sentences by which the shown ones may be ahead of the planned ones at a step: batches hold whole sentences."""
_SOURCES = ("original", "distilled")
_HEADERS = (
    *("regimen", "distilled source", "original", "students", "W planned", "W realised", "lowest to highest"),
    *("original shown", "distilled shown", "most ahead or behind"),
)


@dataclass(frozen=True)
class _Trained:
    """A line of the result table with the courses of its students, of all seeds and folds, as far as they are known."""

    line: Line
    name: str
    courses: tuple[Course, ...]

    @property
    def planned(self) -> float | None:
        """W as planned, on average."""
        values = [course.planned_exposure for course in self.courses]
        return None if None in values else float(np.mean([value for value in values if value is not None]))

    @property
    def realised(self) -> float:
        """W as it came, on average."""
        return float(np.mean([course.exposure for course in self.courses]))

    @property
    def ahead(self) -> float | None:
        """The most sentences by which the distilled ones shown so far were ahead of the planned ones, or behind (then
        below 0), at any step of any student."""
        found = [_ahead(course) for course in self.courses if course.planned is not None]
        return max(found, key=abs) if found and len(found) == len(self.courses) else None

    @property
    def deviates(self) -> bool:
        """Whether what was shown is not what was planned, rounding apart."""
        return self.ahead is not None and abs(self.ahead) > _ROUNDING + 1e-3


def section(run: Run) -> Section:
    """Figures of shares, losses and, where students were scored on the way, F1; a table of exposures."""
    courses = courses_of(run)
    trained = _trained(run, courses)
    if not trained:
        return Section(
            KEY,
            TITLE,
            "What the students were shown is not known: their folders hold no exposure ledger (exposure.jsonl), which "
            "training writes, and no kept course (course.npz).",
        )
    sizes = [each.line.size for each in trained]
    size = max(sorted(set(sizes)), key=sizes.count)
    drawn = [each for each in trained if each.line.size == size][:_PANELS]
    caption = _caption(run, drawn, sizes.count(size))
    parts: list[Figure | Table] = [
        Figure(
            "schedules",
            "Schedules, planned and realised",
            "",
            "For each regimen the share of distilled sentences over training: as planned, a line, and as shown, an "
            "area.",
            partial(schedules_figure, [_share_panel(each) for each in drawn], caption=caption),
        ),
        Figure(
            "losses",
            "Learning curves",
            "",
            "For each regimen the training loss of original and of distilled words over the steps.",
            partial(losses_figure, [_loss_panel(each) for each in drawn], caption=caption),
        ),
    ]
    scored = [each for each in drawn if all(len(course.evaluated) for course in each.courses)]
    if scored:
        parts.append(
            Figure(
                "f1_on_the_way",
                "F1 on the way",
                "",
                "For each regimen F1 after so many steps.",
                partial(scores_figure, [_score_panel(each) for each in scored], caption=caption),
            )
        )
    parts.append(_table(trained))
    return Section(KEY, TITLE, _lead(run, courses, trained), tuple(parts))


def _trained(run: Run, courses: Mapping[str, Course]) -> list[_Trained]:
    several = len({line.mix for line in run.lines if line.mix}) > 1
    found = []
    for line in run.lines:
        names = [name for seed in run.seeds(line) for name in dict.fromkeys(name for name, _ in line.parts[seed])]
        known = tuple(courses[name] for name in names if name in courses)
        if known:
            name = f"{line.regimen}, {line.mix}" if several and line.mix else line.regimen
            found.append(_Trained(line, name, known))
    return found


def _lead(run: Run, courses: Mapping[str, Course], trained: Sequence[_Trained]) -> str:
    unknown = len(run.results) - len(courses)
    lead = (
        "W is the mean share of distilled sentences over training, its whole exposure to them. Regimens of another W "
        "differ in more than the order of the sources."
    )
    known = [each for each in trained if each.ahead is not None]
    deviating = [each for each in known if each.deviates]
    if known and not deviating:
        lead += (
            " What was shown is what was planned: at no step of any student were the distilled sentences more than "
            "the one that rounding takes ahead or behind."
        )
    elif deviating:
        named = "; ".join(
            f"{each.name} at {each.line.size:,} originals: {_number(each.realised)} where {_number(each.planned)} was "
            "planned"
            for each in deviating
        )
        lead += (
            f" What was shown is what was planned, rounding apart, except W of {named}. (What is planned of an "
            "adaptive regimen is its prior, which evidence lowers.)"
        )
    if len(known) < len(trained):
        lead += " Where a plan was not kept, what was planned is not known."
    if unknown:
        lead += f" Of {unknown:,} of the {len(run.results):,} students it is not known what they were shown."
    return lead


def _caption(run: Run, drawn: Sequence[_Trained], there: int) -> str:
    training = run.settings.training
    most = max(len(each.courses) for each in drawn)
    size = drawn[0].line.size
    left_out = f"; {there - len(drawn):,} more regimens are in the table" if there > len(drawn) else ""
    return (
        f"{run.settings.name}: {size:,} original sentences, {training.steps:,} steps of {training.batch_size}, "
        f"{'one student' if most == 1 else f'means over up to {most} students'} a regimen{left_out}"
    )


def _table(trained: Sequence[_Trained]) -> Table:
    rows, records = [], []
    for each in trained:
        line = each.line
        shown = np.mean([course.examples.sum(axis=0) for course in each.courses], axis=0)
        shares = [course.exposure for course in each.courses]
        apart = max(shares) - min(shares) > 5e-4
        rows.append(
            (
                line.regimen,
                line.mix or NOTHING,
                f"{line.size:,}",
                str(len(each.courses)),
                _number(each.planned),
                f"{each.realised:.3f}",
                f"{min(shares):.3f} to {max(shares):.3f}" if apart else NOTHING,
                f"{shown[0]:,.0f}",
                f"{shown[1]:,.0f}",
                NOTHING if each.ahead is None else f"{each.ahead:+.1f}",
            )
        )
        records.append(
            {
                "regimen": line.regimen,
                "mix": line.mix,
                "original_size": line.size,
                "students": len(each.courses),
                "planned_exposure": each.planned,
                "exposure": each.realised,
                "exposure_lowest": min(shares),
                "exposure_highest": max(shares),
                "original_shown": float(shown[0]),
                "distilled_shown": float(shown[1]),
                "most_ahead": each.ahead,
            }
        )
    return Table(
        "exposure",
        "Exposure",
        _HEADERS,
        tuple(rows),
        left=(*_HEADERS[:2], _HEADERS[6]),
        caption="Sentences shown to one student, repeats counted, means over the students. Most ahead or behind: the "
        "most distilled sentences by which a student had been shown more (+) or fewer (-) than planned at any step; "
        "up to 1 is rounding.",
        records=tuple(records),
    )


def _ahead(course: Course) -> float:
    assert course.planned is not None
    planned = np.cumsum(course.planned.astype(np.float64) * course.examples.sum(axis=1))
    ahead = np.cumsum(course.examples[:, 1]) - planned
    return float(ahead[np.abs(ahead).argmax()])


def _share_panel(each: _Trained) -> Panel:
    planned: npt.NDArray[np.float64] = np.zeros(0)
    if each.planned is not None:
        planned = np.array([course.planned for course in each.courses], np.float64).mean(axis=0)
    if len(planned) > _MOMENTS:
        planned = planned[((np.arange(_MOMENTS) + 0.5) / _MOMENTS * len(planned)).astype(int)]
    note = f"W {_number(each.realised)}" + ("" if each.planned is None else f", planned {_number(each.planned)}")
    steps = len(each.courses[0].learning_rate)
    shares = [_part(course.examples[:, 1], course.examples.sum(axis=1), _STAIRS) for course in each.courses]
    curves = {"distilled": _curve(_begins(steps, _STAIRS), np.array(shares), float(steps))}
    return Panel(each.name, note, curves, tuple(float(value) for value in planned))


def _loss_panel(each: _Trained) -> Panel:
    steps = len(each.courses[0].learning_rate)
    curves = {}
    for column, source in enumerate(_SOURCES):
        words = [course.words[:, column] for course in each.courses]
        sums = [np.nan_to_num(course.loss[:, column]) * course.words[:, column] for course in each.courses]
        values = np.array([_part(*pair, _POINTS) for pair in zip(sums, words, strict=True)])
        if not np.isnan(values).all():
            curves[source] = _curve(_begins(steps, _POINTS), values, float(steps))
    return Panel(each.name, _students(each), curves)


def _score_panel(each: _Trained) -> Panel:
    at = each.courses[0].evaluated
    same = [course.scores[:, 2] for course in each.courses if np.array_equal(course.evaluated, at)]
    scores = np.array(same, np.float64)
    curve = _curve(at, scores, float(len(each.courses[0].learning_rate)))
    return Panel(each.name, _students(each), {"F1": curve})


def _students(each: _Trained) -> str:
    return "1 student" if len(each.courses) == 1 else f"{len(each.courses)} students"


def _begins(steps: int, most: int) -> npt.NDArray[np.int64]:
    """The first steps of at most so many stretches of training."""
    edges: npt.NDArray[np.int64] = np.linspace(0, steps, min(steps, most) + 1).round().astype(np.int64)
    return edges[:-1]


def _part(some: npt.NDArray[np.number], whole: npt.NDArray[np.number], most: int) -> npt.NDArray[np.float64]:
    """What part `some` is of `whole` in each stretch of training; NaN where there is nothing."""
    begins = _begins(len(whole), most)
    above, below = (np.add.reduceat(values.astype(np.float64), begins) for values in (some, whole))
    parts: npt.NDArray[np.float64] = np.divide(above, below, out=np.full(len(begins), np.nan), where=below > 0)
    return parts


def _curve(at: npt.NDArray[np.int64], values: npt.NDArray[np.float64], end: float) -> Curve:
    """Mean, lowest and highest of the rows, without those that have no value; NaN where none has."""
    there = ~np.isnan(values)
    number = there.sum(axis=0)
    mean = np.divide(np.where(there, values, 0).sum(axis=0), number, out=np.full(len(at), np.nan), where=number > 0)
    low, high = np.where(there, values, np.inf).min(axis=0), np.where(there, values, -np.inf).max(axis=0)
    low, high = (np.where(number > 0, border, np.nan) for border in (low, high))
    columns = {"at": at, "mean": mean, "low": low, "high": high}
    return Curve(**{name: tuple(float(value) for value in column) for name, column in columns.items()}, end=end)


def _number(share: float | None) -> str:
    return NOTHING if share is None else f"{share:.3f}"
