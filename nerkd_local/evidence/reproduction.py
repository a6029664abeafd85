"""What came of a run done again: the verdict, as Markdown and as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nerkd_local.evidence.repeated import PARTS, VERDICTS, Finding
from nerkd_local.report.tables import markdown_table

_LISTED = 12
"""Findings of a part and verdict that the Markdown lists; the JSON file has all."""


@dataclass(frozen=True)
class Reproduction:
    """What was repeated of a run, where, and what was found. `made_with`: of whatever was not the same, what it was and
    what it is. `threads` are those that the first students were trained with, where they are on record. `taken`
    names the annotations that were copied from the run, and not made again."""

    name: str
    run: Path
    output: Path
    students: tuple[str, ...]
    of: int
    changed: tuple[str, ...]
    threads: int | None
    findings: tuple[Finding, ...]
    made_with: tuple[tuple[str, str, str], ...]
    taken: tuple[str, ...] = ()

    @property
    def differs(self) -> list[Finding]:
        """What is neither bit-equal nor within noise."""
        return [finding for finding in self.findings if finding.verdict == "differs"]

    @property
    def verdict(self) -> str:
        """In a sentence."""
        counts = Counter(finding.verdict for finding in self.findings)
        compared = sum(counts.values()) - counts["not compared"]
        more = f" {counts['not compared']:,} more are not compared." if counts["not compared"] else ""
        if counts["bit-equal"] == compared:
            return f"All {compared:,} findings are bit-equal.{more}"
        parts = [f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS[:3] if counts[verdict]]
        return f"Of {compared:,} findings: {', '.join(parts)}.{more}"


def describe_reproduction(found: Reproduction) -> str:
    """The report in Markdown."""
    lines = [f"# {found.name}, reproduced", "", found.verdict, ""]
    lines.append(
        f"{len(found.students):,} of {found.of:,} students of `{found.run}` were trained again in `{found.output}`"
        + (f", with {', '.join(f'`--set {each}`' for each in found.changed)}" if found.changed else "")
        + "."
    )
    lines += ["", _counts_table(found.findings).rstrip()]
    for verdict, title in (("differs", "What differs"), ("within noise", "Within noise")):
        some = [finding for finding in found.findings if finding.verdict == verdict]
        lines += _list_findings(some, title)
    skipped: dict[str, list[str]] = defaultdict(list)
    for finding in found.findings:
        if finding.verdict == "not compared":
            skipped[finding.detail].append(finding.name)
    for why, them in skipped.items():
        lines += ["", f"Not compared: {', '.join(them)} ({why})."]
    lines += ["", "## Made with", "", *_made_with_lines(found), "", _MEANING]
    return "\n".join(lines) + "\n"


_MEANING = """\
Bit-equal: the same bytes, or the same number to the last bit. Within noise: no further from the first than 95 of 100
pairs of the run's own students are apart that differ in the seed alone, on as many human labels (means over k seeds: by
the square root of k less). That is the most that rounding on another machine is taken to do; a change that moves a
number less is not told from it. Corpora, annotations and what students are made from are equal or not."""


def _counts_table(findings: Sequence[Finding]) -> str:
    rows = []
    for part, what in PARTS.items():
        counts = Counter(finding.verdict for finding in findings if finding.part == part)
        if counts:
            rows.append((what, *(f"{counts[verdict]:,}" for verdict in VERDICTS)))
    return markdown_table(("", *VERDICTS), rows, left=("",))


def _list_findings(findings: Sequence[Finding], title: str) -> list[str]:
    if not findings:
        return []
    lines = ["", f"## {title}"]
    for part, what in PARTS.items():
        some = sorted((finding for finding in findings if finding.part == part), key=_moved, reverse=True)
        if some:
            most = f", of {len(some):,} those that moved most" if len(some) > _LISTED else ""
            lines += ["", f"{what[0].upper()}{what[1:]}{most}:", "", *map(_describe, some[:_LISTED])]
    return lines


def _moved(finding: Finding) -> float:
    """How far a number has moved, in what it may move within noise; 0 for what is no number."""
    if finding.first is None or finding.again is None:
        return 0.0
    moved = abs(finding.again - finding.first)
    return moved / finding.bound if finding.bound else moved


def _describe(finding: Finding) -> str:
    words = finding.detail
    if not words and finding.first is not None and finding.again is not None:
        words = f"{finding.first:.6g}, then {finding.again:.6g} ({finding.again - finding.first:+.2g})"
    bound = "" if finding.bound is None else f"; another seed moves it by up to {finding.bound:.2g}"
    return f"- {finding.name}: {words}{bound}"


def _made_with_lines(found: Reproduction) -> Iterator[str]:
    if found.made_with:
        yield markdown_table(("", "first", "again"), found.made_with, left=("", "first", "again")).rstrip()
    else:
        yield "The same machine, packages and settings of both, as far as they are recorded."
    if found.threads is None:
        yield ""
        yield (
            "How many threads the first students were trained with is not recorded; another number is another rounding "
            "(`--set training.threads=N`)."
        )


def reproduction_record(found: Reproduction) -> dict[str, Any]:
    """The report as plain JSON, with every finding."""
    findings = [
        {name: value for name, value in asdict(finding).items() if value not in (None, "")}
        for finding in found.findings
    ]
    return {
        "name": found.name,
        "run": str(found.run),
        "verdict": found.verdict,
        "students": list(found.students),
        "students_total": found.of,
        "settings_changed": list(found.changed),
        "threads": found.threads,
        "annotations_taken": list(found.taken),
        "made_with": [{"what": what, "first": first, "again": again} for what, first, again in found.made_with],
        "findings": findings,
    }
