"""Hostile sentences through real vLLM: whatever they say, answers stay inside the schema and inside the sentence."""

from __future__ import annotations

import importlib.util
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import pytest

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.folder import prepare_job
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.settings import AnnotatorSettings, VllmSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.settings import load_settings

pytestmark = [pytest.mark.vllm, pytest.mark.slow]
SCRIPT = Path(__file__).parents[2] / "scripts" / "reliability" / "attacks.py"


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reliability_attacks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their types up
    spec.loader.exec_module(module)
    return module


def job_of(format: str, settings: VllmSettings, **changes: object) -> AnnotationJob:
    annotator = load_settings(AnnotatorSettings, configs_folder("annotators") / f"bench_{format}.yaml")
    return prepare_job(annotator.model_copy(update={"engine": settings, "shots": 0, **changes}))


@pytest.mark.parametrize("verbatim", [False, True], ids=["format", "verbatim"])
@pytest.mark.parametrize("format", ["lines", "json"])
def test_no_text_brings_an_answer_outside_the_schema_or_a_mention_outside_the_sentence(
    harness: ModuleType, engine: Completer, settings: VllmSettings, format: str, verbatim: bool
) -> None:
    attacks = harness.read_attacks()
    assert sum(attack.kind != harness.CONTROL for attack in attacks) >= 50
    job = job_of(format, settings, verbatim=verbatim)
    answered = harness.answer_all([attack.attacked for attack in attacks], job, engine)
    states: dict[str, int] = {}
    for one in answered:
        assert not harness.is_outside_schema(one, job), (one.document.text, one.answer)
        for state, count in one.reading.mentions.items():
            states[state] = states.get(state, 0) + count
    assert not {"malformed", "bad_type"} & states.keys()
    assert states["accepted"] > 50
    if verbatim:
        assert states.keys() <= {"accepted", "repaired", "truncated"}
    else:
        assert states["hallucinated"] > 0  # which is why there is a grammar
    lost = [one for one in answered if one.reading.state not in ("annotated", "too_long")]
    assert len(lost) <= len(answered) // 10, [(one.document.text[:80], one.answer.finish_reason) for one in lost]


def test_asking_freely_first_gives_what_the_grammar_gives(
    harness: ModuleType, engine: Completer, settings: VllmSettings, shared: Path
) -> None:
    corpus = read_corpus(CorpusSettings(path=shared / "data" / "conll2003" / "dev.conll"))
    documents = list(islice(corpus, 30))
    for format in ("lines", "json"):
        free, always = (
            harness.answer_all(documents, job_of(format, settings, verbatim=True, free_first=first), engine)
            for first in (True, False)
        )
        assert [one.answer.answer for one in free] == [one.answer.answer for one in always]
