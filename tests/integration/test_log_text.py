"""No source text in what is kept: every log file, and whatever goes to a stderr that is no terminal.

Corpora of words that stand nowhere else go through what succeeds and what fails, and everything printed is searched.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from nerkd_local.config.folders import models_folder
from nerkd_local.quoting import LOG_TEXT
from tests.conftest import missing

SECRET = ("Quyxanthe", "Zorvildur", "Pfnglorum", "Wexbarkonia")
SENTENCE = "Quyxanthe met Zorvildur of Pfnglorum in Wexbarkonia"
TAGGED = "".join(f"{word}\t{'B-PER' if word[0].isupper() else 'O'}\n" for word in SENTENCE.split()) + "\n"
ROW = {"id": "a", "text": SENTENCE, "tokens": [[0, 9]], "spans": [[0, 9, "PER"]], "meta": {}}

ANNOTATOR = """\
name: scripted
engine: {kind: scripted, own_process: true, dies_on: Zorvildur met}
labels: {PER: people, LOC: places, ORG: companies, MISC: others}
prompt: standard
format: lines
"""


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a batch job has, with temporary files, which logs may be, in `folder`."""
    folder.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name != LOG_TEXT}
    return {**inherited, "TMPDIR": str(folder), **more}


def nerkd(folder: Path, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", *map(str, arguments)]
    env = environment(folder / "tmp", **more)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=env)


def leaked(text: str) -> set[str]:
    return {word for word in SECRET if word.casefold() in text.casefold()}


def logs(*folders: Path) -> Iterable[Path]:
    for folder in folders:
        yield from folder.rglob("*.log")


def keep_their_counsel(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """Nothing was quoted on stderr or in a log."""
    assert not leaked(done.stderr), done.stderr
    for log in logs(folder):
        assert not leaked(log.read_text(errors="replace")), log


BROKEN = {
    "a word in the tag's place": ("x.conll", TAGGED + "O Quyxanthe\n\n"),
    "columns that come and go": ("x.conll", TAGGED + "Zorvildur X Y B-PER\n\n"),
    "a text that is a list": ("x.jsonl", json.dumps({**ROW, "text": SENTENCE.split()})),
    "an id that is a list": ("x.jsonl", json.dumps({**ROW, "id": SENTENCE.split()})),
    "tokens that are a text": ("x.jsonl", json.dumps({**ROW, "tokens": SENTENCE})),
    "a span that holds its text": ("x.jsonl", json.dumps({**ROW, "spans": [[0, 9, "PER", "Quyxanthe"]]})),
    "meta that is a text": ("x.jsonl", json.dumps({**ROW, "meta": SENTENCE})),
    "a span after the text": ("x.jsonl", json.dumps({**ROW, "spans": [[0, 900, "PER"]]})),
    "words that are not in the text": ("x.jsonl", json.dumps({"text": SENTENCE, "tokens": ["Zorvildur"]})),
    "half a line of JSON": ("x.jsonl", json.dumps(ROW)[:40]),
    "a line that is a text": ("x.jsonl", json.dumps(SENTENCE)),
    "bytes of another encoding": ("x.conll", TAGGED.replace("Wexbarkonia", "Wexbarkonia\udcff")),
    "a NUL": ("x.conll", TAGGED + "Pfnglorum\0 O\n"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_refused_corpus_is_named_by_file_and_line(tmp_path: Path, case: str) -> None:
    name, content = BROKEN[case]
    (tmp_path / name).write_text(content, errors="surrogateescape")
    done = nerkd(tmp_path, "convert", name, "out.jsonl")
    assert done.returncode == 2, done.stderr
    assert name in done.stderr
    keep_their_counsel(done, tmp_path)


def test_an_unknown_label_and_a_word_that_columns_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "examples.conll").write_text(TAGGED)
    (tmp_path / "corpus.txt").write_text(SENTENCE)
    (tmp_path / "a.yaml").write_text(ANNOTATOR.replace("PER: people, ", "") + "shots: 1\n")
    done = nerkd(tmp_path, "annotate", "a.yaml", "corpus.txt", "--output", "out", "--examples", "examples.conll")
    assert done.returncode == 2
    assert "is not a declared label" in done.stderr
    keep_their_counsel(done, tmp_path)
    text = "Quyxanthe Zorvildur"
    row = {"id": "a", "text": text, "tokens": [[0, len(text)]], "spans": [], "meta": {}}
    (tmp_path / "spaced.jsonl").write_text(json.dumps(row))
    done = nerkd(tmp_path, "convert", "spaced.jsonl", "out.conll")
    assert done.returncode == 2, done.stderr
    keep_their_counsel(done, tmp_path)


def test_an_answer_that_was_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "corpus.txt").write_text(SENTENCE)
    (tmp_path / "answers.jsonl").write_text('{"text": "It rained", "answer": "NONE"}\n')
    options = ("--output", "out", "--set", "engine.answers=answers.jsonl")
    done = nerkd(tmp_path, "annotate", "recorded", "corpus.txt", *options)
    assert "no answer is recorded for the text [51 characters" in done.stderr
    keep_their_counsel(done, tmp_path)


def test_an_engine_that_dies_of_a_text_and_answers_that_are_malformed(tmp_path: Path) -> None:
    texts = [f"{SENTENCE} {number}" for number in range(40)] + ["Zorvildur met Quyxanthe"]
    (tmp_path / "corpus.txt").write_text("\n\n".join(texts))
    (tmp_path / "a.yaml").write_text(ANNOTATOR)
    done = nerkd(tmp_path, "annotate", "a.yaml", "corpus.txt", "--output", "out")
    assert "dies of one request, which is given up: [23 characters" in done.stderr
    keep_their_counsel(done, tmp_path)


def test_what_the_user_asked_for_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "x.conll").write_text("a O\nO Quyxanthe\n\n")
    done = nerkd(tmp_path, "convert", "x.conll", "out.jsonl", **{LOG_TEXT: "1"})
    assert "x.conll:2: 'Quyxanthe' is no IOB1" in done.stderr


