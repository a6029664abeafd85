from __future__ import annotations

import pytest

from nerkd_local.bundle.findings import shown


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("objects/0a.000", "objects/0a.000"),
        ("a b", "a b"),
        ("\x1b[31m", r"'\x1b[31m'"),
        ("a\nb", r"'a\nb'"),
        ("bundle.j\u0455on", r"'bundle.j\u0455on'"),
        ("\u202egnp.exe", r"'\u202egnp.exe'"),
        ("\udcff", r"'\udcff'"),
    ],
)
def test_only_plain_names_go_to_a_terminal_as_they_are(name: str, expected: str) -> None:
    assert shown(name) == expected
