"""How fast annotation is, against what the engine could do by itself: ratios from one run on one machine.

    python scripts/bench/annotate.py --quick                     # the first three parts, minutes on two cores
    python scripts/bench/annotate.py --output results.json      # everything, as the README's table has it

1. engine   `nerkd annotate` (its engine in a process of its own, answers stored durably) over bare `LLM.chat` on the
            same prompts and sampling, both warm, in turns
2.          (measured with it) tokens and time by answer format, and what the constraint costs, always and where needed
3. batch    `nerkd annotate` over `vllm run-batch` on the same requests, as commands, engine start included and not
4. scripted no model at all: what parsing, aligning and storing take, memory from 10^4 to 10^6 sentences, and resuming

Needs vLLM, a model folder and a corpus: the bench annotator and CoNLL-2003 dev where they are not named. Run it on a
machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
from rates import ratio, say, shown, table

from nerkd_local import offline, threads

offline.seal()
threads.wait_politely()

from workload import Bench, annotate_once  # noqa: E402

from nerkd_local.annotate.engines.start import open_engine  # noqa: E402
from nerkd_local.annotate.folder import write_corpus  # noqa: E402
from nerkd_local.annotate.job import AnnotationJob  # noqa: E402
from nerkd_local.annotate.settings import VllmSettings  # noqa: E402
from nerkd_local.corpus.readers import read_corpus  # noqa: E402
from nerkd_local.corpus.settings import CorpusSettings  # noqa: E402
from nerkd_local.machine import describe_cpu  # noqa: E402
from nerkd_local.records import Document  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared"
REPOSITORY = Path(__file__).parents[2]


_OUTWEIGHS_START = 2000
"""So many sentences take longer than an engine's start varies by."""

T = TypeVar("T", bound="Closable")


class Closable(Protocol):
    def close(self) -> None: ...


class BareEngine:
    """`LLM.chat` as anybody would call it: all chats at once."""

    def __init__(self, settings: VllmSettings) -> None:
        from nerkd_local.annotate.engines.vllm_inprocess import VllmCompleter

        self._completer = VllmCompleter(settings)  # the same engine settings; only its LLM is used
        self._llm = self._completer._llm

    def rate(self, documents: list[Document], job: AnnotationJob) -> float:
        """Sentences a second, the chats and parameters made before the clock starts."""
        import vllm
        from vllm.sampling_params import StructuredOutputsParams

        chats, parameters = [], []
        for number, document in enumerate(documents):
            request = job.question(number, document).full
            chats.append([{"role": m.role, "content": m.content} for m in request.messages])
            constraint = StructuredOutputsParams(regex=request.constraint) if request.constraint else None
            parameters.append(
                vllm.SamplingParams(
                    temperature=request.temperature, max_tokens=request.max_tokens, structured_outputs=constraint
                )
            )
        began = time.perf_counter()
        self._llm.chat(chats, parameters, use_tqdm=False)
        return len(documents) / (time.perf_counter() - began)

    def close(self) -> None:
        self._completer.close()


def _started(start: Callable[[], T], stack: ExitStack) -> tuple[T, list[psutil.Process]]:
    """An engine that is closed with the stack, and the processes that it brought."""
    before = set(psutil.Process().children(recursive=True))
    engine = start()
    stack.callback(engine.close)
    return engine, [child for child in psutil.Process().children(recursive=True) if child not in before]


