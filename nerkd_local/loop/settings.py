"""Settings of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nerkd_local.annotate.settings import AnnotatorSettings, DemonstrationSettings, VoteSettings
from nerkd_local.config.experiment import NearDuplicateSettings, TrainingSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.settings import Settings, load_settings
from nerkd_local.train.identity import NOT_THE_RUN


class _Ask(Settings):
    sentences: Annotated[int, Field(ge=1)] = 100
    """How many a round: those on which student and annotator disagree most, none twice."""


class AskSamples(_Ask):
    """Ask the annotator the same again, several times, and let the answers vote."""

    kind: Literal["samples"] = "samples"
    votes: VoteSettings = VoteSettings()

    @model_validator(mode="after")
    def _all_of_them(self) -> Self:
        if self.votes.share < 1:
            raise ValueError("a loop asks its sentences because they are disputed; leave out votes.share")
        return self


class AskDemonstrations(_Ask):
    """Ask the annotator once more, with more worked examples, or others."""

    kind: Literal["demonstrations"] = "demonstrations"
    shots: Annotated[int, Field(ge=1)] = 8
    demonstrations: DemonstrationSettings = DemonstrationSettings()


class AskHuman(_Ask):
    """Write the questions to a file, and stop until the answers lie beside it."""

    kind: Literal["human"] = "human"


class LoopSettings(Settings):
    """One loop: what is labelled, by whom, who learns from it, and when to stop."""

    name: str
    output: Path
    """The run folder. Everything the loop makes is in it."""
    corpus: CorpusSettings
    """The sentences to annotate. Labels they may carry are hidden."""
    sample: Annotated[int, Field(ge=1)] | None = None
    """How many of them, drawn by the seed; all of them where it is not given."""
    original: CorpusSettings
    """Human-labelled sentences."""
    evaluation: CorpusSettings | None = None
    """The slice that gains are measured on; where it is not given, it is held out of the original sentences."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """The part of the original sentences that is held out then, by whole documents. Nothing is trained on it, and no
    prompt shows it."""
    annotator: AnnotatorSettings
    student: Path
    """A local folder with a pretrained encoder."""
    regimen: str = "simple_mix"
    training: TrainingSettings = TrainingSettings()
    near_duplicates: NearDuplicateSettings = NearDuplicateSettings()
    """Near copies of the sentences that gains are measured on: left out of what is learned from, or allowed."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2)
    """One student a round for each."""
    rounds: Annotated[int, Field(ge=1)] = 3
    """At most so many times something is asked again."""
    ask: Annotated[AskSamples | AskDemonstrations | AskHuman, Field(discriminator="kind")] = AskSamples()
    folds: Annotated[int, Field(ge=2)] = 3
    """Of the annotated sentences, so that each is judged by a student that did not learn its labels."""
    least_gain: float = 0.0005
    """F1 a minute (see `loop.verdict`): a round that brought less ends the loop."""
    patience: Annotated[int, Field(ge=1)] = 1
    """So many such rounds in a row, where it is not clear from the interval that they brought less."""
    sample_seed: int = 0
    accelerate: str = "cpu"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"

    @model_validator(mode="after")
    def _can_ask_again(self) -> Self:
        self.annotator_again()
        return self

    def annotator_again(self) -> AnnotatorSettings:
        """The annotator as disputed sentences are asked; as it is where a person is. Raises ValueError if it cannot."""
        ask = self.ask
        changes: dict[str, Any] = {}
        if isinstance(ask, AskSamples):
            changes = {"votes": ask.votes}
        elif isinstance(ask, AskDemonstrations):
            changes = {"shots": ask.shots, "demonstrations": ask.demonstrations}
        return AnnotatorSettings.model_validate({**dict(self.annotator), **changes})


MAY_CHANGE: Any = {
    **dict.fromkeys(("name", "output", "rounds", "least_gain", "patience", "accelerate", "workers"), True),
    **dict.fromkeys(("student", "annotator"), True),
    "training": NOT_THE_RUN & set(TrainingSettings.model_fields),
}
"""What another call on the same run folder may have otherwise. Annotator and student go by what they are, wherever they
lie: the stages compare that."""


def load_loop(path: Path, overrides: Sequence[str] = ()) -> LoopSettings:
    """The loop in a YAML file; the annotator may be named as in configs/annotators. See `load_settings`."""
    return load_settings(LoopSettings, path, overrides, named={"annotator": configs_folder("annotators")})
