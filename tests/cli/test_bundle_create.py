"""`nerkd bundle create`: what it refuses on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bundle.samples import Keys
from tests.cli.test_commands import nerkd, refused

SPEC = Path(__file__).parents[2] / "configs" / "bundles" / "small.yaml"


def test_it_is_among_the_bundles_commands_with_its_options() -> None:
    listed = nerkd("bundle", "--help")
    assert listed.returncode == 0
    assert "\n  create " in listed.stdout
    done = nerkd("bundle", "create", "--help")
    assert done.returncode == 0
    for words in ("SPEC", "--key PRIVATE.pem", "--after BUNDLE", "--full", "--set KEY=VALUE", "reaches the network"):
        assert words in done.stdout


@pytest.mark.parametrize("more", [[], ["--key", "k"], ["--output", "o"]])
def test_key_and_output_must_be_named(tmp_path: Path, more: list[str]) -> None:
    done = nerkd("bundle", "create", SPEC, *more, cwd=tmp_path)
    assert done.returncode == 2
    assert "Missing option" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_made_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    before = sorted(tmp_path.iterdir())
    command = ["bundle", "create", SPEC, "--output", "out", "--cache", "cache", "--key"]
    refused(nerkd(*command, "nokey.pem", cwd=tmp_path), "nokey.pem: no such private key")
    refused(nerkd(*command, keys.public, cwd=tmp_path), "is no ed25519 private key")
    refused(nerkd(*command, keys.private, "--set", "target.python=3.11", cwd=tmp_path), "--set target.python")
    refused(nerkd(*command, keys.private, cwd=tmp_path), ".: is neither a wheel nor a checkout")
    done = nerkd(*command, keys.private, "--full", cwd=tmp_path)
    assert done.returncode == 2
    assert "--full goes with --after" in done.stderr
    assert sorted(tmp_path.iterdir()) == before
