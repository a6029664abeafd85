"""What vLLM prints of a request when its engine dies: everything but the text.

vLLM 0.32 leaves prompts out of that (it prints their lengths) and prints the sampling parameters whole. Where answers
must quote the sentence (`verbatim`), their grammar is made of the sentence's words.
"""

from __future__ import annotations

from nerkd_local.quoting import shows_text


def leave_text_out() -> None:
    """Have vLLM print a constraint by its kind and length, where messages may hold no text. Twice is fine."""
    if shows_text():
        return
    try:
        from vllm.sampling_params import StructuredOutputsParams
    except ImportError:  # another vLLM, which has them elsewhere
        return
    StructuredOutputsParams.__repr__ = _describe


def _describe(params: object) -> str:
    """`StructuredOutputsParams(grammar: 812 characters)`."""
    given = [name for name in ("json", "regex", "choice", "grammar", "structural_tag") if getattr(params, name, None)]
    lengths = ", ".join(f"{name}: {len(str(getattr(params, name)))} characters" for name in given)
    return f"StructuredOutputsParams({lengths})"
