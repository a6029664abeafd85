"""A small search with a scripted engine: a corpus on which the best candidate is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.settings import EngineSettings, ScriptedSettings
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import Document, Span, from_words
from nerkd_local.settings import make_settings
from nerkd_local.tune.settings import TuneSettings
from tests.fakes.completer import Script, ScriptedCompleter

LABELS = {"PER": "people", "ORG": "organisations", "LOC": "places", "MISC": "other names"}
NAMES = ("Ann", "Rome", "Bobby", "Berlin", "Chelsea", "Kim", "Oslo", "Tokyo")


def label_of(name: str) -> str:
    """The type that the scripted engine gives a name: by its length."""
    return list(LABELS)[len(name) % len(LABELS)]


def sentences(count: int, *, in_documents_of: int = 3) -> list[Document]:
    """So many sentences, all different, with one mention each, labelled as the script `capitals` would."""
    made = []
    for number in range(count):
        name = NAMES[number % len(NAMES)]
        meta = {"document": f"d{number // in_documents_of}"}
        span = Span(7, 7 + len(name), label_of(name))
        made.append(from_words(f"s{number}", ["we", "met", name, "at", f"gate{number}"], (span,), meta))
    return made


def annotator(script: str, **more: Any) -> dict[str, Any]:
    """Settings of an annotator behind the scripted engine."""
    return {"name": script, "engine": {"kind": "scripted", "script": script}, "labels": LABELS, **more}


def tune_settings(folder: Path, corpus: Sequence[Document], **more: Any) -> TuneSettings:
    """A search in `folder` over the corpus; what is not given is the smallest."""
    write_documents(folder / "corpus.jsonl", corpus)
    values: dict[str, Any] = {
        "name": "a search",
        "output": folder / "out",
        "corpus": {"path": folder / "corpus.jsonl"},
        "annotators": {"good": annotator("capitals"), "blind": annotator("none")},
        "formats": ["lines"],
        "halving": {"first": 8, "factor": 2, "keep": 0.5},
    }
    return make_settings(TuneSettings, **{**values, **more})


def fake_engines(
    scripts: dict[str, Script], started: list[str], **how: Any
) -> Callable[[EngineSettings, Path], Completer]:
    """Engines that answer by the script that the settings' `script` names; `started` notes each start."""

    def start(settings: EngineSettings, logs: Path) -> Completer:
        assert isinstance(settings, ScriptedSettings)
        started.append(settings.script)
        return ScriptedCompleter(scripts[settings.script], **how)

    return start


def quiet(line: str) -> None:
    """Says nothing."""
