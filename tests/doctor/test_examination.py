from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.doctor import examine
from nerkd_local.doctor.finding import Finding


def test_a_look_at_this_machine(tmp_path: Path) -> None:
    found = examine(store=tmp_path / "annotations")
    by_check = {each["check"]: each for each in found["findings"]}
    assert len(by_check) == len(found["findings"])  # no two by one name
    assert {
        *("python", "python modules", "isolation", "glibc", "C runtimes", "compiler", "clock", "memory"),
        *("shared memory", "open files", "core dumps", "temporary files", "disk", "store's file system"),
        *("store's writing", "network switches", "network guard", "loopback ports", "free ports", "proxies"),
        *("beyond the guard", "packages", "libraries", "driver", "model demo-annotator", "model demo-student"),
    } <= by_check.keys()
    assert all(each["fix"] for each in found["findings"] if each["status"] != "ok")
    assert found["offline"] == "all set"
    assert by_check["beyond the guard"]["status"] == "unknown"
    assert len(found["models"]) == 2
    assert json.loads(json.dumps(found)) == found


def test_failures_are_the_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nerkd_local.doctor import resources

    monkeypatch.setattr(resources, "core_dumps", lambda: Finding("core dumps", "warn", "on", "ulimit -c 0"))
    monkeypatch.setattr(resources, "memory", lambda: Finding("memory", "fail", "none", "buy some"))
    problems = examine([tmp_path])["problems"]
    assert "memory: none" in problems
    assert any(problem.startswith(f"model {tmp_path.name}: ") for problem in problems)
    assert not any("core dumps" in problem for problem in problems)


def test_slow_looks_are_announced_and_left_out_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from nerkd_local.doctor import software

    monkeypatch.setattr(software, "vllm_import", lambda: Finding("vllm", "ok", "imported"))
    monkeypatch.setattr("nerkd_local.doctor.examination.vllm_version", lambda: "vllm 1")
    said: list[str] = []
    assert "vllm" not in {each["check"] for each in examine(say=said.append)["findings"]}
    assert said == []
    assert "vllm" in {each["check"] for each in examine(import_vllm=True, say=said.append)["findings"]}
    assert "--no-vllm" in said[0]
