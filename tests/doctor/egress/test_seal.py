"""What the seal does for native code, which its guard cannot see: shown from outside."""

from __future__ import annotations

import sys

import pytest

from nerkd_local import offline
from nerkd_local.doctor.egress.watch import Run, pristine_environment, run_watched

pytestmark = pytest.mark.usefixtures("strace", "black_hole")

# As torch's store does: who has connected? An IPv4 address that is written as IPv6 is in no hosts file
_ASKS = """
import ctypes, socket, struct
libc, host = ctypes.CDLL(None), ctypes.create_string_buffer(1025)
address = struct.pack("=HHI", socket.AF_INET6, 0, 0) + socket.inet_pton(socket.AF_INET6, "::ffff:127.0.0.1") + bytes(4)
assert len(address) == 28
libc.getnameinfo(address, len(address), host, len(host), None, 0, 0)
print("asked")
"""
_SEALED = "from nerkd_local import offline; offline.seal()\n"


def ask(code: str) -> Run:
    patience = {"RES_OPTIONS": "timeout:1 attempts:1"}  # else it waits for 20 s where it does ask
    run = run_watched(
        [sys.executable, "-c", code], trace=True, hole=True, environment=pristine_environment() | patience
    )
    assert (run.code, run.said) == (0, "asked\n")
    return run


def test_native_code_in_a_sealed_process_asks_nobody_for_names() -> None:
    run = ask(_SEALED + _ASKS)
    assert run.trace is not None
    assert run.swallowed is not None
    assert (run.trace.attempts, run.swallowed.packets) == ((), 0)


def test_without_the_seal_it_does() -> None:
    run = ask(_ASKS)
    assert run.trace is not None
    assert run.swallowed is not None
    assert {attempt.name for attempt in run.trace.attempts} >= {"1.0.0.127.in-addr.arpa"}
    assert run.swallowed.packets > 0


def test_a_sealed_process_does_not_hand_its_own_switches_to_what_it_watches() -> None:
    assert offline.is_sealed()
    assert not {"RES_OPTIONS", "HF_HUB_OFFLINE", "no_proxy", "http_proxy"} & pristine_environment().keys()
