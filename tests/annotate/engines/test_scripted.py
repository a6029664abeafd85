"""The shipped fake engine: answers that follow from the text, in any order, with a real engine's faults."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from pydantic import ValidationError

from nerkd_local.annotate.completer import Completion, Message, Request
from nerkd_local.annotate.engines.scripted import ScriptedCompleter
from nerkd_local.annotate.engines.start import check_engine, engine_identity, is_present, open_engine, start_engine
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.annotate.settings import AnnotatorSettings, ScriptedSettings
from tests.annotate.engines.deadly import request

TEXTS = [f"Ann {word} met Bob of Bonn number {number}" for number in range(200) for word in ("also", "then")]


def asked(settings: ScriptedSettings, *requests: Request) -> list[Completion]:
    return sorted(ScriptedCompleter(settings).complete(requests), key=lambda completion: completion.key)


def long(key: int, text: str, **more: object) -> Request:
    return replace(request(key, text), max_tokens=200, **more)  # type: ignore[arg-type]


def test_capitalised_words_are_mentions_in_either_format() -> None:
    settings = ScriptedSettings(script="capitals", labels=("A", "B"))
    (lines,) = asked(settings, long(0, "the Danube at Linz"))
    assert lines == Completion(0, "A\tDanube\nA\tLinz", "stop", 4, 4)
    in_json = replace(
        long(0, "Ulm or not"), messages=(Message("system", '{"entities": []}'), Message("user", "Text: Ulm or not"))
    )
    (json,) = asked(settings, in_json)
    assert answer_format("json").parse(json.text).mentions == (Mention("Ulm", "B"),)
    assert asked(settings, long(0, "nobody"))[0].text == "NONE"
    assert asked(ScriptedSettings(script="none"), long(0, "Linz"))[0].text == "NONE"


def test_an_answer_ends_at_its_limit() -> None:
    settings = ScriptedSettings(script="capitals", labels=("A",))
    (cut,) = asked(settings, replace(request(0, "Ann of Bonn"), max_tokens=3))
    assert (cut.text, cut.finish_reason, cut.output_tokens) == ("A\tAnn\nA", "length", 3)


@pytest.mark.parametrize("script", ["capitals", "mixed"])
def test_answers_follow_from_the_question_alone_and_only_their_order_from_the_seed(script: str) -> None:
    questions = [long(number, text) for number, text in enumerate(TEXTS)]
    settings = ScriptedSettings.model_validate({"script": script})
    first, second = (list(ScriptedCompleter(settings).complete(questions)) for _ in range(2))
    assert first == second
    other = list(ScriptedCompleter(settings.model_copy(update={"seed": 1, "in_flight": 9})).complete(questions[::-1]))
    assert [completion.key for completion in other] != [completion.key for completion in first]
    assert sorted(other, key=lambda c: c.key) == sorted(first, key=lambda c: c.key)
    assert [completion.key for completion in first] != sorted(completion.key for completion in first)


def test_mixed_answers_have_every_fault_of_a_real_engine() -> None:
    settings = ScriptedSettings(script="mixed", labels=("A", "B", "C"))
    form = answer_format("lines")
    free = asked(settings, *(long(number, text, stop_loops=True) for number, text in enumerate(TEXTS)))
    bound = asked(settings, *(long(number, text, constraint="NONE|.*") for number, text in enumerate(TEXTS)))
    tight = asked(settings, *(replace(long(number, text), max_tokens=12) for number, text in enumerate(TEXTS)))
    malformed = {completion.key for completion in free if form.parse(completion.text).malformed}
    assert malformed
    assert not any(form.parse(bound[key].text).malformed for key in malformed)
    looped = {completion.key for completion in free if completion.finish_reason == "loop"}
    assert looped
    assert {bound[key].finish_reason for key in looped} == {"length"}
    cut = {completion.key for completion in tight if completion.finish_reason == "length"}
    assert {free[key].finish_reason for key in cut - looped} == {"stop"}  # more room is all it took
    assert cut - looped
    assert any("Atlantis" in completion.text for completion in free)
    doubled = [c for c in free if c.text.split("\n") == c.text.split("\n")[:3] * 2]
    assert doubled
    good = [c for c in free if len(form.parse(c.text).mentions) == 3 and c.finish_reason == "stop"]
    assert len(good) > len(TEXTS) / 4


def test_it_keeps_a_pace_and_takes_its_time_to_start() -> None:
    begun = time.monotonic()
    engine = ScriptedCompleter(ScriptedSettings(answers_a_second=200, slow_start_s=0.1))
    assert time.monotonic() - begun >= 0.1
    begun = time.monotonic()
    assert len(list(engine.complete(map(request, range(41))))) == 41
    assert time.monotonic() - begun >= 0.19


def test_it_waits_with_none_and_takes_no_more_than_it_holds() -> None:
    engine = ScriptedCompleter(ScriptedSettings(in_flight=4))
    taken: list[int] = []

    def requests() -> object:
        for number in range(20):
            taken.append(number)
            yield request(number)
            if number % 3 == 0:
                yield None

    seen = 0
    for _ in engine.complete(requests()):  # type: ignore[arg-type]
        seen += 1
        assert len(taken) <= seen + 4
    assert seen == 20


def test_it_is_an_engine_like_others() -> None:
    engine = {"kind": "scripted", "in_flight": 3, "own_process": True, "engines": 2, "dies_on": "x", "seed": 4}
    settings = AnnotatorSettings.model_validate({"name": "a", "engine": engine, "labels": {"PER": "a person"}}).engine
    assert isinstance(settings, ScriptedSettings)
    check_engine(settings)
    assert is_present(settings)
    assert engine_identity(settings) == engine_identity(ScriptedSettings())
    assert engine_identity(settings) != engine_identity(ScriptedSettings(script="none"))
    assert isinstance(start_engine(settings), ScriptedCompleter)
    assert isinstance(open_engine(ScriptedSettings()), ScriptedCompleter)
    with pytest.raises(ValidationError):
        ScriptedSettings(labels=())


def test_log_probabilities_are_of_the_answers_characters() -> None:
    settings = ScriptedSettings(script="mixed")
    for number, text in enumerate(TEXTS):
        (free,) = asked(settings, long(number, text, logprobs=True))
        assert free.logprobs is not None
        assert "".join(piece for piece, _ in free.logprobs) == free.text
        assert all(-0.7 < logprob <= 0 for _, logprob in free.logprobs)
        assert (free.logprobs[-1][0] == "") == (free.finish_reason == "stop")
        assert not free.masked
    (bound,) = asked(settings, long(0, TEXTS[0], logprobs=True, constraint="[A-Z]+\t.*"))
    assert bound.masked
    assert asked(settings, long(0, TEXTS[0]))[0].logprobs is None


def test_answers_vary_with_the_draw_where_there_is_a_temperature() -> None:
    settings = ScriptedSettings(script="capitals")
    drawn = [[asked(settings, long(0, t, temperature=1.0, sample=n))[0].text for t in TEXTS] for n in (1, 2)]
    greedy = [asked(settings, long(0, text, sample=1))[0].text for text in TEXTS]
    assert drawn[0] != drawn[1]
    assert drawn[0] == [asked(settings, long(9, t, temperature=1.0, sample=1))[0].text for t in TEXTS]
    same = sum(a == b for a, b in zip(drawn[0], greedy, strict=True)) / len(TEXTS)
    assert 0.1 < same < 0.9
    cooler = [asked(settings, long(0, text, temperature=0.1, sample=1))[0].text for text in TEXTS]
    assert sum(a == b for a, b in zip(cooler, greedy, strict=True)) / len(TEXTS) > same
