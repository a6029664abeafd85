"""What vLLM calls in each of its processes as it starts: the one place where code of ours runs there.

Registered as one of `vllm.general_plugins` (see pyproject.toml), so it is found where the package is installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import MutableMapping
from typing import Any

from nerkd_local import offline
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER, end_with_owner
from nerkd_local.annotate.engines.vllm_quiet import leave_text_out

NAME = "nerkd"
"""How the registration calls it."""

_ADMITTED = "VLLM_PLUGINS"


def admit(environment: MutableMapping[str, str]) -> None:
    """Have vLLM call the hook where a user has listed the plugins that it may load."""
    listed = environment.get(_ADMITTED)
    if listed is not None and NAME not in listed.split(","):
        environment[_ADMITTED] = f"{listed},{NAME}".lstrip(",")


def prepare() -> None:
    """In a process of an engine of ours: seal it, end it with its owner, have it start without `lscpu` and keep text
    out of its logs.

    Does nothing in engines that others start. Twice is fine.
    """
    if ENGINE_OWNER not in os.environ:
        return
    offline.seal()
    end_with_owner()
    do_without_lscpu()
    leave_text_out()


def do_without_lscpu() -> None:
    """Where `lscpu` cannot say which cores there are, let vLLM take each as one of its own on the first node.

    vLLM 0.32 asks it through a shell on a CPU and ends where a machine has neither; it has that answer itself, and
    gives it where `lscpu` says nothing that it understands.
    """
    try:
        from vllm.utils import cpu_resource_utils as resources

        ask, make_up = resources._get_cpu_list, resources._synthesize_cpu_list
    except (ImportError, AttributeError):  # another vLLM, which may ask otherwise
        return
    if ask.__module__ == __name__:
        return

    def listed() -> list[Any]:
        try:
            found: list[Any] = ask()
        except (OSError, subprocess.CalledProcessError, ValueError, KeyError):
            found = make_up()
        return found

    resources._get_cpu_list = listed
