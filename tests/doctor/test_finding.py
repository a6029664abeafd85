from __future__ import annotations

import pytest

from nerkd_local.doctor.finding import Finding


def test_what_is_not_well_says_how_to_mend_it() -> None:
    assert Finding("clock", "ok", "2026").fix is None
    with pytest.raises(ValueError, match="'clock' is warn and names no fix"):
        Finding("clock", "warn", "1970")


def test_a_finding_is_plain_json() -> None:
    assert Finding("clock", "fail", "1970", "set it").as_json() == {
        "check": "clock",
        "status": "fail",
        "seen": "1970",
        "fix": "set it",
    }
