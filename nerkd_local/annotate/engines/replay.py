"""Recorded answers as an engine: the same interface, no model.

For answers made elsewhere, or made earlier by a model that is no longer at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from nerkd_local.annotate.completer import Completion, Request
from nerkd_local.annotate.prompts import text_line, text_of
from nerkd_local.annotate.settings import ReplaySettings
from nerkd_local.errors import InputError
from nerkd_local.files import existing_file, read_json_lines
from nerkd_local.quoting import quoted


def answer_files(settings: ReplaySettings) -> list[Path]:
    """The files of recorded answers: the one named, or a folder's `*.jsonl`. Raises InputError if there is none."""
    if not settings.answers.is_dir():
        return [existing_file(settings.answers)]
    files = sorted(settings.answers.glob("*.jsonl"))
    if not files:
        raise InputError("holds no *.jsonl file of recorded answers; check the path", path=settings.answers)
    return files


class ReplayCompleter:
    """Looks each text up. Two different answers for one text, or none, is an InputError."""

    def __init__(self, settings: ReplaySettings) -> None:
        self._path = settings.answers
        self._answers: dict[str, str] = {}
        places: dict[str, str] = {}
        for path in answer_files(settings):
            for number, record in read_json_lines(path):
                text, answer = record.get("text"), record.get("answer")
                if not isinstance(text, str) or not isinstance(answer, str):
                    raise InputError(
                        "a recorded answer needs `text` and `answer`, both strings", path=path, line=number
                    )
                key = text_line(text)
                if self._answers.setdefault(key, answer) != answer:
                    raise InputError(
                        f"another answer to the same text than in {places[key]}; keep one", path=path, line=number
                    )
                places.setdefault(key, f"{path.name}:{number}")

    in_flight = 1

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Each answer in the order asked; token counts are 0, as none were spent."""
        for request in requests:
            if request is None:
                continue
            text = text_of(request.messages)
            answer = self._answers.get(text_line(text))
            if answer is None:
                raise InputError(f"no answer is recorded for the text {quoted(text)}", path=self._path)
            yield Completion(request.key, answer, "stop", 0, 0)

    def close(self) -> None:
        """Nothing to free."""
