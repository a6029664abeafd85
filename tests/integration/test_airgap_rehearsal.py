"""The whole way in, behind chroot and without any network: a bundle without vLLM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing

SCRIPT = Path(__file__).parents[2] / "scripts" / "airgap-rehearsal"


@pytest.mark.slow
def test_bundle_verify_install_demo_report_in_an_empty_root(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("chroot and namespaces need root")
    if subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode or shutil.which("ip") is None:
        missing("there are no namespaces here, or no iproute2")
    # the bundle is made by the environment that the tests run in
    environment = os.environ | {"NERKD_VENV": sys.prefix}
    record = tmp_path / "record.json"
    command = [sys.executable, SCRIPT, "--small", "--work", tmp_path / "work", "--record", record]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    steps = json.loads(record.read_text())["steps"]
    names = [step["step"] for step in steps]
    assert names[0] == "bundle create"
    for name in ("verify", "receive", "install", "doctor", "demo", "report", "results out", "results, verified"):
        assert name in names
    assert all(step["exit_code"] == 0 for step in steps)
    assert "Ana" in done.stdout  # the sentence that was labelled there
    shutil.rmtree(tmp_path / "work")  # gigabytes
