"""Settings of a whole experiment: annotate, mix, train, score."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nerkd_local.annotate.retrieval import retrieves
from nerkd_local.annotate.settings import AnnotatorSettings, FormatName, PromptName
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.near import SIMILARITY
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import nearest
from nerkd_local.files import read_text
from nerkd_local.regimen.catalog import regimen_label
from nerkd_local.select.settings import Policy, needs_calibration, needs_opinions
from nerkd_local.settings import EntityType, Settings, load_settings
from nerkd_local.train.settings import StudentSettings

SelectionName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]


class OriginalSettings(Settings):
    """The human-labelled sentences: seeded subsets of one corpus, each inside the next larger one."""

    corpus: CorpusSettings
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class DistilledSettings(Settings):
    """One source of sentences for an annotator. Labels the corpus may carry are hidden from it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    corpus: CorpusSettings
    sample: Annotated[int, Field(ge=1)] | None = None
    """How many sentences to annotate, drawn by the seed; all of them where it is not given."""
    annotator: str | None = None
    """A key of `other_annotators`; where it is not given, the experiment's `annotator`."""


class MixSettings(Settings):
    """Which distilled sources a student may read, together."""

    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of `distilled`."""
    regimens: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Where not all of the experiment's regimens are wanted with it."""
    sizes: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Where it is not wanted beside all of `original.sizes`. Students that read no distilled labels have every size."""
    amounts: Annotated[tuple[Literal["all"] | Annotated[int, Field(ge=1)], ...], Field(min_length=1)] | None = None
    """How many of its sentences: a mix of its own for each amount, with a seeded subset that is inside every larger one
    and has its share of each source. Counted after selection; where it is not given, all."""
    selection: str | None = None
    """A key of `selections`: which of their labels. Where it is not given, all."""

    @property
    def name(self) -> str:
        """What folders and tables call it."""
        amount = "" if self.amount is None else f"={self.amount}"
        return self.whole_name + amount

    @property
    def whole_name(self) -> str:
        """The name of the mix with all its sentences."""
        return "+".join(self.sources) + (f"~{self.selection}" if self.selection else "")

    @property
    def amount(self) -> int | None:
        """How many sentences a mix of one amount has; None for all of them."""
        first = self.amounts[0] if self.amounts and len(self.amounts) == 1 else "all"
        return None if first == "all" else first

    @property
    def by_amount(self) -> tuple[MixSettings, ...]:
        """A mix for each amount, ascending; `all` comes last, and has the name of a mix without amounts."""
        if self.amounts is None:
            return (self,)
        ascending = sorted(set(self.amounts), key=lambda amount: math.inf if amount == "all" else amount)
        return tuple(self.model_copy(update={"amounts": (amount,)}) for amount in ascending)


class OpinionSettings(Settings):
    """The cross-fitted students whose opinions selections ask for: trained as the experiment's are, on the smallest
    number of human labels and the annotator's labels of the other folds."""

    folds: Annotated[int, Field(ge=2)] = 5
    """As many students for each distilled source."""
    entity_disjoint: bool = False
    """No student is trained on a mention that its fold has; only where texts share few of them."""
    regimen: str = "simple_mix"
    seed: int = 1
    """Deals out the folds, and is the students' seed."""


class FoldSettings(Settings):
    """Scoring by k-fold cross-validation, for those who have no sentence to spare for an evaluation corpus."""

    count: Annotated[int, Field(ge=3)] = 5
    nested: bool = True
    """Also choose a regimen on inner folds, and score that choice on the outer ones: what a user who picks the
    best regimen may expect of it. Costs (count - 1) / 2 times as many students again."""


class LabelStudySettings(Settings):
    """The same sentences with human against LLM labels, nested sizes, otherwise the same student."""

    source: str
    """A name of `distilled` whose corpus carries human labels."""
    sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


class AnnotatorStudySettings(Settings):
    """One annotator under every prompt and answer format, against human labels."""

    annotator: str | None = None
    """A key of `other_annotators`; where it is not given, the experiment's `annotator`."""
    corpus: CorpusSettings
    sample: Annotated[int, Field(ge=1)] | None = None
    prompts: Annotated[tuple[PromptName, ...], Field(min_length=1)] = ("standard",)
    formats: Annotated[tuple[FormatName, ...], Field(min_length=1)] = ("lines", "json")


class TrainingSettings(StudentSettings):
    """What every student of the experiment shares."""

    steps: Annotated[int, Field(ge=1)] = 250
    """Optimizer steps."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Examples a step, over all processes."""


