from __future__ import annotations

import pytest

from nerkd_local.doctor.egress.check import _can_build, _can_trace
from tests.conftest import missing


@pytest.fixture(scope="session")
def strace() -> None:
    """A machine where calls can be traced."""
    works, finding = _can_trace()
    if not works:
        missing(f"strace: {finding}")


@pytest.fixture(scope="session")
def black_hole() -> None:
    """A machine where a black hole can be built."""
    works, finding = _can_build()
    if not works:
        missing(f"black hole: {finding}")
