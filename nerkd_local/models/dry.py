"""A model tried out by the libraries that will read it, in processes of their own that may hang, crash or swell.

What a folder makes a library do cannot be known beforehand: a template is a program, a tokenizer holds patterns that
can take for ever. So each trial has a time and a bound on memory, and ends as a finding, never as an error here.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from nerkd_local.annotate.engines.vllm_architectures import ask_vllm
from nerkd_local.models.problems import TIMES_S, Kind, Part, Problem, Role

_IMPORTS_S = 180
_ASK = "ask where the model is from, or take another"


def try_out(folder: Path, role: Role, parts: Collection[Part], times_s: Mapping[Part, int] = TIMES_S) -> list[Problem]:
    """What the trials of these parts (of `DEEP`) find. They start one process; an annotator's `load` one for vLLM.

    `times_s`: how long each may take, without the imports before it.
    """
    own: list[Part] = [part for part in ("chat", "tokenizer", "load") if part in parts]
    if role == "annotator" and "load" in own:
        own.remove("load")
    if role == "student" and "chat" in own:
        own.remove("chat")
    problems = list(_try(folder, role, {part: times_s[part] for part in own})) if own else []
    if role == "annotator" and "load" in parts:
        problems += _ask_vllm(folder)
    return problems


def _try(folder: Path, role: Role, times_s: Mapping[Part, int]) -> Iterator[Problem]:
    command = [sys.executable, "-m", "nerkd_local.models.dry_process", str(folder.absolute()), role]
    command += [f"{part}={seconds}" for part, seconds in times_s.items()]
    with tempfile.TemporaryFile() as said:
        limit_s = _IMPORTS_S + sum(times_s.values())
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, timeout=limit_s, check=False
            )
            answers, code = done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            answers, code = error.stdout or b"", -signal.SIGALRM
        said.seek(0)
        last_words = _last_line(said.read()[-4096:])
    reached = next(iter(times_s))
    for line in answers.splitlines():
        answer = json.loads(line)
        if "begin" in answer:
            reached = answer["begin"]
        else:
            yield Problem(**answer)
    if code:
        yield Problem(reached, *_ending(reached, times_s[reached], code, last_words))


def _ending(part: Part, limit_s: int, code: int, last_words: str) -> tuple[Kind, str, str, str]:
    what = {"chat": "its chat template", "tokenizer": "its tokenizer", "load": "loading it"}[part]
    if code == -signal.SIGALRM:
        return "unsafe", ".", f"{what} came to no end in {limit_s} s", _ASK
    if code == -signal.SIGKILL:
        return "broken", ".", f"{what} was killed, as it happens where memory runs out", "try it where there is more"
    told = f": {last_words}" if last_words else ""
    return "broken", ".", f"{what} ended the process that tried it (exit status {code}){told}", _ASK


def _last_line(printed: bytes) -> str:
    lines = printed.decode("utf-8", "replace").split("\n")
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")


def _ask_vllm(folder: Path) -> list[Problem]:
    answer = ask_vllm(folder, timeout_s=_IMPORTS_S + 120)
    if answer.serves:
        return []
    if answer.serves is None:
        fix = "ask again where it is to run: nerkd doctor FOLDER"
        return [Problem("load", "note", "config.json", f"was not shown to vLLM: {answer.told}", fix)]
    fix = "take a model that this vLLM serves, or a vLLM that serves this one"
    return [Problem("load", "broken", "config.json", f"vLLM does not serve it: {answer.told}", fix)]
