"""vLLM in this process, which is a worker's as a rule: requests are fed while answers stream out.

`LLM.generate` and `LLM.chat` return only when everything has ended, so a killed job would lose all of it;
here requests are enqueued and the engine is stepped, and each answer is handed on as it finishes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from nerkd_local.annotate.completer import Completion, EngineDied, Feed, FinishReason, Request
from nerkd_local.annotate.engines.control_tokens import blank_control_tokens, known_control_tokens
from nerkd_local.annotate.engines.devices import Devices, check_devices, describe_cast
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER
from nerkd_local.annotate.engines.logs import tell
from nerkd_local.annotate.engines.loops import LOOP
from nerkd_local.annotate.engines.processes import EngineProcesses
from nerkd_local.annotate.engines.refusals import says_too_long
from nerkd_local.annotate.engines.vllm_arguments import engine_arguments
from nerkd_local.annotate.engines.vllm_hook import admit
from nerkd_local.annotate.settings import VllmSettings
from nerkd_local.errors import InputError
from nerkd_local.files import local_model

# Twice what the engine decodes at once: its queue never runs dry and memory stays bounded.
_QUEUE_PER_SEQUENCE = 2

# Its processes do not end by themselves when asked (seen with 0.32, on a CPU), and have nothing left to do: everything
# that was asked is answered or given up. vLLM would wait 5 s before it kills them.
_ENDING_S = 0.5

_NUMA_NODES = Path("/sys/devices/system/node")

_GPU_HINT = (
    "; what it printed says why (too little free GPU memory is answered with a smaller "
    "engine.gpu_memory_utilization or engine.max_model_len, or with fewer programs on that GPU)"
)


class VllmCompleter:
    """One engine, started when the object is made (seconds on a CPU, minutes for large models)."""

    def __init__(self, settings: VllmSettings, say: Callable[[str], None] = tell) -> None:
        """Raises InputError if the model is no local folder, vLLM is not installed, or it refuses the model or a
        setting. Where `dtype: auto` meant another number format than the weights', `say` hears which.
        """
        self._say = say
        model = local_model(settings.model)
        # vLLM writes into the environment too; whatever this process starts later (a trainer) must not inherit it
        self._environment = dict(os.environ)
        self._processes = EngineProcesses()
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
        os.environ[ENGINE_OWNER] = str(os.getpid())
        admit(os.environ)
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(settings.cpu_kv_cache_gib)
        try:
            self._start(settings, model)
        except BaseException:
            self._restore_environment()
            raise

    def _start(self, settings: VllmSettings, model: Path) -> None:
        try:
            import vllm
            from vllm.exceptions import VLLMValidationError
            from vllm.platforms import current_platform
            from vllm.sampling_params import RepetitionDetectionParams, StructuredOutputsParams
            from vllm.v1.engine.exceptions import EngineDeadError
        except ImportError as error:
            raise InputError(f"vLLM is needed to annotate with a model, and cannot be imported ({error})") from None
        self._vllm = vllm
        self._refusal = VLLMValidationError
        self._engine_died = EngineDeadError
        self._constraint = StructuredOutputsParams
        self._loops = RepetitionDetectionParams(**LOOP)
        devices = find_devices(current_platform)
        check_devices(settings, devices, os.environ)
        try:
            self._llm = vllm.LLM(**engine_arguments(settings, model, devices))
        except (ValueError, OSError, RuntimeError) as error:
            # what it raises for a model or setting it cannot serve, RuntimeError for one that its engine process
            # could not: that process has then printed the cause
            hint = "" if devices.on_cpu or not isinstance(error, RuntimeError) else _GPU_HINT
            problem = f"vLLM cannot serve this model: {_first_line(error)}{hint}"
            raise InputError(problem, path=settings.model) from error
        self._watched = watch(self._processes.started(), self._llm.llm_engine.engine_core)
        self._blank = blank_control_tokens(known_control_tokens(self._llm.get_tokenizer()))
        config = self._llm.llm_engine.vllm_config
        self.in_flight: int = _QUEUE_PER_SEQUENCE * config.scheduler_config.max_num_seqs
        stored, used = (_plain_name(part.dtype) for part in (config.model_config.hf_text_config, config.model_config))
        if settings.dtype == "auto" and used and (line := describe_cast(stored, used, devices)):
            self._say(f"{settings.model}: {line}")

    def complete(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        """Answers as the engine finishes them; at most twice the engine's batch is in flight.

        Raises EngineDied if the engine's process is gone.
        """
        engine = self._llm.llm_engine
        waiting: dict[str, Request] = {}
        feed = Feed(requests)
        try:
            while waiting or not feed.over:
                while len(waiting) < self.in_flight and (request := feed.draw()) is not None:
                    if name := self._enqueue(request):
                        waiting[name] = request
                    else:
                        yield Completion(request.key, "", "too_long", 0, 0)
                if not waiting:
                    continue
                for output in engine.step():
                    if output.finished:
                        yield _completion(waiting.pop(output.request_id), output)
        except (self._engine_died, _ProcessEnded) as error:
            waiting.clear()
            ends = [f"{child.name} ended, {describe_exit(child.exitcode)}" for child in self._watched if child.exitcode]
            raise EngineDied("; ".join(ends) or _first_line(error)) from error
        except EngineDied:
            waiting.clear()
            raise
        finally:
            if waiting:  # the caller stopped early: leave the engine idle, not working for nobody
                engine.abort_request(list(waiting))

    def _enqueue(self, request: Request) -> str | None:
        """Hand one request to the engine; the id its output will carry, or None if the prompt is too long."""
        chat = [{"role": message.role, "content": self._blank(message.content)} for message in request.messages]
        constraint = None
        if request.constraint or request.grammar:
            what = {"grammar": request.grammar} if request.grammar else {"regex": request.constraint}
            constraint = self._constraint(**what)
        parameters = self._vllm.SamplingParams(
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            structured_outputs=constraint,
            skip_special_tokens=not request.keep_control_tokens,
            logprobs=0 if request.logprobs else None,  # of the chosen tokens, and no others
            repetition_detection=self._loops if request.stop_loops else None,
        )
        try:
            (name,) = self._llm.enqueue_chat(
                [chat], parameters, use_tqdm=False, chat_template_kwargs=dict(request.chat_template_kwargs)
            )
        except self._refusal as error:
            if says_too_long(str(error)):
                return None
            raise
        # enqueue returns "<id>-<random>", outputs carry "<id>"
        return str(name).rpartition("-")[0] or str(name)

    def close(self) -> None:
        """Free the engine's memory and processes: they are gone when this returns. Calling it twice is fine."""
        engine = self.__dict__.pop("_llm", None)
        if engine is not None:
            self._processes.end(partial(engine.llm_engine.engine_core.shutdown, timeout=_ENDING_S))
            self._restore_environment()

    def _restore_environment(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)


