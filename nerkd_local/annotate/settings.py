"""Settings of an annotator: which engine, which prompt, which answer format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from nerkd_local.corpus.nesting import Nested
from nerkd_local.settings import EntityType, Settings

CONSTRAINT_BACKEND = "xgrammar"
"""What makes vLLM's answers obey the format. Named, because its "auto" silently differs from request to request."""


PromptName = Literal["standard", "cot"]
FormatName = Literal["lines", "json"]
Thinking = Literal["none", "tags", "channels", "apart"]
"""How a model that thinks before it answers hands that over.

none      it does not think, or was told not to (see `chat_template_kwargs`)
tags      in the answer's text, up to `</think>`, whether the model or its chat template opened it
channels  as gpt-oss writes: an analysis channel, then the final one
apart     the server keeps it (vLLM with --reasoning-parser; gpt-oss on any vLLM server): the text is the answer
"""


Logprobs = Literal["none", "raw", "masked"]


class ModelSettings(Settings):
    """A model's folder on this machine, and how vLLM computes with it."""

    kind: Literal["vllm", "serve"]
    model: Path
    max_model_len: Annotated[int, Field(ge=16)] | None = None
    """Prompt plus answer, in tokens; the model's own limit where it is not given."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """What the model computes in. `auto`: what its folder says; on a GPU without bfloat16, float16 in its place
    (float32 for a model that float16 breaks, such as Gemma). Weights stored in float32 are computed in 16 bits."""
    quantization: Literal["awq", "gptq", "fp8"] | None = None
    """How the weights are packed, where the folder's own config does not say (it usually does). `fp8` also packs
    16-bit weights while they are loaded."""
    tensor_parallel_size: Annotated[int, Field(ge=1)] = 1
    """GPUs that share the model's weights; no more than this process may see."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of each GPU's whole memory to take; lower it where other programs use the same GPU."""
    cpu_kv_cache_gib: Annotated[int, Field(ge=1)] = 2
    """Memory for the key-value cache when there is no GPU."""
    max_num_seqs: Annotated[int, Field(ge=1)] | None = None
    """Sentences decoded together; vLLM's own choice where it is not given."""
    enforce_eager: bool | None = None
    """Run without compilation; where it is not given: on the CPU only (compiling there needs a C++ compiler)."""
    seed: int = 0


class VllmSettings(ModelSettings):
    """vLLM's own engine, without a server, on the GPUs that this process sees, or on the CPU where there is none."""

    kind: Literal["vllm"] = "vllm"
    engines: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Copies of the model, each in a process of its own on `tensor_parallel_size` GPUs of its own; the questions are
    shared out among them. `auto`: as many as the GPUs suffice for; one on the CPU."""


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the address of a server is needed, such as http://127.0.0.1:8000/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("a password has no place in the address; put the key into a variable that api_key_env names")
    return url


class ServerSettings(Settings):
    """A server with OpenAI's chat API that this network reaches, such as `vllm serve`. Nothing is asked elsewhere."""

    kind: Literal["openai"] = "openai"
    base_url: Annotated[str, AfterValidator(_base_url)]
    """Where the API begins, as a rule with `/v1` at the end. It may move: answers are known by `model`."""
    model: Annotated[str, Field(min_length=1)]
    """The name under which the server serves the model."""
    revision: str | None = None
    """Which weights are behind that name, in your own words (a hash, a date). A server does not tell: who serves
    other weights under the same name has to change this, or old and new answers are taken for one model's."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the server's key. The key itself is written nowhere."""
    dialect: Literal["vllm", "plain"] = "vllm"
    """`vllm` also sends what only vLLM's servers know: the constraint, neutral sampling switches, what a chat template
    is told. `plain` keeps to OpenAI's own words, for other servers; `constrained: false` then."""
    control_tokens: tuple[str, ...] = ()
    """The model's control tokens (`special` in its tokenizer.json), where they have none of the shapes of
    engines/control_tokens.py: a text that holds one is asked without it."""
    seed: int | None = None
    """Sent with every question. Where it is not given, a server draws as it likes: of interest with a temperature."""
    in_flight: Annotated[int, Field(ge=1, le=512)] = 64
    """Questions out at the same time, at most; fewer while the server says that it has too many."""
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """How long one answer may take."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further attempts where a server does not answer or is overloaded, with growing pauses (8 s at most, after what
    it asks for itself)."""


