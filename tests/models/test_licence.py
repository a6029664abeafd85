"""Licences as folders declare them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nerkd_local.models.licence import find_licence

CARD = "---\nlanguage: en\n{}\n---\n\n# A model\n"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({}, None),
        ({"README.md": CARD.format("license: apache-2.0")}, "Apache-2.0"),
        ({"README.md": CARD.format("license: MIT")}, "MIT"),
        ({"README.md": CARD.format("license: llama3.1")}, "llama3.1"),
        ({"README.md": CARD.format("license: other\nlicense_name: qwen-research")}, "qwen-research"),
        ({"README.md": CARD.format("license:\n- mit\n- cc-by-4.0")}, "mit AND cc-by-4.0"),
        ({"README.md": CARD.format("license: other")}, None),
        ({"README.md": CARD.format("license: unknown")}, None),
        ({"README.md": CARD.format("license: [")}, None),
        ({"README.md": CARD.format("license: 7")}, None),
        ({"README.md": "# A model\n\nlicense: mit\n"}, None),  # no head: words, not a declaration
        ({"README.md": "---\nlicense: mit\n"}, None),
        ({"README.md": "before\n---\nlicense: mit\n---\n"}, None),
        ({"LICENSE": "\n   Apache License\n   Version 2.0, January 2004\n"}, "Apache-2.0"),
        ({"LICENSE.txt": "MIT License\n\nCopyright (c) somebody"}, "MIT"),
        ({"LICENCE": "You may do as you like."}, "see LICENCE"),
        ({"README.md": CARD.format("license: mit"), "LICENSE": "Apache License\nVersion 2.0"}, "MIT"),
        ({"README.md": CARD.format("license: other"), "LICENSE": "Gemma Terms of Use\n"}, "gemma"),
    ],
)
def test_the_card_is_asked_first_then_the_licence_file(
    files: dict[str, str], licence: str | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert find_licence(tmp_path) == licence


def test_files_that_are_no_text_declare_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nlicense: mit\xff\n---\n")
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe")
    assert find_licence(tmp_path) is None


def test_a_card_that_swells_is_long_or_waits_for_a_writer_holds_nobody_up(tmp_path: Path) -> None:
    merges = "".join(f"a{n}: &a{n}\n  <<: [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    (tmp_path / "README.md").write_text(CARD.format(f"a0: &a0 {{x: y}}\n{merges}license: mit"))
    assert find_licence(tmp_path) == "MIT"
    (tmp_path / "README.md").write_text(CARD.format("license: mit") + "x" * (1 << 20))
    assert find_licence(tmp_path) == "MIT"
    (tmp_path / "README.md").write_text(CARD.format('license: "\\e[2Jmit"'))
    assert find_licence(tmp_path) == r"\x1b[2Jmit"
    (tmp_path / "README.md").unlink()
    os.mkfifo(tmp_path / "README.md")
    os.mkfifo(tmp_path / "LICENSE")
    assert find_licence(tmp_path) is None
