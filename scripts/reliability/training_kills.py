"""SIGKILL at random instants of a training run, and the same run again, until it ends; many times over.

    python scripts/reliability/training_kills.py --kills 200 [--encoder FOLDER]

Half of the kills come at a random moment, half at a random sync to the disk, so inside checkpoints too (this needs
strace). Each run has to end with the weights, the exposure ledger and the evaluations of one that was never killed, to
the last bit. Without --encoder a tiny random one is made.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the tests' tiny encoder

from nerkd_local.corpus.jsonl import write_documents  # noqa: E402
from nerkd_local.records import Span, from_words  # noqa: E402
from nerkd_local.regimen.plan import Plan, PlanStep, Pool, save_plan  # noqa: E402
from nerkd_local.settings import save_settings  # noqa: E402
from nerkd_local.train.settings import TrainSettings  # noqa: E402
from tests.models import WORDS, make_encoder  # noqa: E402

BATCH = 4


def prepare(folder: Path, encoder: Path, steps: int, seed: int) -> TrainSettings:
    """A corpus of each source, a plan that takes from both, and a run that saves and evaluates often."""
    draw = random.Random(seed)
    for source in ("original", "distilled", "gold"):
        documents = []
        for number in range(40):
            words = ["anna", "lives", "in", "paris", *draw.choices(WORDS, k=draw.randint(0, 30))]
            documents.append(from_words(f"{source}:{number}", words, (Span(0, 4, "PER"), Span(14, 19, "LOC"))))
        write_documents(folder / f"{source}.jsonl", documents)
    plan = []
    for _ in range(steps):
        drawn = [f"{number}" for number in draw.sample(range(40), BATCH)]
        cut = draw.randint(0, BATCH)
        plan.append(
            PlanStep(tuple(f"original:{id}" for id in drawn[:cut]), tuple(f"distilled:{id}" for id in drawn[cut:]))
        )
    pool = Pool(40, "0" * 64)
    save_plan(Plan({"name": "drawn"}, seed, BATCH, pool, pool, tuple(plan)), folder / "plan.jsonl")
    return TrainSettings(
        student=encoder,
        labels=("PER", "LOC"),
        plan=folder / "plan.jsonl",
        original=folder / "original.jsonl",
        distilled=folder / "distilled.jsonl",
        evaluation=folder / "gold.jsonl",
        evaluate_every=5,
        keep="best",
        checkpoint_every=2,
        max_tokens=32,
        stride=8,
        precision="fp32",
        threads=1,
        output=folder / "whole",
    )


def train_command(settings: TrainSettings, config: Path) -> list[str]:
    """The command of one rank; its settings are written to `config`."""
    save_settings(settings, config)
    return [sys.executable, "-m", "nerkd_local.train", str(config)]


def run(command: list[str]) -> int:
    """Run it to its end; the exit code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def kill_once(command: list[str], how: str, draw: random.Random, began: Path, seconds: float) -> bool:
    """Run the command and kill it; whether it was killed (it may end before).

    Importing takes most of a run's time, so the random moments are counted from when the run folder is written to.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if how == "sync":
        inject = f"inject=fsync,fdatasync:signal=SIGKILL:when={draw.randint(1, 60)}"
        command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject, *command]
    before = began.stat().st_mtime_ns if began.exists() else 0
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    if how == "moment":
        while process.poll() is None and (not began.exists() or began.stat().st_mtime_ns == before):
            time.sleep(0.01)
        deadline = time.monotonic() + draw.uniform(0, seconds)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if process.poll() is None:
            process.kill()
    code = process.wait()
    if code not in (0, -signal.SIGKILL, 128 + signal.SIGKILL):
        raise SystemExit(f"the run ended by itself with {code}: {' '.join(command)}")
    return code != 0


def left(output: Path) -> tuple[bytes, ...]:
    """What has to be the same to the last bit."""
    names = ("student/model.safetensors", "exposure.jsonl", "evaluations.jsonl")
    return tuple((output / name).read_bytes() for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    kills: Counter[str] = Counter()
    runs = different = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = arguments.encoder or make_encoder(folder / "encoder")
        settings = prepare(folder, encoder, arguments.steps, arguments.seed)
        if run(train_command(settings, folder / "whole.yaml")):
            raise SystemExit("the run that is not killed failed")
        first, last = (settings.output / each for each in ("settings.json", "done.json"))
        seconds = last.stat().st_mtime - first.stat().st_mtime
        whole = left(settings.output)
        while kills.total() < arguments.kills:
            runs += 1
            output = folder / f"run{runs}"
            changed = settings.model_copy(update={"output": output})
            command = train_command(changed, folder / f"run{runs}.yaml")
            killed = True
            while killed and kills.total() < arguments.kills:
                how = draw.choice(["moment", "sync"])
                killed = kill_once(command, how, draw, output / "settings.json", seconds)
                kills[how] += killed
                print(f"\r{kills.total()} kills, {runs} runs, {different} different", end="", flush=True)
            if run(command):
                raise SystemExit("a run that was killed does not go on")
            different += left(output) != whole
    kinds = ", ".join(f"{count} at a random {how}" for how, count in sorted(kills.items()))
    print(
        f"\n{kills.total()} kills ({kinds}) in {runs} runs of {arguments.steps} steps with a checkpoint every 2\n"
        f"runs that differ from the unbroken one's weights, ledger or evaluations: {different} of {runs}"
    )
    if different:
        raise SystemExit(4)


if __name__ == "__main__":
    main()
