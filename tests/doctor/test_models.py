from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nerkd_local.doctor.models import examine_model
from nerkd_local.models.problems import CHEAP, Kind, Part, Problem


def answers(*problems: Problem) -> Callable[..., list[Problem]]:
    def check(folder: Path, *, parts: Sequence[Part]) -> list[Problem]:
        return list(problems)

    return check


def test_what_is_no_model_folder_fails(tmp_path: Path) -> None:
    line, (found,) = examine_model(tmp_path, check=answers())
    assert line is None
    assert (found.status, "without a config.json" in found.seen) == ("fail", True)


def test_a_folder_without_safetensors_fails(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    line, (found,) = examine_model(tmp_path, check=answers())
    assert line is None
    assert "no safetensors weights" in found.seen
    (tmp_path / "config.json").write_text("[]")
    assert "holds no settings by name" in examine_model(tmp_path, check=answers())[1][0].seen


@pytest.mark.parametrize(
    ("kind", "status"), [("unsafe", "fail"), ("broken", "fail"), ("unknown", "unknown"), ("note", "warn")]
)
def test_each_problem_is_a_finding(tiny_encoder: Path, kind: Kind, status: str) -> None:
    problem = Problem("config", kind, "config.json", "auto_map names code", "take it out")
    line, (found,) = examine_model(tiny_encoder, check=answers(problem))
    assert (found.status, found.seen, found.fix) == (status, "config.json: auto_map names code", "take it out")
    assert (line is None) == (status == "fail")


def test_a_sound_model_is_described_and_whether_it_was_loaded(tiny_encoder: Path) -> None:
    line, (found,) = examine_model(tiny_encoder, check=answers())
    assert line is not None
    assert line.startswith(f"{tiny_encoder}: BertModel, 0 MiB in 1 safetensors file(s)")
    assert found.seen.endswith("loaded dry")
    assert "not loaded" in examine_model(tiny_encoder, parts=CHEAP, check=answers())[1][0].seen


def test_weights_that_do_not_fit_are_said(tiny_encoder: Path) -> None:
    line, (found,) = examine_model(tiny_encoder, room=1000, check=answers())
    assert line is not None
    assert found.status == "warn"
    assert "GiB of weights" in found.seen


@pytest.mark.slow
def test_a_real_encoder_is_loaded_dry(tiny_encoder: Path) -> None:
    line, found = examine_model(tiny_encoder)
    assert line is not None, found
    assert {each.status for each in found} <= {"ok", "warn"}
