"""What stands next to the manifest, for somebody with nothing else."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
from pathlib import Path

from nerkd_local.bundle.create.beside import START, beside_files
from nerkd_local.bundle.create.volumes import Header, Source, write_bundle
from nerkd_local.bundle.manifest import Target
from nerkd_local.bundle.pyz import NAME
from nerkd_local.bundle.refusals import Refused
from tests.bundle.samples import Keys

TARGET = Target("linux", "x86_64", "2.31", "cp311", "cpu")


def test_the_commands_that_it_tells_work_by_hand(tmp_path: Path, keys: Keys) -> None:
    header = Header("toolkit", "sample", 1, "2026-01-02T03:04:05Z", target=TARGET)
    folder = tmp_path / "bundle"
    manifest = write_bundle(header, {"a": Source(b"a", "data")}, folder, keys.private, beside=beside_files()).manifest
    commands = [
        line.strip()
        for line in (folder / START).read_text().splitlines()
        if line.startswith("    ") and line.split()[0] in ("cp", "openssl", "sha256sum", "grep", "python3")
    ]
    own = tmp_path / "own"
    own.mkdir()
    said = []
    for command in commands:
        there = command.replace("PUBLIC.pem", str(keys.public)).replace("MEDIUM", str(folder))
        words = shlex.split(there)
        if words[:4] == ["python3", "-I", NAME, "install"]:
            continue
        done = subprocess.run(words, cwd=own, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        said.append(done.stdout)
    _, signed, root_hash, listed, tool, verified = said
    assert signed == "Signature Verified Successfully\n"
    assert root_hash.split() == [manifest.root_hash, "bundle.json"]
    assert listed == f'"path":"{NAME}","sha256":"{tool.split()[0]}"\n'
    assert tool.split()[0] == hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    assert verified.startswith("good: ")
    assert len(commands) == 7


def test_they_are_the_same_each_time_and_short_enough_to_read() -> None:
    assert beside_files() == beside_files()
    text = beside_files()[START].decode("ascii")
    assert len(text.splitlines()) <= 42
    assert max(map(len, text.splitlines())) <= 100


def test_every_exit_code_of_a_refusal_is_explained() -> None:
    text = beside_files()[START].decode("ascii").partition("Exit codes:")[2]
    codes = {each.exit_code for each in Refused.__subclasses__()}
    assert codes >= {10, 17}
    assert codes <= {int(code) for code in re.findall(r"\b\d+\b", text)}