class StudentsSettings(Settings):
    """What students have in common that are trained in one run folder, side by side."""

    student: Path
    """A local folder with a pretrained encoder."""
    labels: Annotated[tuple[EntityType, ...], Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    accelerate: str = "cpu"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    keep_students: bool = True
    """False: a student's weights are removed when it is scored; its predictions and counts stay."""
    scored_as: str | None = None
    """What the students' cards call the file they are scored on; by its name among a student's evaluations otherwise.
    """


class NearDuplicateSettings(Settings):
    """Training sentences that are nearly one of those that students are scored on (see `corpus.near`)."""

    similarity: Annotated[float, Field(gt=0, le=1)] = SIMILARITY
    """From which Jaccard index of their shingles on."""
    allow: bool = False
    """Leave them in. They are counted and named either way."""


class PhaseSettings(Settings):
    """What of this run answers which part of a paper, and what the paper leaves open."""

    phase: str
    paper: str
    """What the paper says of it, as far as that is known here."""
    shows: Annotated[tuple[str, ...], Field(min_length=1)]
    """Files below the run folder, and sections of its report (`report: KEY`)."""
    unstated: tuple[str, ...] = ()
    """What is not known here of the paper's own experiment, and what this run does in its place."""


class ExperimentSettings(Settings):
    """One experiment: every regimen x mix of distilled sources x original size x seed, at equal steps."""

    name: str
    output: Path
    """The run folder. Everything the experiment makes is in it."""
    data_root: Path = Path()
    """The folder that corpus paths are relative to."""
    student: Path
    """A local folder with a pretrained encoder."""
    annotator: AnnotatorSettings
    other_annotators: dict[str, AnnotatorSettings] = Field(default_factory=dict)
    """Further annotators by name, for the sources and studies that ask for one. Their labels are the same."""
    original: OriginalSettings
    distilled: Annotated[tuple[DistilledSettings, ...], Field(min_length=1)]
    mixes: Annotated[tuple[MixSettings, ...], Field(min_length=1)] | None = None
    """Where it is not given: all distilled sources together."""
    selections: dict[SelectionName, Policy] = Field(default_factory=dict)
    """By a name for each, which labels students are to learn from; for the mixes that ask for one."""
    opinions: OpinionSettings = OpinionSettings()
    evaluation: CorpusSettings | None = None
    """Human-labelled sentences that no student is trained on. This or `folds`."""
    folds: FoldSettings | None = None
    """Score on the original sentences themselves, each by students that did not see it."""
    exclude_duplicates: bool = True
    """Leave out training sentences whose text stands in the evaluation corpus, and distilled ones whose text
    stands among the original ones. They are counted and named either way. False leaves in near duplicates too."""
    near_duplicates: NearDuplicateSettings = NearDuplicateSettings()
    allowed_duplicates: tuple[str, ...] = ()
    """Ids of sentences, as their corpora have them, that are left in although they are duplicates, exact or near."""
    regimens: Annotated[tuple[str, ...], Field(min_length=1)]
    training: TrainingSettings = TrainingSettings()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """One student for each: its initial head, its order of examples, its dropout."""
    sample_seed: int = 0
    """Draws the subsets, the folds and the worked examples."""
    accelerate: str = "cpu"
    """Which of configs/accelerate starts the trainer."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Students trained side by side where `accelerate` says one process: `auto` is one a GPU, or one a core. With more
    processes a student, one student at a time."""
    keep_students: bool = True
    """False: a student's weights are removed when it is scored; its predictions and counts stay."""
    annotator_study: AnnotatorStudySettings | None = None
    label_study: LabelStudySettings | None = None
    phases: tuple[PhaseSettings, ...] = ()
    """Where the experiment follows a paper: which of its figures and tables stand for what there."""

    @field_validator("distilled")
    @classmethod
    def _names_differ(cls, sources: tuple[DistilledSettings, ...]) -> tuple[DistilledSettings, ...]:
        _all_differ("sources", [source.name for source in sources])
        return sources

    @field_validator("regimens")
    @classmethod
    def _regimens_differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        # what folders and tables call them
        _all_differ("regimens", [regimen_label(name) for name in names])
        return names

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if (self.evaluation is None) == (self.folds is None):
            raise ValueError("give either `evaluation` (a corpus) or `folds`")
        if self.folds and any(map(retrieves, (self.annotator, *self.other_annotators.values()))):
            raise ValueError(
                "`folds` score on the original sentences, from which worked examples are retrieved; give an evaluation "
                "corpus, or set demonstrations.kind: static"
            )
        sources = {source.name for source in self.distilled}
        for mix in self.all_mixes:
            for name in mix.sources:
                if name not in sources:
                    raise ValueError(f"mixes: no distilled source is called {name!r}{nearest(name, sources)}")
            _all_differ("sources of a mix", list(mix.sources))
            self.policy_of(mix)
            self._check_mix_sizes(mix)
        _all_differ("mixes", [mix.name for mix in self.all_mixes])
        if self.label_study and self.label_study.source not in sources:
            raise ValueError(f"label_study: no distilled source is called {self.label_study.source!r}")
        for annotator_name in (source.annotator for source in self.distilled):
            self.annotator_of(annotator_name)
        if self.annotator_study:
            self.annotator_of(self.annotator_study.annotator)
        for name, annotator in self.other_annotators.items():
            if set(annotator.labels) != set(self.annotator.labels):
                raise ValueError(f"other_annotators.{name} has other labels than the annotator")
        return self

    @property
    def students(self) -> StudentsSettings:
        """What its students have in common."""
        return StudentsSettings(
            student=self.student,
            labels=tuple(self.annotator.labels),
            training=self.training,
            accelerate=self.accelerate,
            workers=self.workers,
            keep_students=self.keep_students,
            scored_as=self.evaluation.path.name if self.evaluation else None,
        )

    @property
    def all_mixes(self) -> tuple[MixSettings, ...]:
        """`mixes`, each with its amounts as so many mixes, or the one of all sources."""
        mixes = self.mixes or (MixSettings(sources=tuple(source.name for source in self.distilled)),)
        return tuple(each for mix in mixes for each in mix.by_amount)

    def _check_mix_sizes(self, mix: MixSettings) -> None:
        unknown = sorted(set(mix.sizes or ()) - set(self.original.sizes))
        if unknown:
            raise ValueError(f"mixes: {mix.name} names size {unknown[0]}, which is not one of original.sizes")
        # said before anything is annotated; what selection and unusable answers leave is known only afterwards
        samples = [source.sample for source in self.distilled if source.name in mix.sources]
        drawn = sum(sample or 0 for sample in samples)
        if mix.amount is not None and None not in samples and mix.amount > drawn:
            raise ValueError(
                f"mixes: {mix.name} asks for more sentences than the {drawn:,} that its sources' `sample` draws"
            )

    def policy_of(self, mix: MixSettings) -> Policy | None:
        """The selection that a mix names. Raises ValueError for an unknown name, and for one that reads human labels
        where students are scored on those."""
        if mix.selection is None:
            return None
        if mix.selection not in self.selections:
            raise ValueError(
                f"mixes: no selection is called {mix.selection!r}{nearest(mix.selection, self.selections)}"
            )
        policy = self.selections[mix.selection]
        if self.folds and (needs_opinions(policy) or needs_calibration(policy)):
            raise ValueError(
                f"selections.{mix.selection} goes by the original sentences, on which `folds` score; give an "
                "evaluation corpus, or take the annotator's own confidence"
            )
        return policy

    def annotator_of(self, name: str | None) -> AnnotatorSettings:
        """The annotator that a source or study names. Raises ValueError for an unknown name."""
        if name is None:
            return self.annotator
        if name not in self.other_annotators:
            raise ValueError(f"no annotator is called {name!r}{nearest(name, self.other_annotators)}")
        return self.other_annotators[name]

    def corpus(self, settings: CorpusSettings) -> CorpusSettings:
        """Corpus settings with the path below `data_root`."""
        return settings.model_copy(update={"path": self.data_root / settings.path})


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> ExperimentSettings:
    """The experiment in a YAML file; annotators may be named as in configs/annotators, selections as in
    configs/selection. See `load_settings`."""
    annotators = configs_folder("annotators")
    named = {"annotator": annotators, "other_annotators.*": annotators, "selections.*": configs_folder("selection")}
    return load_settings(ExperimentSettings, path, overrides, named=named)


def load_recorded(path: Path, overrides: Sequence[str] = ()) -> ExperimentSettings:
    """The resolved settings that a run has saved. Those from before there were near duplicates have allowed them."""
    return load_experiment(path, (*as_recorded(path), *overrides))


def as_recorded(path: Path) -> tuple[str, ...]:
    """What saved settings leave unsaid that is another thing now, as overrides: near duplicates were allowed."""
    before = re.search(r"^near_duplicates:", read_text(path), re.MULTILINE) is None
    return ("near_duplicates.allow=true",) if before else ()


def _all_differ(what: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"two {what} have the same name: {', '.join(names)}")
