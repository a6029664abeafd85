"""What is asked of the C library, and that one without it does not matter."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

import pytest

from nerkd_local.memory import keep_freed_memory

# 200 MB in arrays of 4 MB are taken and freed, twice; the second time hardly a page comes anew from the system.
# numpy's arrays are the C library's, as torch's tensors are.
TWICE = """
import resource, sys
import numpy
from nerkd_local.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [numpy.ones(4 << 17) for _ in range(50)]
    del arrays
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * resource.getpagesize())
"""


def anew(how: str) -> int:
    """The bytes of the second 200 MB that the system had to give."""
    done = subprocess.run([sys.executable, "-c", TWICE, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not glibc")
def test_freed_memory_is_used_again() -> None:
    assert anew("given back") > 100 << 20
    assert anew("kept") < 20 << 20


class Elsewhere:
    """A C library without `mallopt`, as musl and the ones of macOS and Windows are."""

    def __init__(self, name: Any) -> None:
        pass


def unreadable(name: Any) -> None:
    raise OSError("cannot load library")


@pytest.mark.parametrize("library", [Elsewhere, unreadable])
def test_nothing_happens_where_the_library_is_not_glibc(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setattr("ctypes.CDLL", library)
    keep_freed_memory()
