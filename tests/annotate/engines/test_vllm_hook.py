"""What vLLM's processes do first. That vLLM calls it, and that it is enough, tests/offline/test_children.py shows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from nerkd_local.annotate.engines import vllm_hook
from nerkd_local.annotate.engines.lifeline import ENGINE_OWNER


@pytest.mark.parametrize(
    ("listed", "admitted"),
    [(None, None), ("", "nerkd"), ("other", "other,nerkd"), ("nerkd", "nerkd"), ("nerkd,other", "nerkd,other")],
)
def test_a_users_list_of_plugins_does_not_keep_the_hook_out(listed: str | None, admitted: str | None) -> None:
    environment = {} if listed is None else {"VLLM_PLUGINS": listed}
    vllm_hook.admit(environment)
    assert environment.get("VLLM_PLUGINS") == admitted


@pytest.mark.parametrize(("owner", "done"), [(None, []), ("1", ["seal", "lifeline", "lscpu", "quiet"])])
def test_engines_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch, owner: str | None, done: list[str]) -> None:
    called: list[str] = []
    monkeypatch.setattr(vllm_hook.offline, "seal", lambda: called.append("seal"))
    monkeypatch.setattr(vllm_hook, "end_with_owner", lambda: called.append("lifeline"))
    monkeypatch.setattr(vllm_hook, "do_without_lscpu", lambda: called.append("lscpu"))
    monkeypatch.setattr(vllm_hook, "leave_text_out", lambda: called.append("quiet"))
    monkeypatch.delenv(ENGINE_OWNER, raising=False)
    if owner:
        monkeypatch.setenv(ENGINE_OWNER, owner)
    vllm_hook.prepare()
    assert called == done


def resources(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], list[int]]) -> Any:
    """vLLM's module as far as it matters here, where the hook finds it."""
    module: Any = ModuleType("vllm.utils.cpu_resource_utils")
    module._get_cpu_list = ask
    module._synthesize_cpu_list = lambda: ["made up"]
    parent: Any = ModuleType("vllm.utils")
    parent.cpu_resource_utils = module
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.utils", parent)
    return module


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("/bin/sh"),
        subprocess.CalledProcessError(127, "lscpu"),
        ValueError("no JSON"),
        KeyError("cpus"),
    ],
    ids=["no shell", "no lscpu", "no JSON", "another JSON"],
)
def test_where_lscpu_cannot_say_the_cores_are_made_up(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def ask() -> list[int]:
        raise error

    module = resources(monkeypatch, ask)
    vllm_hook.do_without_lscpu()
    assert module._get_cpu_list() == ["made up"]


def test_where_it_can_it_is_believed_and_other_errors_are_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[1, 2]])
    module = resources(monkeypatch, lambda: next(answers))
    vllm_hook.do_without_lscpu()
    once = module._get_cpu_list
    vllm_hook.do_without_lscpu()
    assert module._get_cpu_list is once
    assert module._get_cpu_list() == [1, 2]
    with pytest.raises(StopIteration):
        module._get_cpu_list()


def test_another_vllm_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    module = resources(monkeypatch, lambda: [1])
    del module._synthesize_cpu_list
    before = module._get_cpu_list
    vllm_hook.do_without_lscpu()
    assert module._get_cpu_list is before
