"""`nerkd --network`: what a command may reach, said before anything is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# a command that says how it was called
SHOW = """
import click, os
from nerkd_local import offline
from nerkd_local.cli import convert, main
from nerkd_local.offline import guard


@click.command("convert")
def show():
    print(guard.active(), offline.is_sealed(), os.environ[offline.NETWORK])


convert.command = show
main.main()
"""
CLUSTER = "cluster interface=lo peers=10.1.0.0/24"


def shown(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SHOW, *arguments, "convert"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "profile"),
    [
        ([], {"NERKD_NETWORK": ""}, "local"),
        ([], {"NERKD_NETWORK": CLUSTER}, CLUSTER),
        (["--network", CLUSTER], {"NERKD_NETWORK": "local"}, CLUSTER),
        (["--network", "local"], {"NERKD_NETWORK": CLUSTER}, "local"),
    ],
)
def test_a_command_is_sealed_as_it_is_told(arguments: list[str], environment: dict[str, str], profile: str) -> None:
    done = shown(*arguments, **environment)
    assert (done.stdout, done.stderr) == (f"{profile} True {profile}\n", "")


def test_what_is_no_profile_is_one_line_and_the_exit_code_of_bad_input() -> None:
    for done in (shown("--network", "clster"), shown(NERKD_NETWORK="clster")):
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == (
            "nerkd: the network 'clster' is none; say 'local', or 'cluster interface=NAME peers=ADDRESS[,ADDRESS...]' "
            "(--network, NERKD_NETWORK)\n"
        )