def test_a_terminal_is_shown_the_text(tmp_path: Path) -> None:
    (tmp_path / "x.conll").write_text("a O\nO Quyxanthe\n\n")
    command = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()", "convert", "x.conll", "o.jsonl"]
    mine, theirs = pty.openpty()
    try:
        done = subprocess.run(
            command, stderr=theirs, stdout=subprocess.DEVNULL, check=False, cwd=tmp_path, env=environment(tmp_path)
        )
        assert done.returncode == 2
        assert "'Quyxanthe' is no IOB1" in os.read(mine, 4096).decode()
    finally:
        os.close(mine)
        os.close(theirs)


EXPERIMENT = """\
name: tiny
output: out
student: {encoder}
annotator: a.yaml
original: {{corpus: {{path: train.conll}}, sizes: [8]}}
distilled: [{{name: news, corpus: {{path: train.conll}}, sample: 20}}]
evaluation: {{path: dev.conll}}
regimens: [original_only, simple_mix]
near_duplicates: {{allow: true}}
training: {{steps: 4, batch_size: 4, max_tokens: 32, stride: 8, learning_rate: 0.001}}
workers: 2
"""


@pytest.fixture
def experiment(tmp_path: Path, tiny_encoder: Path) -> Path:
    tagged = [TAGGED.replace("met", f"met{number}") for number in range(40)]
    (tmp_path / "train.conll").write_text("".join(tagged[:30]))
    (tmp_path / "dev.conll").write_text("".join(tagged[30:]))
    (tmp_path / "a.yaml").write_text(ANNOTATOR.replace("Zorvildur met", "met7"))
    (tmp_path / "e.yaml").write_text(EXPERIMENT.format(encoder=tiny_encoder))
    return tmp_path