class ServeSettings(ModelSettings):
    """A `vllm serve` of the run's own: started on this machine's loopback interface, asked over HTTP, ended with it."""

    kind: Literal["serve"] = "serve"
    data_parallel_size: Annotated[int, Field(ge=1)] = 1
    """Copies of the model, each on `tensor_parallel_size` GPUs of its own; the server shares the questions out."""
    in_flight: Annotated[int, Field(ge=1, le=4096)] = 256
    """Questions out at the same time; the server decodes them together."""
    timeout_s: Annotated[float, Field(gt=0)] = 600.0
    """How long one answer may take."""
    retries: Annotated[int, Field(ge=0)] = 5
    """Further attempts where the server runs and does not answer, with growing pauses (8 s at most). A server that
    ended is started again."""
    startup_timeout_s: Annotated[float, Field(gt=0)] = 1800.0
    """How long it may take to start: large models are read for minutes, and compiled for more."""


class ReplaySettings(Settings):
    """Answers recorded earlier, looked up by the sentence's text."""

    kind: Literal["replay"] = "replay"
    answers: Path
    """JSON lines with `text` and `answer`, or a folder of such files."""


class ScriptedSettings(Settings):
    """A fake engine without a model: answers by script from the text, faults among them. For rehearsals and tests."""

    kind: Literal["scripted"] = "scripted"
    script: Literal["none", "capitals", "mixed"] = "mixed"
    """`none`: no text has a mention. `capitals`: every capitalised word is one. `mixed`: and by the text's hash some
    answers are out of the format, repeat or invent mentions, are cut off or go round in circles."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] = ("PER", "ORG", "LOC", "MISC")
    """The types it gives; which one a word gets depends on its length."""
    in_flight: Annotated[int, Field(ge=1)] = 64
    seed: int = 0
    """In which order it answers; of no influence on the answers."""
    answers_a_second: Annotated[float, Field(gt=0)] | None = None
    """Its pace; as fast as it can where it is not given."""
    slow_start_s: Annotated[float, Field(ge=0)] = 0.0
    dies_on: str | None = None
    """A regular expression: asked a text that holds it, the engine's process kills itself."""
    own_process: bool = False
    """In a process of its own, as vLLM's engines are."""
    engines: Annotated[int, Field(ge=1)] = 1


EngineSettings = VllmSettings | ServeSettings | ServerSettings | ReplaySettings | ScriptedSettings
"""Whatever can stand behind the annotation interface, told apart by `kind`."""


class SamplingSettings(Settings):
    """How answers are drawn. Greedy by default: the same question gets the same answer."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    max_tokens: Annotated[int, Field(ge=1)] = 200


class LabelDefinition(Settings):
    """What an entity type means. In YAML a plain sentence will do: it is the definition."""

    definition: str
    examples: tuple[str, ...] = ()
    """Mentions of that type, as they stand in texts."""
    excludes: str | None = None
    """What is easily taken for that type and is not of it."""

    @model_validator(mode="before")
    @classmethod
    def _sentence(cls, value: Any) -> Any:
        return {"definition": value} if isinstance(value, str) else value

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: SerializerFunctionWrapHandler) -> Any:
        return serialize(self) if self.examples or self.excludes else self.definition


DemonstrationKind = Literal["none", "static", "sentence_knn", "entity_knn"]
"""Which worked examples a sentence's prompt shows.

none          none at all
static        the same for every sentence (see `prompts.choose_demonstrations`)
sentence_knn  those of the pool that are nearest to the sentence as a whole
entity_knn    those whose mentions are nearest to words of the sentence
"""


class DemonstrationSettings(Settings):
    """How `shots` worked examples are chosen from the human-labelled sentences given."""

    kind: DemonstrationKind = "static"
    encoder: Path | None = None
    """A local encoder's folder, for the kinds that retrieve."""

    @model_validator(mode="after")
    def _can_retrieve(self) -> Self:
        if self.kind.endswith("_knn") and self.encoder is None:
            raise ValueError(f"{self.kind} needs a local encoder; name its folder under `encoder`")
        return self


