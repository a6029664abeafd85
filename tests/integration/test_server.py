"""A live `vllm serve` on loopback, asked over HTTP, beside the same model in this process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nerkd_local.annotate.completer import Completer, Completion, Message, Request
from nerkd_local.annotate.engines.serve import ServeCompleter, VllmServer
from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.engines.supervised import Supervised
from nerkd_local.annotate.engines.vllm_server import NAME
from nerkd_local.annotate.folder import annotate_folder, prepare_job, write_corpus
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.settings import AnnotatorSettings, ServerSettings, ServeSettings, VllmSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.records import Document
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore
from tests.conftest import missing
from tests.integration.served_chats import CHATS, make_model, stored
from tests.waiting import wait_until

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

KEY = "NERKD_TEST_KEY"
"""The variable that holds the server's key, for those who ask it by its address."""


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if any(find_spec(name) is None for name in ("vllm", "openai", "tenacity")):
        missing("vLLM, openai or tenacity is not installed")
    return make_model(shared / "models" / "bench-annotator", tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def numbers(model: Path) -> dict[str, Any]:
    """What both engines are told."""
    return {"model": model, "max_model_len": 510, "cpu_kv_cache_gib": 1, "max_num_seqs": 16}


@pytest.fixture(scope="module")
def served(numbers: dict[str, Any]) -> ServeSettings:
    return ServeSettings(**numbers, in_flight=32, startup_timeout_s=600)


@pytest.fixture(scope="module")
def server(served: ServeSettings) -> Iterator[VllmServer]:
    """A server of the model, on its way up."""
    process = VllmServer(served)
    yield process
    process.end()


@pytest.fixture(scope="module")
def in_process(numbers: dict[str, Any], server: VllmServer) -> Iterator[Completer]:
    """The same model in this process; it starts while the server does."""
    completer = start_engine(VllmSettings(**numbers))
    yield completer
    completer.close()


@pytest.fixture(scope="module")
def over_http(served: ServeSettings, server: VllmServer, in_process: Completer) -> Iterator[Completer]:
    completer = ServeCompleter(served, server=server)
    yield completer
    completer.close()


@pytest.fixture
def url(server: VllmServer, over_http: Completer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the server, which is up."""
    monkeypatch.setenv(KEY, server.key)
    return server.url


@pytest.fixture(scope="module")
def sentences(shared: Path) -> list[Document]:
    return list(islice(read_corpus(CorpusSettings(path=shared / "data" / "conll2003" / "dev.conll")), 200))


def ask(engine: Completer, requests: list[Request]) -> list[Completion]:
    return sorted(engine.complete(requests), key=lambda completion: completion.key)


# --- the same question


@pytest.mark.parametrize("name", CHATS)
def test_the_same_request_has_the_same_prompt_token_ids(
    over_http: Completer, in_process: Completer, model: Path, name: str
) -> None:
    from transformers import AutoTokenizer

    asked = [Request(0, CHATS[name], 2, prompt_token_ids=True)]
    (here,), (there,) = ask(in_process, asked), ask(over_http, asked)
    assert here.prompt_token_ids == there.prompt_token_ids
    assert here.prompt_token_ids is not None
    assert len(here.prompt_token_ids) == here.prompt_tokens == there.prompt_tokens
    # and they are those of the model's own tokenizer: one token at the beginning, none that the data brought along
    tokenizer = AutoTokenizer.from_pretrained(model)
    text = tokenizer.decode(here.prompt_token_ids)
    if "whole chat" in CHATS[name][0].content:
        assert text.startswith("<s><|im_start|>")
        assert text.count("<s>") == 1
        assert text.count("<|im_start|>") == len(CHATS[name]) + 1
        assert text.endswith("<|im_start|>assistant\n")
        plain = [{"role": message.role, "content": message.content} for message in CHATS[name]]
        if name != "control tokens":
            whole = tokenizer.apply_chat_template(plain, add_generation_prompt=True)["input_ids"]
            assert list(here.prompt_token_ids) == list(whole)


def test_what_a_chat_template_is_told_arrives_on_both_ways(over_http: Completer, in_process: Completer) -> None:
    plain = Request(0, CHATS["a system message"], 2, prompt_token_ids=True)
    told = replace(plain, key=1, chat_template_kwargs={"opening": "NONE"})
    here, there = ask(in_process, [plain, told]), ask(over_http, [plain, told])
    assert [answer.prompt_token_ids for answer in here] == [answer.prompt_token_ids for answer in there]
    assert here[1].prompt_tokens > here[0].prompt_tokens


# --- the same answer


def test_answers_and_their_counts_agree(over_http: Completer, in_process: Completer, sentences: list[Document]) -> None:
    asked = [Request(n, (Message("user", f"Text: {d.text}"),), 60) for n, d in enumerate(sentences)]
    here, there = ask(in_process, asked), ask(over_http, asked)
    assert [answer.prompt_tokens for answer in here] == [answer.prompt_tokens for answer in there]
    # bfloat16 sums differ with the sentences that are computed together, so a close call may fall either way
    differing = sum(one != other for one, other in zip(here, there, strict=True))
    print(f"{differing} of {len(sentences)} answers differ")
    assert differing <= len(sentences) / 20
    # had the server's defaults (a penalty, a temperature) come in, few would agree
    assert sum(len(answer_format("lines").parse(answer.text).mentions) for answer in there) > 100


def test_logprobs_agree_where_they_are_asked_for(over_http: Completer, in_process: Completer) -> None:
    text = (Message("user", "Text: Peter Blackburn of BRUSSELS"),)
    asked = [
        Request(0, text, 60, logprobs=True),
        Request(1, text, 60),
        Request(2, text, 60, "RIVER\t[A-Z]{3}", logprobs=True),
    ]
    # one by one: computed together or not, sums in bfloat16 differ
    here = [answer for request in asked for answer in ask(in_process, [request])]
    there = [answer for request in asked for answer in ask(over_http, [request])]
    for one, other in zip(here, there, strict=True):
        assert (one.text, one.finish_reason, one.output_tokens) == (
            other.text,
            other.finish_reason,
            other.output_tokens,
        )
    assert here[1].logprobs is None
    assert there[1].logprobs is None
    for number in (0, 2):
        one, other = here[number].logprobs, there[number].logprobs
        assert one is not None
        assert other is not None
        assert len(one) == len(other) == here[number].output_tokens
        assert [token for token, _ in one] == [token for token, _ in other]
        assert [value for _, value in one] == pytest.approx([value for _, value in other], abs=0.02)
        assert all(value <= 0 for _, value in one)
    free, bound = here[0].logprobs, here[2].logprobs
    assert free is not None
    assert bound is not None
    assert "".join(token for token, _ in free) == here[0].text + "<|im_end|>"
    # free, the model all but certainly begins with PER, which leaves any other beginning less than -4.6: the
    # constraint was there before the logprobs were taken
    assert free[0][0] == "PER"
    assert free[0][1] > -0.01
    assert bound[0][0] != "PER"
    assert bound[0][1] > -4


def test_ends_are_told_apart_in_the_same_way(over_http: Completer, in_process: Completer) -> None:
    # 248 words fill all 510 positions (the template writes the text twice); 247 leave two
    texts = ["Peter Blackburn of BRUSSELS met Ann", *(f"{'word ' * n}" for n in (247, 248, 249, 9000)), "It rained"]
    asked = [Request(number, (Message("user", f"Text: {text}"),), 3) for number, text in enumerate(texts)]
    asked.append(Request(6, (Message("user", "Text: It rained"),), 5000))  # more than the model has room for
    here, there = ask(in_process, asked), ask(over_http, asked)
    ends = [(answer.finish_reason, answer.prompt_tokens, answer.output_tokens) for answer in here]
    assert ends == [(answer.finish_reason, answer.prompt_tokens, answer.output_tokens) for answer in there]
    assert [reason for reason, _, _ in ends[:5]] == ["length", "length", "too_long", "too_long", "too_long"]
    assert {reason for reason, _, _ in ends[5:]} <= {"stop", "length"}


def test_loops_and_what_was_computed_before_are_told_in_the_same_way(
    over_http: Completer, in_process: Completer
) -> None:
    question = (Message("user", f"whole chat {'word ' * 300}"),)
    loop = Request(0, question, 150, "(ab){70}", stop_loops=True)
    for _ in range(2):  # the second time, most of the prompt is known
        (here,), (there,) = ask(in_process, [loop]), ask(over_http, [loop])
    assert (here.finish_reason, here.text) == (there.finish_reason, there.text)
    assert here.finish_reason == "loop"
    assert here.cached_tokens == there.cached_tokens
    assert here.cached_tokens


# --- constraints


@pytest.mark.parametrize("name", ["lines", "json"])
def test_a_constraint_holds_where_the_model_alone_would_not(over_http: Completer, name: str) -> None:
    # other types than the model was trained on: without the constraint it would answer PER, LOC, ORG
    pattern = answer_format(name).constraint(["RIVER", "KING"])
    text = (Message("user", "Text: Peter Blackburn of BRUSSELS"),)
    free, bound = ask(over_http, [Request(0, text, 120), Request(1, text, 120, pattern)])
    assert not re.fullmatch(pattern, free.text)
    assert bound.finish_reason == "length" or re.fullmatch(pattern, bound.text)
    assert re.match("NONE|RIVER|KING" if name == "lines" else r"\{\"entities\": ?\[", bound.text)


def test_a_constraint_that_the_server_refuses_is_one_line(over_http: Completer) -> None:
    with pytest.raises(InputError, match=r"refuses a request \(Failed to transform regex"):
        ask(over_http, [Request(0, (Message("user", "Text: Ann"),), 5, "((")])


def test_a_model_that_is_not_served_is_one_line(url: str) -> None:
    with pytest.raises(InputError, match=r"no model 'annotater' \(did you mean 'annotator'"):
        start_engine(ServerSettings(base_url=url, model="annotater", api_key_env=KEY))


# --- whole runs


def command(url: str, corpus: Path, output: Path) -> list[str]:
    nerkd = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]
    engine = [f"engine.base_url={url}", f"engine.model={NAME}", "engine.in_flight=8", "engine.timeout_s=120"]
    engine.append(f"engine.api_key_env={KEY}")
    settings = [part for setting in engine for part in ("--set", setting)]
    return [*nerkd, "annotate", "server", str(corpus), "--output", str(output), *settings]


def test_a_killed_annotation_goes_on_and_ends_as_an_unbroken_one_in_process(
    url: str, in_process: Completer, model: Path, sentences: list[Document], tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    write_corpus(corpus, sentences)
    output = tmp_path / "out"
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command(url, corpus, output), stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_until(lambda: stored(output / "answers.sqlite") > 0, within_s=120)
    finally:
        process.kill()
        process.wait()
    settings = load_settings(AnnotatorSettings, output / "annotator.yaml")
    assert isinstance(settings.engine, ServerSettings)
    with AnswerStore(output / "answers.sqlite") as store:
        before = store.count(store.open_run(prepare_job(settings).identity()))
    assert 0 < before < len(sentences)
    resumed = subprocess.run(command(url, corpus, output), check=True, capture_output=True, text=True)
    line = re.search(r"going on: (\d+) of \d+ answers", resumed.stderr)
    assert line is not None
    assert int(line[1]) == before
    there = json.loads((output / "ledger.json").read_text())

    engine = VllmSettings(model=model, max_model_len=510)
    shipped = load_settings(AnnotatorSettings, configs_folder("annotators") / "server.yaml")
    here = annotate_folder(corpus, tmp_path / "here", shipped.model_copy(update={"engine": engine}), in_process)
    assert there["prompt_tokens"] == here["prompt_tokens"]
    assert there["mentions"]["accepted"] > 100
    assert there["mentions"]["malformed"] == there["mentions"]["bad_type"] == 0  # the constraint saw to it
    exports = [(folder / "annotations.jsonl").read_text().splitlines() for folder in (output, tmp_path / "here")]
    differing = sum(one != other for one, other in zip(*exports, strict=True))
    print(f"{differing} of {len(sentences)} exported sentences differ")
    assert differing <= len(sentences) / 20


# --- a server that dies


def test_a_killed_server_is_started_again_and_every_question_is_answered_once(
    over_http: Completer, server: VllmServer, in_process: Completer, served: ServeSettings, sentences: list[Document]
) -> None:
    asked = [Request(n, (Message("user", f"Text: {d.text}"),), 60) for n, d in enumerate(sentences[:60])]
    engines = iter([over_http])

    def killing() -> Iterator[Request]:
        for request in asked:
            if request.key == 45:  # 13 at least are answered, and at most 32 are out
                os.kill(server.pid, signal.SIGKILL)
            yield request

    engine = Supervised(lambda: next(engines, None) or ServeCompleter(served))
    try:
        answers = sorted(engine.complete(killing()), key=lambda answer: answer.key)
    finally:
        engine.close()
    assert server.is_gone()
    server.log.unlink()  # which stays for who wants to know why
    assert [answer.key for answer in answers] == list(range(60))
    assert {answer.finish_reason for answer in answers} <= {"stop", "length"}
    differing = sum(one.text != other.text for one, other in zip(answers, ask(in_process, asked), strict=True))
    assert differing <= len(asked) / 20
