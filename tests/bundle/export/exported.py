"""What the tests of exports share: a run whose every word can be told, and a look into whatever is packed."""

from __future__ import annotations

import base64
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from nerkd_local.demo.corpus import LABELS
from nerkd_local.evidence.run import Run, open_run
from nerkd_local.files import write_json, write_text
from tests.evidence.runs import write_run

WORD = "qxjzvk"
"""Begins every word of the sentences."""
ID = "wvkqzx"
"""Begins what the corpora call sentences and documents."""
EXAMPLE = "zqvxkw"
"""A mention that the settings give as an example of a label."""


def telling_run(root: Path) -> Run:
    """A finished run with studies, results and copies among its corpora, and one student's weights; its words, ids and
    settings hold the words above."""
    labels = {label: {"definition": f"names of kind {label}", "examples": [f"{EXAMPLE} {label}"]} for label in LABELS}
    annotator = {
        "name": "recorded",
        "engine": {"kind": "replay", "answers": root / "answers.jsonl"},
        "labels": labels,
        "prompt": "standard",
    }
    more = {
        "annotator": annotator,
        "annotator_study": {"corpus": {"path": "evaluation.jsonl"}, "formats": ["lines"]},
        "label_study": {"source": "news", "sizes": [10]},
        "allowed_duplicates": [f"{ID}news:0"],
    }
    settings = write_run(
        root, sizes=(10,), seeds=(0, 1), study=True, results=True, prefix=WORD, id_prefix=ID, copies=3, more=more
    )
    run = open_run(settings.output)
    for name in run.results:
        write_weights(run, name)
    return run


def write_weights(run: Run, name: str) -> None:
    """A student's folder, as far as an export looks at it: named files, and weights that are an array of zeros."""
    folder = run.folder.student(name) / "student"
    write_json(folder / "config.json", {"model_type": "bert"})
    write_json(folder / "tokenizer.json", {"version": "1.0"})
    write_text(folder / "README.md", "# A student\n")
    save_file({"weight": np.zeros((2, 2), np.float32)}, folder / "model.safetensors")


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file's name and bytes, and those of everything packed in it: archives, base64, gzip."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        yield name, content
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in archive.namelist():
                    yield f"{name}/{member}", archive.read(member)
                    yield f"{name}/{member}, as text", archive.read(member).replace(b"\0", b"")
        for found in re.findall(rb"[A-Za-z0-9+/]{100,}={0,2}", content):
            try:
                packed = base64.b64decode(found, validate=True)
            except ValueError:
                continue
            yield f"{name}, packed", gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed


def holding(folder: Path, word: str) -> list[str]:
    """What in the folder holds the word, in whatever case."""
    return [name for name, content in contents(folder) if word.encode() in content.lower() or word in name.lower()]
