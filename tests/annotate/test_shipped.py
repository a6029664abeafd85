"""The shipped annotators: each for one kind of model, in words and values that agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.engines.start import engine_identity
from nerkd_local.annotate.settings import AnnotatorSettings, VllmSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.settings import load_settings
from tests.integration.family_runs import RUNS

FOLDER = configs_folder("annotators")
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

# model folder, how its weights are packed, GPUs
LARGE = {
    "gemma3_12b": ("models/gemma-3-12b-it", None, 1),
    "gpt_oss_20b": ("models/gpt-oss-20b", None, 1),
    "llama3_70b_fp8": ("models/Llama-3.3-70B-Instruct-FP8", None, 2),
    "llama3_8b": ("models/Llama-3.1-8B-Instruct", None, 1),
    "llama3_8b_gptq": ("models/Llama-3.1-8B-Instruct-GPTQ-INT4", "gptq", 1),
    "mistral_7b": ("models/Mistral-7B-Instruct-v0.3", None, 1),
    "qwen3_14b_awq": ("models/Qwen3-14B-AWQ", "awq", 1),
    "qwen3_8b": ("models/Qwen3-8B", None, 1),
}


def load(name: str) -> AnnotatorSettings:
    return load_settings(AnnotatorSettings, FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("name", sorted(LARGE))
def test_a_large_models_settings_fit_its_card(name: str) -> None:
    engine = load(name).engine
    assert isinstance(engine, VllmSettings)
    assert (str(engine.model), engine.quantization, engine.tensor_parallel_size) == LARGE[name]
    # a model of this kind can read 40 thousand tokens or more: unbounded, its cache would not fit the card
    assert engine.max_model_len is not None
    assert engine.max_model_len <= 4096
    assert engine.gpu_memory_utilization <= 0.9
    assert engine.dtype == "auto"  # a GPU without bfloat16 is vLLM's to find


def test_every_large_model_is_tried_in_small_but_the_one_that_no_cpu_computes() -> None:
    assert {*LARGE} - {*RUNS} == {"llama3_70b_fp8"}
    assert {*RUNS} <= {*LARGE} <= {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_launch_command_names_the_file(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert f"#   nerkd annotate {name} CORPUS --output FOLDER" in text
    assert len({load(other).name for other in NAMES}) == len(NAMES)  # tables can tell them apart


def test_packing_and_number_format_make_another_engine(tmp_path: Path) -> None:
    plain = VllmSettings(model=tmp_path / "absent")
    identity = engine_identity(plain)
    assert "quantization" not in identity
    for change in ({"quantization": "fp8"}, {"dtype": "float16"}, {"tensor_parallel_size": 2}):
        assert engine_identity(plain.model_copy(update=change)) != identity
    # where the work is done, and how much of it at once, is not what the answers depend on
    assert engine_identity(plain.model_copy(update={"gpu_memory_utilization": 0.5, "max_num_seqs": 8})) == identity
