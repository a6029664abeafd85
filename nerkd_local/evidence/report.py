"""The report of a run: every section with its figures and tables as files, and the page that shows them all."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from nerkd_local import __version__
from nerkd_local.errors import InputError
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.evidence.sections import (
    annotator,
    answer,
    costs,
    courses,
    overlaps,
    phases,
    provenance,
    regimens,
    where,
)
from nerkd_local.evidence.sentences import browser_sentences
from nerkd_local.experiment.summary import student_name
from nerkd_local.files import sync_folder, write_text
from nerkd_local.report.page.render import render_page
from nerkd_local.report.parts import Figure, Part, Report, Section, Sentences, Table
from nerkd_local.report.tables import write_table

PAGE = "index.html"
_PARTS = {PAGE, "figures", "tables"}
_NO_NAME = re.compile(r"[^A-Za-z0-9@+=_.-]|^\.")
_LONGEST = 100
_NO_TEXTS = "the run was kept without its texts; nerkd report on the run folder itself has them"
_NOT_WANTED = "they were left out on request"


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report is to hold. `priced_by` and `minutes_per_original` are for the costs (see `sections.costs`)."""

    sentences: bool = True
    """Without: no sentence of a corpus is in it."""
    priced_by: tuple[Path, ...] = ()
    minutes_per_original: float | None = None
    ids: bool = True
    """Without: neither is what a corpus calls its sentences. A name can tell as much as a text."""


DEFAULT = ReportOptions()


def write_report(
    path: Path,
    output: Path | None = None,
    options: ReportOptions = DEFAULT,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write the report of the run in `path` to `output`, by default its folder `report`; returns the page.

    There are `index.html`, which needs no other file, and each figure as SVG and PNG and each table as CSV and LaTeX
    beside it. The same run gives the same bytes. The folder is there as a whole or not at all; an earlier report is
    replaced. `say` hears what is made. Raises InputError for a folder that holds anything else, where there is no run,
    and for files of the run that are damaged.
    """
    return write_report_of(open_run(path), output or path / "report", options, say)


def write_report_of(
    run: Run, target: Path, options: ReportOptions = DEFAULT, say: Callable[[str], None] = lambda line: None
) -> Path:
    """As `write_report`, of a run that was opened before."""
    _check_target(target)
    report = make_report(run, options, say)
    with _whole_folder(target) as folder:
        drawings = _write_parts(report.sections, folder, say)
        say("page")
        write_text(folder / PAGE, render_page(report, drawings))
    return target / PAGE


def make_report(run: Run, options: ReportOptions = DEFAULT, say: Callable[[str], None] = lambda line: None) -> Report:
    """All that the page shows; figures are not drawn yet."""
    made = []
    for name, build in _sections(options):
        say(name)
        made.append(build(run))
    shown = None
    if options.sentences and _has_texts(run):
        say("sentences")
        shown = browser_sentences(run)
    return Report(
        title=run.settings.name,
        answer=answer.answer(run),
        facts=_facts(run),
        sections=_with_file_names([_as_wanted(section, options) for section in made]),
        sentences=shown,
        cautions=(*answer.cautions(run), *_no_sentences(shown, options.sentences)),
    )


def _sections(options: ReportOptions) -> tuple[tuple[str, Callable[[Run], Section]], ...]:
    """What is shown, in its order, with what is said while it is made."""
    return (
        ("answer", answer.section),
        ("F1 by regimen", regimens.section),
        ("where the difference is", where.section),
        ("schedules and learning curves", courses.section),
        (
            "costs",
            partial(costs.section, priced_by=options.priced_by, minutes_per_original=options.minutes_per_original),
        ),
        ("the annotator", annotator.section),
        ("overlaps", overlaps.section),
        ("the paper's phases", phases.section),
        ("provenance", provenance.section),
    )


def _has_texts(run: Run) -> bool:
    return any(run.folder.corpus.glob("*.jsonl"))


def _no_sentences(shown: Sentences | None, wanted: bool) -> tuple[str, ...]:
    """Why there are none, and how to get them."""
    return () if shown else (f"There are no sentences to leaf through: {_NO_TEXTS if wanted else _NOT_WANTED}.",)


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    settings = run.settings
    sizes = ", ".join(f"{size:,}" for size in sorted(set(settings.original.sizes)))
    distilled = dict.fromkeys(
        f"{source.name} ({settings.annotator_of(source.annotator).name})" for source in settings.distilled
    )
    lines = run.lines
    scored = settings.evaluation.path.name if settings.evaluation else "the original sentences, by folds"
    if lines:
        documents = run.documents(lines[0].size)
        scored += f" ({len(documents):,} sentences, {len(set(documents.tolist())):,} documents)"
    return (
        ("student", student_name(settings)),
        ("original sentences", sizes),
        ("distilled sources", ", ".join(distilled)),
        ("scored on", scored),
        ("training", f"{settings.training.steps:,} steps of {settings.training.batch_size} sentences"),
        ("regimens", f"{len({line.regimen for line in lines}):,}"),
        ("students", f"{len(run.results):,}"),
        ("seeds", ", ".join(map(str, settings.seeds))),
        ("nerkd-local", __version__),
    )


def _as_wanted(section: Section, options: ReportOptions) -> Section:
    """Without the parts that tell more than is wanted."""
    kept = tuple(
        part
        for part in section.parts
        if isinstance(part, Figure)
        or ((options.sentences or not part.quotes) and (options.ids or not (isinstance(part, Table) and part.names)))
    )
    return section if len(kept) == len(section.parts) else replace(section, parts=kept)


def _with_file_names(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The same sections, their figures and tables named so that a file can be called so, none twice of a kind: in a
    name there may be a regimen's, which is anybody's text."""
    taken: set[tuple[type, str]] = set()
    named = []
    for section in sections:
        parts: list[Part] = []
        for part in section.parts:
            if isinstance(part, Figure | Table):
                plain = _NO_NAME.sub("_", part.name)[:_LONGEST] or "_"
                numbered = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
                name = next(name for name in numbered if (type(part), name.casefold()) not in taken)
                taken.add((type(part), name.casefold()))
                part = replace(part, name=name)
            parts.append(part)
        named.append(replace(section, parts=tuple(parts)))
    return tuple(named)


def _write_parts(sections: Sequence[Section], folder: Path, say: Callable[[str], None]) -> Mapping[str, str]:
    """Write every figure and table; returns the figures' SVG text by name."""
    drawings = {}
    for section in sections:
        for part in section.parts:
            if isinstance(part, Figure):
                say(f"figure {part.name}")
                for suffix in ("png", "svg"):
                    part.draw(folder / "figures" / f"{part.name}.{suffix}")
                drawings[part.name] = (folder / "figures" / f"{part.name}.svg").read_text(encoding="utf-8")
            elif isinstance(part, Table):
                write_table(part, folder / "tables")
    return drawings


def _check_target(target: Path) -> None:
    if target.is_dir():
        others = sorted({entry.name for entry in target.iterdir()} - _PARTS)
        if others:
            raise InputError(f"holds {others[0]!r}, which is not of a report; name another folder", path=target)
    elif target.exists() or target.is_symlink():
        raise InputError("is a file; name a folder for the report", path=target)


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder to write into: it takes the place of `target` when the block ends well, and leaves nothing otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        folder = made / "new"
        folder.mkdir()
        yield folder
        if target.exists():
            os.replace(target, made / "old")
        os.replace(folder, target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)
