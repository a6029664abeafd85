"""What a model's own chat template does with instructions, found by rendering it. Loads no weights.

A template is a program by strangers. transformers runs it in jinja's sandbox, where it reaches neither files nor
attributes of Python's own, but may run for ever: so it is rendered in a process with bounds (`python -m` this module),
which reads one JSON object on stdin and answers on stdout.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nerkd_local import offline
from nerkd_local.errors import InputError
from nerkd_local.files import read_json, read_text
from nerkd_local.limits import bound

_INSTRUCTIONS = "Instructions-are-here"
_QUESTION = "Text: a"
_SECONDS, _BYTES = 20, 1 << 30
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


def knows_system_role(folder: Path, kwargs: Mapping[str, Any]) -> bool:
    """Whether a system message reaches the model, by the chat template in its folder.

    Some templates refuse one, some drop it without a word: False. One that drops the same text from a user message
    too (it takes only the last line) reads no instructions anyhow: True, as is a folder without a template, about
    which the engine has its own ways. `kwargs` are the template's own arguments. Raises InputError if the template
    renders neither chat, or never reads one of `kwargs` (vLLM would leave it out without a word).
    """
    found = read_template(folder)
    if found is None:
        return True
    template, special = found
    for name in kwargs:
        if not re.search(rf"\b{re.escape(name)}\b", template):
            raise InputError(f"its chat template reads no {name!r}; take it out of chat_template_kwargs", path=folder)
    try:
        system, merged = _render(json.dumps({"template": template, "given": {**special, **kwargs}}))
    except InputError as error:
        raise InputError(error.problem, path=folder) from None
    if isinstance(system, str) and isinstance(merged, str):
        raise InputError(f"its chat template refuses every chat: {' '.join(merged.split())[:300]}", path=folder)
    return system is True or (system is False and merged is not True)


@lru_cache(maxsize=64)
def _render(asked: str) -> tuple[bool | str, bool | str]:
    """Whether instructions reach the model as a system message, and as part of the question; see `_reaches`."""
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=asked.encode(), capture_output=True, check=False)
    if done.returncode == -signal.SIGALRM:
        raise InputError(f"its chat template came to no end in {_SECONDS} s; ask where the model is from")
    try:
        system, merged = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = done.stderr.decode("utf-8", "replace").split("\n")[-2:][0][:300]
        raise InputError(
            f"its chat template ended the process that tried it (exit status {done.returncode}): {said}"
        ) from None
    return system, merged


def _answer(template: str, given: Mapping[str, Any]) -> list[bool | str]:
    """What `_render` asks for, in its process."""
    import transformers.utils.chat_template_utils  # noqa: F401 (takes a second, for which no time counts)

    bound(_SECONDS, _BYTES)
    system = [{"role": "system", "content": _INSTRUCTIONS}, {"role": "user", "content": _QUESTION}]
    merged = [{"role": "user", "content": f"{_INSTRUCTIONS}\n\n{_QUESTION}"}]
    return [_reaches(template, given, *messages) for messages in (system, merged)]


def _reaches(template: str, given: Mapping[str, Any], *messages: Mapping[str, str]) -> bool | str:
    """Whether the instructions are in the rendered chat; a string says why nothing could be rendered."""
    from transformers.utils.chat_template_utils import render_jinja_template

    chat = [*messages, {"role": "assistant", "content": "NONE"}, {"role": "user", "content": _QUESTION}]
    try:
        (text,), _ = render_jinja_template([chat], chat_template=template, add_generation_prompt=True, **given)
    except Exception as error:  # whatever goes wrong inside it, it refuses this chat
        return str(error)[:1000] or type(error).__name__
    return _INSTRUCTIONS in text


def read_template(folder: Path) -> tuple[str, dict[str, str]] | None:
    """The folder's chat template and the special tokens it may write, where transformers would find them.

    Read as files: transformers' own loader takes 6 s, most of it for importing torch, and needs the tokenizer.
    """
    files = [folder / "tokenizer_config.json", folder / "chat_template.json"]
    configs = [config for file in files if file.is_file() and isinstance(config := read_json(file), dict)]
    special = {name: _content(config[name]) for config in configs for name in _SPECIAL if config.get(name)}
    own_file = folder / "chat_template.jinja"
    if own_file.is_file():
        return read_text(own_file), special
    for config in configs:
        template = config.get("chat_template")
        if isinstance(template, list):  # one for each purpose
            template = {each["name"]: each["template"] for each in template}.get("default")
        if isinstance(template, str):
            return template, special
    return None


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


if __name__ == "__main__":
    offline.seal()
    print(json.dumps(_answer(**json.loads(sys.stdin.read()))))
