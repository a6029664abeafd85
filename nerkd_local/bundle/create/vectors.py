"""What the self-test on the closed side must find, computed here by the functions that will compute it there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from nerkd_local.bundle.create.wheels import Wheel
from nerkd_local.bundle.selftest import VECTORS, student_spans, template_hash, token_ids

__all__ = ["VECTORS", "compute_vectors"]

STUDENT: Literal["demo-student"] = "demo-student"
LABELS = ("PER", "ORG", "LOC")
SENTENCES = (
    "Maria Sanchez of Acme Holdings flew from Lisbon to Oslo on Monday.",
    "The ministry in Berlin has rejected the offer of Norden Bank, said Peter Hansen.",
    "It rained.",
)
TEXTS = (*SENTENCES, "Zoë's naïve café – 東京 🙂 e\u0301", "")
MESSAGES = (
    {"role": "user", "content": "Mark the names in: Anna lives in Rome."},
    {"role": "assistant", "content": "Anna: PER"},
    {"role": "user", "content": "Mark the names in: It rained."},
)


def compute_vectors(wheels: Sequence[Wheel], imports: Sequence[str], models: Mapping[str, Path]) -> bytes:
    """selftest.json. `models` are the bundled ones: path on the closed side -> folder here.

    Raises whatever a library says of a model folder that it cannot read.
    """
    from nerkd_local.config.folders import models_folder

    spans = student_spans(models_folder(STUDENT), SENTENCES, LABELS)
    vectors: dict[str, Any] = {
        "packages": {wheel.name: wheel.version for wheel in wheels},
        "imports": sorted(imports),
        "student": {
            "model": STUDENT,
            "labels": list(LABELS),
            "sentences": [{"text": text, "spans": found} for text, found in zip(SENTENCES, spans, strict=True)],
        },
        "models": [_model(path, folder) for path, folder in sorted(models.items())],
    }
    return (json.dumps(vectors, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode("utf-8")


def _model(path: str, folder: Path) -> dict[str, Any]:
    ids = token_ids(folder, TEXTS)
    rendered = template_hash(folder, MESSAGES)
    return {
        "path": path,
        "texts": [{"text": text, "ids": found} for text, found in zip(TEXTS, ids, strict=True)],
        "template": {"messages": list(MESSAGES), "sha256": rendered} if rendered else None,
    }
