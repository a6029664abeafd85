"""What goes wrong around a run: no room, no right to write, another writer. Clear words, an exit code, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing

pytestmark = pytest.mark.slow

SENTENCES = 12_000

IN_A_SMALL_DISK = """
set -u
disk=$1 kept=$2; shift 2
mount -t tmpfs -o size=3m none "$disk" || exit 99
"$@" 2>"$kept/full.err"; echo $? >"$kept/full.code"
cp -r "$disk/out" "$kept/full"
mount -o remount,size=100m "$disk"
mount -o remount,ro "$disk"
"$@" 2>"$kept/ro.err"; echo $? >"$kept/ro.code"
mount -o remount,rw "$disk"
"$@" 2>"$kept/again.err"; echo $? >"$kept/again.code"
cp -r "$disk/out" "$kept/again"
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    texts = [f"Ann{number} saw Bonn" for number in range(SENTENCES)]
    (tmp_path / "corpus.conll").write_text("".join(text.replace(" ", "\n") + "\n\n" for text in texts))
    answers = ({"text": text, "answer": f"PER\t{text.split()[0]}\nLOC\tKiel"} for text in texts)
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    return tmp_path / "corpus.conll"


def command(corpus: Path, output: Path) -> list[str]:
    nerkd = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", "annotate", "recorded"]
    answers = corpus.with_name("answers.jsonl")
    return [*nerkd, str(corpus), "--output", str(output), "--set", f"engine.answers={answers}"]


def test_a_full_disk_and_a_read_only_one_stop_the_run_and_lose_nothing(corpus: Path, tmp_path: Path) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    kept.mkdir()
    inside = ["bash", "-c", IN_A_SMALL_DISK, "-", str(disk), str(kept), *command(corpus, disk / "out")]
    done = subprocess.run(["unshare", "--mount", "--map-root-user", *inside], capture_output=True, text=True)
    if done.returncode == 99 or not (kept / "again.code").exists():
        missing(f"no disk of its own can be mounted here ({done.stderr.strip()})")
    codes = {name: int((kept / f"{name}.code").read_text()) for name in ("full", "ro", "again")}
    said = {name: (kept / f"{name}.err").read_text() for name in codes}
    assert codes == {"full": 3, "ro": 2, "again": 0}, said
    assert "answers.sqlite: cannot be written (database or disk is full)" in said["full"]
    assert said["full"].rstrip().endswith("the same command goes on from the last commit")
    assert "Traceback" not in "".join(said.values())
    assert not (kept / "full" / "annotations.jsonl").exists()

    subprocess.run(command(corpus, tmp_path / "whole"), check=True, capture_output=True)
    for name in ("annotations.jsonl", "ledger.json"):
        assert (kept / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert "answers are stored" in said["again"]  # it went on, it did not begin anew