@pytest.mark.slow
def test_a_run_its_workers_and_what_fails_in_them(experiment: Path) -> None:
    done = nerkd(experiment, "run", "e.yaml")
    assert done.returncode == 0, done.stderr
    assert list(logs(experiment))
    keep_their_counsel(done, experiment)
    student = next((experiment / "out" / "cells").glob("simple_mix*")) / "student"
    for arguments in (
        ("predict", student, "train.conll", "--output", "labels.jsonl"),
        ("predict", student, "x.jsonl", "--output", "others.jsonl"),
        ("evaluate", "dev.conll", "labels.jsonl", "--output", "scores.jsonl"),
        ("report", "out", "--output", "report.html"),
    ):
        (experiment / "x.jsonl").write_text(json.dumps({**ROW, "tokens": SENTENCE}))
        keep_their_counsel(nerkd(experiment, *arguments), experiment)


@pytest.mark.slow
def test_a_worker_that_meets_a_damaged_file(experiment: Path) -> None:
    done = nerkd(experiment, "run", "e.yaml")
    assert done.returncode == 0, done.stderr
    out = experiment / "out"
    shutil.rmtree(out / "cells")
    corpus = out / "corpus" / "original-8.jsonl"
    rows = [json.loads(line) for line in corpus.read_text().splitlines()]
    corpus.write_text("".join(json.dumps({**row, "tokens": row["text"]}) + "\n" for row in rows))
    log = out / "logs" / "worker-9.log"
    command = [sys.executable, "-m", "nerkd_local.experiment.worker", str(out), "0", "1"]
    with log.open("w") as stream:
        worker = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, check=False, cwd=experiment, env=environment(out / "tmp")
        )
    assert worker.returncode == 2
    assert "original-8.jsonl:1: 'tokens' is a str of length 52" in log.read_text()
    assert not leaked(log.read_text())


CRASH = """
from concurrent.futures import Future

from vllm.v1.executor.multiproc_executor import MultiprocExecutor
from vllm.v1.executor.uniproc_executor import UniProcExecutor

def breaking(whole):
    def execute_model(self, scheduled, *arguments, **named):
        if any(each.sampling_params.structured_outputs for each in scheduled.scheduled_new_reqs):
            failed = Future()
            failed.set_exception(RuntimeError("planted"))
            return failed
        return whole(self, scheduled, *arguments, **named)

    return execute_model

def prepare():
    for executor in (MultiprocExecutor, UniProcExecutor):
        executor.execute_model = breaking(executor.execute_model)
"""

ASK = f"""
import sys
from pathlib import Path
from nerkd_local import offline
from nerkd_local.annotate.completer import EngineDied, Message, Request
from nerkd_local.annotate.engines.worker_process import WorkerProcess
from nerkd_local.annotate.settings import VllmSettings

offline.seal()
engine = WorkerProcess(VllmSettings(model=Path(sys.argv[1]), max_model_len=1024, cpu_kv_cache_gib=1), Path(sys.argv[2]))
try:
    list(engine.complete([Request(0, (Message("user", "{SENTENCE}"),), 40, grammar='root ::= "{SECRET[0]}"')]))
except EngineDied as death:
    print(death, file=sys.stderr)
finally:
    engine.close()
"""


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize("asked", ["", "1"])
def test_vllm_prints_no_text_when_its_engine_breaks_down(tmp_path: Path, asked: str) -> None:
    """The grammar of a sentence is in the parameters, which vLLM prints then; with 1 it does, which shows that this
    test sees it.
    """
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    plugins = tmp_path / "plugins"
    described = plugins / "planted-1.0.dist-info"
    described.mkdir(parents=True)
    (plugins / "planted.py").write_text(CRASH)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    # ours too: these tests run where the package is installed, and where it is not
    own = "nerkd = nerkd_local.annotate.engines.vllm_hook:prepare\n"
    (described / "entry_points.txt").write_text(f"[vllm.general_plugins]\n{own}planted = planted:prepare\n")
    log = tmp_path / "engine.log"
    path = os.pathsep.join([str(plugins), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(models_folder("demo-annotator")), str(log)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(tmp_path / "tmp", PYTHONPATH=path, **{LOG_TEXT: asked}),
    )
    printed = done.stderr + log.read_text(errors="replace")
    assert "RuntimeError: planted" in printed
    assert "Dumping scheduler output" in printed
    assert bool(leaked(printed)) == bool(asked), printed
