"""SIGKILL at any instant of a real run, in the middle of a save included, and the same command again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.settings import save_settings
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from tests.train.conftest import SettingsMaker, documents

# Goes on with a run over and over. The n-th sync to the disk of each attempt (n of the next argument on) ends the
# attempt's process as SIGKILL does, before or after the sync; attempts are forked, so the imports are paid once.
FORKING = """
import os, signal, sys
from pathlib import Path
from nerkd_local import offline
from nerkd_local.settings import load_settings
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings

offline.seal()
settings = load_settings(TrainSettings, Path(sys.argv[1]))
import accelerate, nerkd_local.student.predict
from nerkd_local.student.model import new_student
new_student(settings.student, settings.labels, 0)  # so that transformers has loaded what each attempt needs
fsync = os.fsync
for number in map(int, sys.argv[2:]):
    child = os.fork()
    if not child:
        calls = 0

        def deadly(handle):
            global calls
            calls += 1
            if calls == (number + 1) // 2 and number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(handle)
            if calls == (number + 1) // 2:
                os.kill(os.getpid(), signal.SIGKILL)

        os.fsync = deadly
        train(settings)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    half_saved = len(list((settings.output / "checkpoints").glob(".step-*")))
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), half_saved, flush=True)
"""


def left(settings: TrainSettings) -> dict[str, bytes]:
    names = ["student/model.safetensors", "exposure.jsonl", "evaluations.jsonl"]
    return {name: (settings.output / name).read_bytes() for name in names}


@pytest.mark.slow
def test_killed_at_every_sync_to_the_disk_in_turn_a_run_ends_in_the_same_bits(
    make_settings: SettingsMaker, tmp_path: Path
) -> None:
    write_documents(tmp_path / "gold.jsonl", documents("gold"))
    changes = {"evaluation": tmp_path / "gold.jsonl", "evaluate_every": 2, "checkpoint_every": 1, "keep": "best"}
    whole, killed = (make_settings(steps=6, output=name, **changes) for name in ("whole", "killed"))
    train(whole)
    save_settings(killed, tmp_path / "killed.yaml")
    # each attempt lives longer than the last, so that all kinds of syncs are met and the run comes to its end
    attempts = [str(number) for number in range(1, 60)]
    done = subprocess.run(
        [sys.executable, "-c", FORKING, str(tmp_path / "killed.yaml"), *attempts],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        timeout=240,
    )
    ends, half_saved = ([int(line.split()[column]) for line in done.stdout.splitlines()] for column in range(2))
    assert ends.count(signal.SIGKILL) > 25
    assert set(ends) == {signal.SIGKILL, 0}
    assert ends[-1] == 0
    assert half_saved.count(1) > 10  # killed in the middle of saving a checkpoint
    assert set(half_saved) == {0, 1}  # and it is cleared away
    assert left(killed) == left(whole)
    leftovers = [path for path in killed.output.rglob(".*") if path.name != ".lock"]
    assert leftovers == []
