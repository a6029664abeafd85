"""What vLLM is told, in this process and on a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.engines.devices import Devices
from nerkd_local.annotate.engines.vllm_arguments import as_flags, engine_arguments
from nerkd_local.annotate.engines.vllm_server import check_copies, server_arguments
from nerkd_local.annotate.settings import ServeSettings, VllmSettings
from nerkd_local.errors import InputError

CPU, GPU = Devices(on_cpu=True, count=1), Devices(on_cpu=False, count=4, capability=(9, 0))


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ({"max_model_len": 8}, ["--max-model-len=8"]),
        ({"a": True, "b_c": False}, ["--a", "--no-b-c"]),
        ({"structured_outputs_config": {"backend": "x"}}, ['--structured-outputs-config={"backend": "x"}']),
        ({"model": "/a folder/--b"}, ["--model=/a folder/--b"]),
        ({}, []),
    ],
)
def test_arguments_as_flags(arguments: dict[str, Any], flags: list[str]) -> None:
    assert as_flags(arguments) == flags


def test_a_server_is_told_what_the_engine_in_process_is_told_and_more() -> None:
    chosen: dict[str, Any] = {
        "model": Path("m"),
        "dtype": "float16",
        "quantization": "awq",
        "max_num_seqs": 4,
        "seed": 3,
    }
    for devices in (CPU, GPU):
        here = engine_arguments(VllmSettings(**chosen), Path("m"), devices)
        there = server_arguments(ServeSettings(**chosen), 8000, devices)
        assert here.items() <= there.items()
        assert here["enforce_eager"] is devices.on_cpu
        assert "max_model_len" not in here  # the model's own
    assert set(there) - set(here) == {
        "host",
        "port",
        "served_model_name",
        "data_parallel_size",
        "generation_config",
        "enable_prompt_tokens_details",
        "disable_fastapi_docs",
        "disable_uvicorn_access_log",
        "enable_log_requests",
    }
    assert there["host"] == "127.0.0.1"


@pytest.mark.parametrize(("copies", "each", "fits"), [(4, 1, True), (2, 2, True), (5, 1, False), (2, 3, False)])
def test_copies_need_gpus_of_their_own(copies: int, each: int, fits: bool) -> None:
    settings = ServeSettings(model=Path("m"), data_parallel_size=copies, tensor_parallel_size=each)
    check_copies(settings, CPU)
    check_copies(settings, Devices(on_cpu=False))
    if fits:
        check_copies(settings, GPU)
    else:
        with pytest.raises(InputError, match=f"data_parallel_size is {copies}, with {each} GPUs each .* and 4 are"):
            check_copies(settings, GPU)
