from __future__ import annotations

import io
import sys
from importlib.util import find_spec

import pytest

from nerkd_local.annotate.engines.vllm_quiet import _describe, leave_text_out
from nerkd_local.quoting import LOG_TEXT
from tests.conftest import missing


class Constraint:
    grammar = 'root ::= "Zorvildur"'
    regex = None


def test_a_constraint_is_told_by_its_kind_and_length() -> None:
    assert _describe(Constraint()) == "StructuredOutputsParams(grammar: 20 characters)"


@pytest.mark.vllm
@pytest.mark.slow
def test_vllms_parameters_print_no_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams

    before = StructuredOutputsParams.__repr__
    monkeypatch.setattr(StructuredOutputsParams, "__repr__", before)  # put back afterwards
    asked = SamplingParams(structured_outputs=StructuredOutputsParams(grammar='root ::= "Zorvildur"'))
    leave_text_out()  # where messages may hold text, nothing changes
    assert "Zorvildur" in str(asked)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delenv(LOG_TEXT)
    leave_text_out()
    assert "Zorvildur" not in str(asked)
    assert "grammar: 20 characters" in str(asked)
