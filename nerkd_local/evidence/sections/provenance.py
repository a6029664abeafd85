"""Everything that is needed to believe a run's numbers, and to make them again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from nerkd_local.evidence.keep import neutral_settings
from nerkd_local.evidence.provenance import (
    CHECKING,
    annotation_origins,
    commands,
    corpus_digests,
    left_out,
    made_with,
    student_origins,
)
from nerkd_local.evidence.run import Run
from nerkd_local.report.parts import Part, Section, Table, Text
from nerkd_local.report.tables import NOTHING
from nerkd_local.settings import dump_settings

KEY, TITLE = "provenance", "Provenance"
_SHOWN = 24
"""Students that are listed; the CSV file has all, with whole digests."""
_SHORT = 12
"""Hexadecimal digits of a digest that are shown in a wide table."""


def section(run: Run) -> Section:
    """Digests, annotators, software and machines, settings, commands. Paths of a machine are not told."""
    lead = (
        "What went into these numbers, by digest (SHA-256), and the commands that make them again. Capitals stand for "
        "places on your machine: RUN for the folder of this run, DATA for that of the corpora, ENCODER for that of the "
        "encoder."
    )
    return Section(KEY, TITLE, lead, tuple(_parts(run)))


def _parts(run: Run) -> Iterator[Part]:
    yield Text(commands(run), code=True)
    yield Text("To check a digest:")
    yield Text(CHECKING, code=True)
    digests = corpus_digests(run)
    if digests:
        rows = tuple((each.what, "folder" if each.folder else "file", each.sha256) for each in digests)
        yield Table("corpora", "What went in", ("what", "kind", "SHA-256"), rows, left=("what", "kind", "SHA-256"))
    excluded = left_out(run)
    if excluded:
        counts = ", ".join(f"{count:,} of {name}" for name, count in excluded)
        yield Text(f"Left out of the corpora before sentences were drawn, as copies of others: {counts}.")
    yield from _annotations(run)
    headers = ("made with", "value", "students")
    counted = made_with(run)
    yield Table(
        "made_with",
        "Machines and software of the students",
        headers,
        tuple((what, value, f"{count:,}") for what, value, count in counted),
        left=headers[:2],
        caption="What is not recorded was trained by an earlier version.",
        records=tuple({"what": what, "value": value, "students": count} for what, value, count in counted),
    )
    yield _students(run)
    yield Text("The settings, resolved; of paths that belong to a machine the last two parts:")
    yield Text(dump_settings(neutral_settings(run.settings)), code=True)


def _annotations(run: Run) -> Iterator[Table]:
    found = annotation_origins(run)
    if not found:
        return
    # a column each: there are few, and there is much to say of them
    headers = ("annotation", *(each.name for each in found))
    facts = [
        ("annotator", [each.annotator for each in found]),
        ("engine", [each.engine for each in found]),
        ("model or answers", [_short(each.model_sha256) for each in found]),
        ("prompt", [f"{each.prompt} {_short(each.prompt_sha256)}" for each in found]),
        ("format", [each.format for each in found]),
        ("sampling", [each.sampling or NOTHING for each in found]),
        ("software", [each.software for each in found]),
        ("machine", [each.machine for each in found]),
        ("labels", [_short(each.labels_sha256) for each in found]),
    ]
    yield Table(
        "annotations",
        "Who labelled the sentences",
        headers,
        tuple((what, *values) for what, values in facts),
        left=headers,
        caption=f"Digests by their first {_SHORT} digits; the CSV file has them whole.",
        records=tuple(asdict(each) for each in found),
    )


def _students(run: Run) -> Table:
    found = student_origins(run)
    headers = ("student", "seed", "plan", "encoder", "original", "distilled", "evaluation")
    plans = len({each.plan for each in found})
    caption = f"{len(found):,} students of {plans:,} different plans"
    caption += f"; {_SHOWN} are shown, the CSV file has all." if len(found) > _SHOWN else "."
    return Table(
        "students",
        "What each student was made from",
        headers,
        tuple(
            (
                *(each.name, str(each.seed)),
                *(
                    _short(digest) or NOTHING
                    for digest in (each.plan, each.encoder, each.original, each.distilled, each.evaluation)
                ),
            )
            for each in found[:_SHOWN]
        ),
        left=tuple(header for header in headers if header != "seed"),
        caption=caption,
        records=tuple(asdict(each) for each in found),
    )


def _short(digest: str) -> str:
    return digest[:_SHORT] if len(digest) >= 64 else digest
