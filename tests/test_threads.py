"""What OpenMP is told, and that a user's own word stays."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nerkd_local.threads import wait_politely

ASKED = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


@pytest.fixture(autouse=True)
def _nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})


def asked() -> dict[str, str]:
    return {name: os.environ[name] for name in ASKED if name in os.environ}


def test_threads_spin_a_moment_and_then_sleep() -> None:
    for _ in range(2):  # a child process inherits it and calls again
        wait_politely()
        assert asked() == {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}


@pytest.mark.parametrize("name", ASKED)
def test_what_the_user_has_set_stays_alone(name: str) -> None:
    os.environ[name] = "7"
    wait_politely()
    assert asked() == {name: "7"}


def test_torch_takes_it() -> None:
    # GNU's OpenMP tells what it has read when OMP_DISPLAY_ENV asks for it; another make does not know the name
    code = "from nerkd_local.threads import wait_politely; wait_politely(); import torch"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={"OMP_DISPLAY_ENV": "verbose", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    if "GOMP_SPINCOUNT" not in told:
        pytest.skip("torch's OpenMP is not GNU's")
    assert "GOMP_SPINCOUNT = '1000'" in told