@contextmanager
def _stopped(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def engine_part(bench: Bench, results: dict[str, Any]) -> None:
    """`nerkd annotate` over bare `LLM.chat`, warm; formats; what the constraint costs.

    Both engines are up from the first round to the last, and the one whose turn it is not is stopped (SIGSTOP): idle,
    it would take processor time from the other, and an engine that is started anew is up to a tenth faster or slower.
    """
    say(f"\n## Engine: {len(bench.documents):,} sentences, {bench.repeats} rounds in turns\n")
    engine_settings = bench.settings("lines").engine
    assert isinstance(engine_settings, VllmSettings)
    always, free = bench.job("lines", free_first=False), bench.job("lines", constrained=False)
    paired = {"constrained": always, "free": free}
    ways = {
        "annotate, lines, constraint where needed": (bench.job("lines"), False),
        "annotate, lines, as it comes": (bench.job("lines"), True),
        "annotate, json, constrained": (bench.job("json", free_first=False), False),
        "annotate, json, free": (bench.job("json", constrained=False), False),
        "annotate, json, constraint where needed": (bench.job("json"), False),
    }
    names = [f"{who}, lines, {how}" for how in paired for who in ("LLM.chat", "annotate")]
    rates: dict[str, list[float]] = {name: [] for name in (*names, *ways)}
    tokens: dict[str, float] = {}
    warm = replace(bench, documents=bench.documents[:64])
    with ExitStack() as stack:
        bare, bare_processes = _started(lambda: BareEngine(engine_settings), stack)
        bare.rate(warm.documents, always)
        with _stopped(bare_processes):
            engine, engine_processes = _started(lambda: open_engine(engine_settings), stack)
            annotate_once(warm, always, engine, deduplicate=False)

        def annotate(name: str, job: AnnotationJob, deduplicate: bool = False) -> None:
            with _stopped(bare_processes):
                speed = annotate_once(bench, job, engine, deduplicate=deduplicate)
            rates[name].append(speed["rate"])
            tokens[name] = speed["output_tokens_a_sentence"]

        def chat(name: str, job: AnnotationJob) -> None:
            with _stopped(engine_processes):
                rates[name].append(bare.rate(bench.documents, job))

        for number in range(bench.repeats):
            for how, job in paired.items():
                turns = [(chat, f"LLM.chat, lines, {how}"), (annotate, f"annotate, lines, {how}")]
                for turn, name in turns if number % 2 == 0 else reversed(turns):
                    turn(name, job)
            for name, (job, deduplicate) in ways.items():
                annotate(name, job, deduplicate)
    table(rates, {"output tokens a sentence": tokens})
    pairs = {
        "annotate over LLM.chat, constrained, no de-duplication": (
            "annotate, lines, constrained",
            "LLM.chat, lines, constrained",
        ),
        "annotate over LLM.chat, free, no de-duplication": ("annotate, lines, free", "LLM.chat, lines, free"),
        "annotate as it comes over LLM.chat constrained": (
            "annotate, lines, as it comes",
            "LLM.chat, lines, constrained",
        ),
        "lines over json": ("annotate, lines, constraint where needed", "annotate, json, constraint where needed"),
        **{
            f"time, {format}, constraint {name} over none": (f"annotate, {format}, free", f"annotate, {format}, {way}")
            for format in ("lines", "json")
            for name, way in (("always", "constrained"), ("where needed", "constraint where needed"))
        },
    }
    ratios = {name: ratio(rates, *pair) for name, pair in pairs.items()}
    results["engine"] = {"rates": rates, "tokens": tokens, "ratios": ratios}
    say("")
    for name, value in ratios.items():
        say(f"- {name}: {shown(value)}")


def batch_part(bench: Bench, results: dict[str, Any]) -> None:
    """`nerkd annotate` against `vllm run-batch`, as commands."""
    say("\n## Batch: whole commands, engine start included; and what is left when 64 sentences' time is taken off\n")
    job = bench.job("lines", free_first=False)
    small = replace(bench, documents=bench.documents[:64])
    whole: dict[str, list[float]] = {"vllm run-batch": [], "nerkd annotate": []}
    net: dict[str, list[float]] = {"vllm run-batch": [], "nerkd annotate": []}
    for _ in range(max(1, bench.repeats - 2)):
        for name, run in (("vllm run-batch", lambda b: _run_batch(b, job)), ("nerkd annotate", _command)):
            long = run(bench)
            whole[name].append(len(bench.documents) / long)
            if len(bench.documents) >= _OUTWEIGHS_START:
                net[name].append((len(bench.documents) - len(small.documents)) / (long - run(small)))
    table(whole)
    ratios = {"whole commands": ratio(whole, "nerkd annotate", "vllm run-batch")}
    if all(net.values()):
        ratios["without the start"] = ratio(net, "nerkd annotate", "vllm run-batch")
    results["batch"] = {"whole": whole, "net": net, "ratios": ratios}
    say("")
    for what, value in ratios.items():
        say(f"- annotate over vllm run-batch, {what}: {shown(value)}")


def _run_batch(bench: Bench, job: AnnotationJob) -> float:
    """Seconds that `vllm run-batch` takes for the job's full requests."""
    settings = bench.settings("lines").engine
    assert isinstance(settings, VllmSettings)
    source, target = bench.scratch / "batch.jsonl", bench.scratch / "batch.out.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        for number, document in enumerate(bench.documents):
            request = job.question(number, document).full
            body = {
                "model": "bench",
                "messages": [{"role": m.role, "content": m.content} for m in request.messages],
                "max_tokens": request.max_tokens,
                "temperature": request.temperature,
                "structured_outputs": {"regex": request.constraint},
            }
            line = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
            stream.write(json.dumps(line) + "\n")
    command = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch", "-i", str(source), "-o", str(target)]
    command += ["--model", str(settings.model), "--served-model-name", "bench", "--generation-config", "vllm"]
    if settings.max_model_len:
        command += ["--max-model-len", str(settings.max_model_len)]
    import torch

    if not torch.cuda.is_available():
        command += ["--enforce-eager"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": str(settings.cpu_kv_cache_gib)}
    took = _timed(command, environment)
    answered = sum(1 for _ in target.open(encoding="utf-8"))
    if answered != len(bench.documents):
        raise SystemExit(f"vllm run-batch answered {answered} of {len(bench.documents)} requests")
    return took


def _command(bench: Bench) -> float:
    """Seconds that `nerkd annotate` takes, each sentence asked and constrained, labels exported."""
    folder = Path(tempfile.mkdtemp(dir=bench.scratch))
    write_corpus(folder / "in.jsonl", bench.documents)
    command = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", "annotate", "bench_lines"]
    command += [str(folder / "in.jsonl"), "--output", str(folder / "out"), "--set", f"engine.model={bench.model}"]
    command += ["--set", "deduplicate=false", "--set", "free_first=false", "--examples", str(bench.corpus)]
    return _timed(command, dict(os.environ))


def _timed(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ... ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def scripted_part(bench: Bench, results: dict[str, Any], sizes: tuple[int, ...]) -> None:
    """The scripted engine, one process a size so that peak memory is its own, on one core."""
    say("\n## Scripted: parse + align + store without a model, one core\n")
    found = {}
    for size in sizes:
        command = [sys.executable, str(Path(__file__).with_name("scripted.py")), str(bench.corpus), str(size)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["taskset", "-c", "0", *command], capture_output=True, text=True, check=True, env=environment
        )
        found[size] = json.loads(done.stdout.splitlines()[-1])
        one = found[size]
        say(
            f"{size:>9,} sentences: {one['rate']:,.0f} sentences/s, exported at {one['export_rate']:,.0f}/s, "
            f"peak memory {one['peak_mib']:,.0f} MiB, resumed in {one['resume_s']:.2f} s"
        )
    growth = found[max(sizes)]["peak_mib"] - found[min(sizes)]["peak_mib"]
    results["scripted"] = {"sizes": found, "memory_growth_mib": growth}
    say(f"peak memory grows by {growth:,.0f} MiB from {min(sizes):,} to {max(sizes):,} sentences")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="parts 1 to 3 on fewer sentences, one round")
    parser.add_argument("--model", type=Path, default=SHARED / "models" / "bench-annotator")
    parser.add_argument("--corpus", type=Path, default=SHARED / "data" / "conll2003" / "dev.conll")
    parser.add_argument("--sentences", type=int, help="default 2000, with --quick 500")
    parser.add_argument("--repeats", type=int, help="rounds in turns, default 5, with --quick 1")
    parser.add_argument("--parts", nargs="+", choices=["engine", "batch", "scripted"])
    parser.add_argument("--output", type=Path, help="write everything as JSON, too")
    arguments = parser.parse_args()
    count = arguments.sentences or (500 if arguments.quick else 2000)
    parts = arguments.parts or (["engine", "batch"] if arguments.quick else ["engine", "batch", "scripted"])
    documents = list(islice(read_corpus(CorpusSettings(path=arguments.corpus)), count))
    results: dict[str, Any] = {"machine": describe_cpu(), "sentences": len(documents)}
    say(f"# Annotation speed on {results['machine']}")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(
            arguments.model,
            arguments.corpus,
            documents[:200],
            documents,
            Path(scratch),
            arguments.repeats or (1 if arguments.quick else 5),
        )
        if "engine" in parts:
            engine_part(bench, results)
        if "batch" in parts:
            batch_part(bench, results)
        if "scripted" in parts:
            scripted_part(bench, results, (10_000, 1_000_000))
    results["seconds"] = round(time.perf_counter() - began, 1)
    say(f"\n{results['seconds']:,.0f} s in all")
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
