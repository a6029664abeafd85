"""Settings of an annotator: which engine, which prompt, which answer format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nerkd_local.settings import EntityType, Settings

CONSTRAINT_BACKEND = "xgrammar"
"""What makes vLLM's answers obey the format. Named, because its "auto" silently differs from request to request."""


class VllmSettings(Settings):
    """vLLM in this process, on the GPUs it sees, or on the CPU where there is none."""

    kind: Literal["vllm"] = "vllm"
    model: Path
    max_model_len: Annotated[int, Field(ge=16)] | None = None
    """Prompt plus answer, in tokens; the model's own limit where it is not given."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    cpu_kv_cache_gib: Annotated[int, Field(ge=1)] = 2
    """Memory for the key-value cache when there is no GPU."""
    max_num_seqs: Annotated[int, Field(ge=1)] | None = None
    """Sentences decoded together; vLLM's own choice where it is not given."""
    enforce_eager: bool | None = None
    """Run without compilation; where it is not given: on the CPU only (compiling there needs a C++ compiler)."""
    seed: int = 0


class ReplaySettings(Settings):
    """Answers recorded earlier, looked up by the sentence's text."""

    kind: Literal["replay"] = "replay"
    answers: Path
    """JSON lines with `text` and `answer`."""


class SamplingSettings(Settings):
    """How answers are drawn. Greedy by default: the same question gets the same answer."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(ge=1)] = 200


class AnnotatorSettings(Settings):
    """One annotator."""

    name: str
    """How tables and figures call it."""
    engine: Annotated[VllmSettings | ReplaySettings, Field(discriminator="kind")]
    labels: Annotated[dict[EntityType, str], Field(min_length=1)]
    """Each entity type with the sentence that explains it to the model, in the order they are listed."""
    prompt: Literal["standard"] = "standard"
    format: Literal["lines", "json"] = "lines"
    constrained: bool = True
    """Let the engine admit only answers that follow the format."""
    shots: Annotated[int, Field(ge=0)] = 4
    """Worked examples in the prompt, drawn from human-labelled sentences where some are given."""
    sampling: SamplingSettings = SamplingSettings()
