"""Settings of a whole experiment: annotate, mix, train, score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.settings import Settings
from nerkd_local.train.settings import StudentSettings


class OriginalSettings(Settings):
    """The human-labelled sentences: seeded subsets of one corpus, each inside the next larger one."""

    corpus: CorpusSettings
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class DistilledSettings(Settings):
    """One source of sentences for the annotator. Labels the corpus may carry are hidden from it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    corpus: CorpusSettings
    sample: Annotated[int, Field(ge=1)] | None = None
    """How many sentences to annotate, drawn by the seed; all of them where it is not given."""


class TrainingSettings(StudentSettings):
    """What every student of the experiment shares."""

    steps: Annotated[int, Field(ge=1)] = 250
    """Optimizer steps."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Examples a step, over all processes."""


class ExperimentSettings(Settings):
    """One experiment: every regimen x original size x seed, at equal steps, on one evaluation corpus."""

    name: str
    output: Path
    """The run folder. Everything the experiment makes is in it."""
    data_root: Path = Path()
    """The folder that corpus paths are relative to."""
    student: Path
    """A local folder with a pretrained encoder."""
    annotator: AnnotatorSettings
    original: OriginalSettings
    distilled: Annotated[tuple[DistilledSettings, ...], Field(min_length=1)]
    evaluation: CorpusSettings
    exclude_duplicates: bool = True
    """Leave out training sentences whose text stands in the evaluation corpus, and distilled ones whose text
    stands among the original ones. They are counted and named either way."""
    regimens: Annotated[tuple[str, ...], Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """One student for each: its initial head, its order of examples, its dropout."""
    sample_seed: int = 0
    """Draws the subsets and worked examples."""
    accelerate: str = "cpu"
    """Which of configs/accelerate starts the trainer."""

    @field_validator("distilled")
    @classmethod
    def _names_differ(cls, sources: tuple[DistilledSettings, ...]) -> tuple[DistilledSettings, ...]:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise ValueError(f"two sources have the same name: {', '.join(names)}")
        return sources

    @field_validator("regimens")
    @classmethod
    def _regimens_differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        stems = [Path(name).stem for name in names]  # what folders and tables call them
        if len(set(stems)) != len(stems):
            raise ValueError(f"two regimens have the same name: {', '.join(names)}")
        return names

    def corpus(self, settings: CorpusSettings) -> CorpusSettings:
        """Corpus settings with the path below `data_root`."""
        return settings.model_copy(update={"path": self.data_root / settings.path})
