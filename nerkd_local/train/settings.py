"""What one training run is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nerkd_local.settings import EntityType, Settings

Share = Annotated[float, Field(ge=0, le=1)]


class DistilledLoss(Settings):
    """What a distilled word's term in the loss is (see `train.loss`); an original word's is its cross entropy."""

    kind: Literal["cross_entropy", "generalised", "channel"] = "cross_entropy"
    q: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Of `generalised`: 1 trusts the labels least."""
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Multiplies every distilled word's term."""


class StudentSettings(Settings):
    """How a student is trained, whatever on."""

    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
    """Measured with all-MiniLM-L6-v2, 250 CoNLL sentences, 250 steps of 16, strict F1 of two seeds on 813 dev
    sentences: 1e-4 .747 .739, 2e-4 .760 .756, 3e-4 .743 .720; of one seed: 5e-4 .709, 1e-3 .593."""
    schedule: Literal["linear", "constant", "rewarmed"] = "linear"
    """After the warm-up: down to 0 at the last step; or level; or, `rewarmed`, twice the same in turn, each half of the
    steps with its own warm-up, so that what comes last is not learned at a low rate alone."""
    warmup_share: Share = 0.1
    """The part of the steps over which the rate climbs to `learning_rate`."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Not applied to biases and norms."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    dropout: Share | None = None
    """Replaces the encoder's own rates for hidden states; None keeps them. Attention weights are not dropped out (see
    `student.dropout`)."""

    max_tokens: Annotated[int, Field(ge=8)] = 256
    """Sub-tokens a window, the special ones included; longer texts become several windows."""
    stride: Annotated[int, Field(ge=0)] = 64
    """Sub-tokens that neighbouring windows share."""
    forward_tokens: Annotated[int, Field(ge=1)] | None = None
    """Sub-tokens a forward; None: 1,024 on a CPU, 32,768 elsewhere. Changes the result by rounding only."""
    distilled_loss: DistilledLoss = DistilledLoss()
    """What is done about noise in the distilled labels."""
    channel: Path | None = None
    """For the distilled loss of that name: how the annotator's labels follow from the true ones, as `nerkd evaluate
    --channel` writes it (see `channel`)."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` is bfloat16 autocast where the hardware multiplies it, else float32."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """CPU threads a process; None leaves it to the launcher."""

    log_every: Annotated[int, Field(ge=1)] = 50
    """Steps between lines on stderr."""
    checkpoint_every: Annotated[int, Field(ge=0)] = 0
    """Steps between checkpoints; 0: only when the run is interrupted."""
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _knows_the_channel(self) -> Self:
        if self.distilled_loss.kind == "channel" and self.channel is None:
            raise ValueError("distilled_loss is `channel`; name the annotator's channel under `channel`")
        return self

    @model_validator(mode="after")
    def _windows_move_on(self) -> Self:
        if self.stride >= self.max_tokens - 2:  # two are special tokens
            raise ValueError(f"stride {self.stride} leaves windows of max_tokens {self.max_tokens} nothing new to read")
        return self


class TrainSettings(StudentSettings):
    """A run of the plan's optimizer steps, from a pretrained encoder to a saved student."""

    student: Path
    """Folder of the pretrained encoder."""
    labels: Annotated[tuple[EntityType, ...], Field(min_length=1)]
    """Entity types; the student's classes are `O`, `B-x` and `I-x` for each."""
    plan: Path
    """Which examples every step sees, as `regimen.plan` saves it."""
    original: Path | None = None
    """Human-labelled documents (JSON lines) that the plan's `original` ids name."""
    distilled: Path | None = None
    """LLM-labelled documents that the plan's `distilled` ids name."""
    cache: Path | None = None
    """A folder where tokenized texts are kept for other runs with this encoder; None: they are not kept."""
    evaluation: Path | None = None
    """Human-labelled documents (JSON lines) that the student is scored on as training goes (`evaluations.jsonl`)."""
    evaluate_every: Annotated[int, Field(ge=0)] = 0
    """Steps between evaluations; there is one after the last step in any case."""
    keep: Literal["last", "best"] = "last"
    """Which weights become the student: those after the last step, or those of the evaluation with the highest strict
    F1. The checkpoint of the latter is kept in either case."""
    output: Path
    """The run folder."""
    seed: int = 1
    """Draws the head and the dropout, nothing else: the plan has its own seed."""

    @model_validator(mode="after")
    def _labels_differ(self) -> TrainSettings:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is named twice")
        return self

    @model_validator(mode="after")
    def _has_something_to_evaluate_on(self) -> Self:
        if self.evaluation is None and (self.evaluate_every or self.keep == "best"):
            raise ValueError("evaluate_every and keep: best need an evaluation file")
        return self