class VoteSettings(Settings):
    """Further answers to the same question, drawn with a temperature, whose mentions and types are counted."""

    samples: Annotated[int, Field(ge=1)] = 4
    temperature: Annotated[float, Field(gt=0, le=2)] = 0.7
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The part of the sentences that is asked again: those whose first answer is least sure. Below 1 it needs
    `logprobs`."""


TASK = "You label named entities in text."
"""What prompts begin with where nothing else is looked for."""


class AnnotatorSettings(Settings):
    """One annotator."""

    name: str
    """How tables and figures call it."""
    engine: Annotated[EngineSettings, Field(discriminator="kind")]
    labels: Annotated[dict[EntityType, LabelDefinition], Field(min_length=1)]
    """Each entity type with what explains it to the model, in the order they are listed."""
    prompt: PromptName = "standard"
    format: FormatName = "lines"
    constrained: bool = True
    """Let the engine admit only answers that follow the format."""
    free_first: bool = True
    """Ask without the constraint first, and with it where the answer does not follow the format. Greedy answers are
    the same either way; they come faster. Of no effect with a temperature, or where a model reasons first."""
    deduplicate: bool = True
    """Ask about each text once, however often it stands in the corpus."""
    shots: Annotated[int, Field(ge=0)] = 4
    """Worked examples in the prompt, drawn from human-labelled sentences where some are given: first those that show
    every type, then one without a mention, so one or two more than there are types is a good number."""
    sampling: SamplingSettings = SamplingSettings()
    reasoning_tokens: Annotated[int, Field(ge=0)] = 1024
    """Room for what stands before the answer (the steps of `cot`, thinking), beyond `sampling.max_tokens`."""
    thinking: Thinking = "none"
    system_role: bool | Literal["auto"] = "auto"
    """Whether the model's chat template knows a system role; where it does not, the first user message begins with
    the instructions. `auto`: looked up in the model's folder; a server's is taken to know it."""
    chat_template_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """What the model's chat template is told, such as {enable_thinking: false} (Qwen3), {reasoning_effort: low}
    (gpt-oss) or {date_string: 26 Jul 2024} (Llama 3, whose prompts otherwise carry the day's date)."""
    task: Annotated[str, Field(min_length=1)] = TASK
    """The prompt's first sentence: what is looked for, where it is not named entities."""
    demonstrations: DemonstrationSettings = DemonstrationSettings()
    verbatim: bool = False
    """Admit only answers whose mentions stand in the sentence as whole words, in the order of the text: a grammar made
    for each sentence in place of the format's constraint."""
    window: Annotated[int, Field(ge=1)] = 1
    """So many neighbouring sentences of one document are asked about together, at most."""
    nested: Nested = "outermost"
    """Which of the mentions that an answer gives one inside another are labels, as tags cannot hold both. The ledger
    counts the others as overlapping."""
    logprobs: Logprobs = "none"
    """Keep the probabilities of the answer's tokens, for entities' confidences. `raw`: the model's own, of answers
    given without the constraint, whatever `free_first` says (an answer that had to be asked again under it has masked
    ones, which is recorded). `masked`: shares among what the constraint admits; every question carries it."""
    votes: VoteSettings | None = None
    verify: bool = False
    """Ask the model in a second pass whether each of its mentions is what it said."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.verbatim and not self.constrained:
            raise ValueError("verbatim is a constraint; leave out constrained: false")
        if self.logprobs == "masked" and not self.constrained:
            raise ValueError("logprobs: masked needs a constraint; use raw, or leave out constrained: false")
        if self.window > 1 and (self.votes or self.verify):
            raise ValueError("votes and verify ask about single sentences; leave out window")
        if isinstance(self.engine, ReplaySettings) and (self.votes or self.verify):
            raise ValueError("recorded answers hold no further ones; leave out votes and verify")
        if self.votes and self.votes.share < 1 and self.logprobs == "none":
            raise ValueError("votes.share below 1 needs logprobs: raw or masked, to tell which answers are least sure")
        return self
