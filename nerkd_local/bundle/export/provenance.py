"""Digests of what went into a run's numbers, as one JSON object: what the report's last section says, for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nerkd_local.bundle.export.students import student_files
from nerkd_local.evidence.provenance import annotation_origins, corpus_digests, made_with, student_origins
from nerkd_local.evidence.run import Run
from nerkd_local.fingerprints import digest_file


def describe_provenance(run: Run, students: Sequence[str]) -> dict[str, Any]:
    """Corpora, encoders, annotators' models, software and machines, by SHA-256 where there is one, and of the
    `students` that go out each file's."""
    origins = [asdict(origin) for origin in student_origins(run)]
    for origin in origins:
        name = origin["name"]
        origin["files"] = (
            {path.name: digest_file(path) for path in student_files(run, name)} if name in students else {}
        )
    return {
        "run": run.settings.name,
        "inputs": [asdict(each) for each in corpus_digests(run)],
        "annotators": [asdict(each) for each in annotation_origins(run)],
        "made_with": [{"what": what, "value": value, "students": count} for what, value, count in made_with(run)],
        "students": origins,
    }