class _ProcessEnded(Exception):
    """A process of the engine is gone."""


def watch(processes: list[BaseProcess], core: Any) -> list[BaseProcess]:
    """Have `step` fail when one of the engine's processes ends; returns them.

    vLLM 0.32 notes that a process was killed (by the kernel, where memory is short), and leaves whoever waits for its
    answers waiting for ever: its queue of answers gets the error from here.
    """
    answers = getattr(core, "outputs_queue", None)
    if processes and answers is not None:

        def wait_for_end() -> None:
            ended = wait([child.sentinel for child in processes])
            for child in processes:
                if child.sentinel in ended:
                    child.join(1)  # its exit code comes a moment later
            answers.put_nowait(_ProcessEnded("a process of the engine ended"))

        threading.Thread(target=wait_for_end, daemon=True).start()
    return processes


def describe_exit(code: int | None) -> str:
    """An exit code as `multiprocessing` has it: `exit code 1`, or a signal's name."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def find_devices(platform: Any) -> Devices:
    """What vLLM's platform says of this process. It asks the driver, so no memory is taken on a GPU."""
    if platform.is_cpu():
        return Devices(on_cpu=True, count=len(list(_NUMA_NODES.glob("node[0-9]*"))) or 1)
    if platform.is_unspecified():  # built for GPUs, and there is no driver to ask
        return Devices(on_cpu=False, count=0)
    try:
        count = int(platform.device_count())
        capability = platform.get_device_capability() if count else None
    except Exception:  # a driver that cannot answer (it may not know a MIG slice by its UUID): vLLM is to judge
        return Devices(on_cpu=False)
    return Devices(False, count, capability and (capability.major, capability.minor))


def _plain_name(dtype: Any) -> str | None:
    """torch's number format as the settings write it."""
    return None if dtype is None else str(dtype).removeprefix("torch.")


def _completion(request: Request, output: Any) -> Completion:
    """The finished output of one request. Raises EngineDied if the engine gave it up.

    An engine that is being shut down (Ctrl-C reaches its process too) sends what it has so far as finished, with
    the reason "abort": half an answer must not be stored as one.
    """
    answer = output.outputs[0]
    reason: FinishReason = "loop" if answer.finish_reason == "repetition" else answer.finish_reason
    if reason not in ("stop", "length", "loop"):
        raise EngineDied(f"vLLM gave up a request (finish reason {reason!r})")
    logprobs = None
    if request.logprobs:
        chosen = (step[token] for step, token in zip(answer.logprobs, answer.token_ids, strict=True))
        logprobs = tuple((step.decoded_token or "", step.logprob) for step in chosen)
    return Completion(
        request.key,
        answer.text,
        reason,
        len(output.prompt_token_ids),
        len(answer.token_ids),
        logprobs,
        tuple(output.prompt_token_ids) if request.prompt_token_ids else None,
        output.num_cached_tokens,
        masked=bool(request.constraint or request.grammar),
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
