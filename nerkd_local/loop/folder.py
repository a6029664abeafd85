"""Where everything of a loop lies, and the clock of each round."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.experiment.folder import RunFolder
from nerkd_local.files import read_json, write_json


@dataclass(frozen=True, slots=True)
class RoundFolder:
    """Paths of one round."""

    root: Path

    @property
    def row(self) -> Path:
        """What came out; the round is finished when it is there."""
        return self.root / "round.json"

    @property
    def opinions(self) -> Path:
        """The folder of the students that judge the labels of the round before."""
        return self.root / "opinions"

    @property
    def questions(self) -> Path:
        """The sentences that are asked: for an annotator without labels, for a person with both sides' labels."""
        return self.root / "questions.jsonl"

    @property
    def answers(self) -> Path:
        """A person's answers."""
        return self.root / "answers.jsonl"

    @property
    def annotation(self) -> Path:
        """The folder of the annotator's answers."""
        return self.root / "annotation"

    @property
    def original(self) -> Path:
        """The human-labelled sentences that the round's students are trained on."""
        return self.root / "original.jsonl"

    @property
    def distilled(self) -> Path:
        """The annotated ones."""
        return self.root / "distilled.jsonl"

    @property
    def asked(self) -> Path:
        """What the questions came to: how many, how many labels changed, how many answers were no use."""
        return self.root / "asked.json"

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add what the block takes to the stage's seconds, whether or not it comes to its end.

        A process that is killed loses the seconds of its last stage.
        """
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = self.seconds()
            seconds[stage] = round(seconds.get(stage, 0.0) + time.monotonic() - began, 3)
            write_json(self._clock, seconds)

    def seconds(self) -> dict[str, float]:
        """By stage, so far."""
        return dict(read_json(self._clock)) if self._clock.exists() else {}

    @property
    def _clock(self) -> Path:
        return self.root / "seconds.json"


@dataclass(frozen=True, slots=True)
class LoopFolder:
    """Paths inside a loop's run folder."""

    root: Path

    @property
    def run(self) -> RunFolder:
        """The corpora, the first annotation and the students of all rounds, as an experiment has them."""
        return RunFolder(self.root)

    @property
    def settings(self) -> Path:
        """The resolved settings."""
        return self.root / "loop.yaml"

    @property
    def student(self) -> Path:
        """The digest of the encoder that students begin as."""
        return self.root / "student.sha256"

    def round(self, number: int) -> RoundFolder:
        """The folder of one round; round 0 is the first annotation."""
        return RoundFolder(self.root / "rounds" / str(number))

    @property
    def rounds(self) -> Path:
        """What came out of each round so far, a line each."""
        return self.root / "rounds.jsonl"
