"""vLLM in this process: requests are fed while answers stream out.

`LLM.generate` and `LLM.chat` return only when everything has ended, so a killed job would lose all of it;
here requests are enqueued and the engine is stepped, and each answer is handed on as it finishes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from nerkd_local.annotate.completer import Completion, Request
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER
from nerkd_local.annotate.settings import CONSTRAINT_BACKEND, VllmSettings
from nerkd_local.errors import InputError
from nerkd_local.files import local_model

# Twice what the engine decodes at once: its queue never runs dry and memory stays bounded.
_QUEUE_PER_SEQUENCE = 2


class VllmCompleter:
    """One engine, started when the object is made (seconds on a CPU, minutes for large models)."""

    def __init__(self, settings: VllmSettings) -> None:
        """Raises InputError if the model is no local folder, vLLM is not installed, or it refuses the model."""
        model = local_model(settings.model)
        # vLLM writes into the environment too; whatever this process starts later (a trainer) must not inherit it
        self._environment = dict(os.environ)
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ[ENGINE_OWNER] = str(os.getpid())
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(settings.cpu_kv_cache_gib)
        try:
            import vllm
            from vllm.exceptions import VLLMValidationError
            from vllm.platforms import current_platform
            from vllm.sampling_params import StructuredOutputsParams
        except ImportError as error:
            raise InputError(f"vLLM is needed to annotate with a model, and cannot be imported ({error})") from None
        self._vllm = vllm
        self._refusal = VLLMValidationError
        self._constraint = StructuredOutputsParams
        on_cpu = current_platform.is_cpu()
        optional: dict[str, Any] = {
            "max_num_seqs": settings.max_num_seqs,
            "max_model_len": settings.max_model_len,
        }
        try:
            self._llm = vllm.LLM(
                model=str(model.resolve()),
                trust_remote_code=False,
                load_format="safetensors",
                dtype=settings.dtype,
                tensor_parallel_size=settings.tensor_parallel_size,
                gpu_memory_utilization=settings.gpu_memory_utilization,
                enforce_eager=on_cpu if settings.enforce_eager is None else settings.enforce_eager,
                seed=settings.seed,
                structured_outputs_config={"backend": CONSTRAINT_BACKEND},
                disable_log_stats=True,
                **{name: value for name, value in optional.items() if value is not None},
            )
        except (ValueError, OSError, RuntimeError) as error:
            # what it raises for a model or setting it cannot serve, RuntimeError for one that its engine process
            # could not (too little memory, for one): that process has then printed the cause
            raise InputError(f"vLLM cannot serve this model: {_first_line(error)}", path=settings.model) from error
        special = sorted(self._llm.get_tokenizer().all_special_tokens, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special))) if special else None
        scheduler = self._llm.llm_engine.vllm_config.scheduler_config
        self._in_flight = _QUEUE_PER_SEQUENCE * scheduler.max_num_seqs

    def complete(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Answers as the engine finishes them; at most twice the engine's batch is in flight."""
        engine = self._llm.llm_engine
        waiting: dict[str, Request] = {}
        source = iter(requests)
        exhausted = False
        try:
            while waiting or not exhausted:
                while not exhausted and len(waiting) < self._in_flight:
                    request = next(source, None)
                    if request is None:
                        exhausted = True
                    elif name := self._enqueue(request):
                        waiting[name] = request
                    else:
                        yield Completion(request.key, "", "too_long", 0, 0)
                if not waiting:
                    continue
                for output in engine.step():
                    if output.finished:
                        yield _completion(waiting.pop(output.request_id), output)
        finally:
            if waiting:  # the caller stopped early: leave the engine idle, not working for nobody
                engine.abort_request(list(waiting))

    def _enqueue(self, request: Request) -> str | None:
        """Hand one request to the engine; the id its output will carry, or None if the prompt is too long."""
        chat = [{"role": message.role, "content": self._defuse(message.content)} for message in request.messages]
        constraint = request.constraint and self._constraint(regex=request.constraint)
        parameters = self._vllm.SamplingParams(
            temperature=request.temperature, max_tokens=request.max_tokens, structured_outputs=constraint
        )
        try:
            (name,) = self._llm.enqueue_chat([chat], parameters, use_tqdm=False)
        except self._refusal as error:
            # vLLM has one error for every invalid request; only its text tells that the prompt is too long
            if re.search(r"maximum\s+(context|model)\s+length", str(error)):
                return None
            raise
        # enqueue returns "<id>-<random>", outputs carry "<id>"
        return str(name).rpartition("-")[0] or str(name)

    def _defuse(self, content: str) -> str:
        """Text without the model's own control tokens, which would otherwise end a turn from inside the data."""
        return self._special.sub(" ", content) if self._special else content

    def close(self) -> None:
        engine = self.__dict__.pop("_llm", None)
        if engine is not None:
            with suppress(AttributeError):  # an engine without processes of its own has nothing to shut down
                engine.llm_engine.engine_core.shutdown()
            os.environ.clear()
            os.environ.update(self._environment)


def _completion(request: Request, output: Any) -> Completion:
    """The finished output of one request. Raises RuntimeError if the engine gave it up.

    An engine that is being shut down (Ctrl-C reaches its process too) sends what it has so far as finished, with
    the reason "abort": half an answer must not be stored as one.
    """
    answer = output.outputs[0]
    reason = answer.finish_reason
    if reason not in ("stop", "length"):
        raise RuntimeError(f"vLLM gave up a request (finish reason {reason!r})")
    return Completion(request.key, answer.text, reason, len(output.prompt_token_ids), len(answer.token_ids))


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
