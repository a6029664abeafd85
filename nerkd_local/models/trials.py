"""What is tried with a model folder in a process of its own (see `dry_process`): each part as its users would do it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nerkd_local.annotate.chat_template import read_template
from nerkd_local.errors import InputError
from nerkd_local.files import read_json
from nerkd_local.models.config import read_config
from nerkd_local.models.problems import Part, Problem, Role

_TEXT = "Quillan Mirabet of Ostravane signed for Tolvery Rovers."
_EARLIER = "Berit Haldane moved to Skarrow."
_TEXTS = (_TEXT, "Ångström, Łódź; 東京 العربية 🙂 \u200b", "x" * 300, "")
_MAX_RENDERED = 64 << 10
_MARK = re.compile(r"<[|｜][^<>\s]{1,64}[|｜]>")
"""How the control tokens of most families look: each is one token, in a folder whose parts belong together."""

_OTHER = "take another copy of the model, or another model"


def _messages(system: bool) -> list[dict[str, str]]:
    """A chat as the prompts are: instructions, one worked example, a question. Some templates know no system."""
    told = "List the names in the text."
    first = f"Text: {_EARLIER}" if system else f"{told}\n\nText: {_EARLIER}"
    return [
        *([{"role": "system", "content": told}] if system else []),
        {"role": "user", "content": first},
        {"role": "assistant", "content": "Berit Haldane\tPER"},
        {"role": "user", "content": f"Text: {_TEXT}"},
    ]


def sample_chat(folder: Path) -> str:
    """A sample chat as the folder's template writes it: what the model would be given.

    Raises InputError if there is no template, or it refuses every chat. Call it in a process with bounds.
    """
    from transformers.utils.chat_template_utils import render_jinja_template

    found = read_template(folder)
    if found is None:
        raise InputError("has no chat template", path=folder)
    template, special = found
    refusal = ""
    for system in (True, False):
        try:
            (text,), _ = render_jinja_template(
                [_messages(system)], chat_template=template, add_generation_prompt=True, **special
            )
        except Exception as error:  # whatever goes wrong inside it, it refuses this chat
            refusal = " ".join(str(error).split())[:300] or type(error).__name__
        else:
            return str(text)
    raise InputError(f"its chat template refuses every chat: {refusal}", path=folder)


def _try_chat(folder: Path, role: Role) -> Iterator[Problem]:
    if read_template(folder) is None:
        if (folder / "tekken.json").is_file() and not (folder / "tokenizer.json").is_file():
            what = "has its chat format in tekken.json, which only vLLM reads; it was not tried"
            yield Problem("chat", "note", "tekken.json", what, "look at the first answers of a run")
            return
        what = "has no chat template, so it cannot be asked anything"
        yield Problem("chat", "broken", ".", what, "take the model's instruction-tuned version")
        return
    try:
        text = sample_chat(folder)
    except InputError as error:
        yield Problem("chat", "broken", ".", error.problem, _OTHER)
        return
    if len(text) > _MAX_RENDERED:
        what = f"writes {len(text):,} characters around a chat of a few lines"
        yield Problem("chat", "unsafe", ".", f"its chat template {what}", "ask where the model is from")
    elif _TEXT not in text:
        what = "its chat template does not write the text that is to be labelled, or changes it"
        yield Problem("chat", "broken", ".", what, _OTHER)


def _try_tokenizer(folder: Path, role: Role) -> Iterator[Problem]:
    from transformers import AutoTokenizer

    if role == "annotator" and (folder / "tekken.json").is_file() and not (folder / "tokenizer.json").is_file():
        what = "has no tokenizer but tekken.json, which only vLLM reads; it was not tried"
        yield Problem("tokenizer", "note", "tekken.json", what, "look at the first answers of a run")
        return
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        ids = [number for text in _TEXTS for number in tokenizer.encode(text)]
    except Exception as error:  # each kind of tokenizer has its own
        what = f"its tokenizer does not load: {_first_line(error)}"
        yield Problem("tokenizer", "broken", "tokenizer.json", what, _OTHER)
        return
    rows = _rows(read_config(folder))
    if rows is not None and ids and max(ids) >= rows:
        what = f"its tokenizer gives ids up to {max(ids):,}, and config.json has a vocabulary of {rows:,}"
        yield Problem("tokenizer", "broken", "tokenizer.json", what, "take tokenizer and weights of one model")
    if not tokenizer.is_fast and role == "student":
        what = "is not there; words cannot be traced through a slow tokenizer"
        yield Problem("tokenizer", "broken", "tokenizer.json", what, "take a copy of the model that has it")
    if role == "annotator":
        yield from _tokenize_chat(folder, tokenizer)


def _tokenize_chat(folder: Path, tokenizer: Any) -> Iterator[Problem]:
    if tokenizer.eos_token_id is None and not _stops(folder):
        what = "names no token that ends an answer, in no file; every answer would go on to its limit"
        yield Problem("tokenizer", "broken", "tokenizer_config.json", what, _OTHER)
    try:
        marks = sorted(set(_MARK.findall(sample_chat(folder))))
    except InputError:  # told by the chat's own trial
        return
    pieces = {mark: len(tokenizer.encode(mark, add_special_tokens=False)) for mark in marks}
    foreign = [mark for mark, count in pieces.items() if count != 1]
    if foreign:
        what = f"writes {', '.join(foreign[:3])}, which the tokenizer does not know as one token"
        yield Problem(
            "tokenizer", "broken", ".", f"its chat template {what}", "take template and tokenizer of one model"
        )


def _stops(folder: Path) -> bool:
    path = folder / "generation_config.json"
    told = read_json(path) if path.is_file() else {}
    return any(config.get("eos_token_id") is not None for config in (told, read_config(folder)))


def _rows(config: Mapping[str, Any]) -> int | None:
    """The rows of the table of embeddings, as far as the config says; models that read images too have it one below."""
    inner = config.get("text_config")
    for each in (config, inner if isinstance(inner, dict) else {}):
        if isinstance(each.get("vocab_size"), int):
            return int(each["vocab_size"])
    return None


def _try_load(folder: Path, role: Role) -> Iterator[Problem]:
    """A student, loaded as training or prediction loads it, and shown a sentence."""
    import torch

    from nerkd_local.student.model import load_trained, new_student

    classes = read_config(folder).get("id2label")
    names = set(classes.values()) if isinstance(classes, dict) else set()
    try:
        trained = "O" in names and (folder / "nerkd.json").is_file()
        model, tokenizer = load_trained(folder) if trained else new_student(folder, ["PER"], seed=0)
        with torch.inference_mode():
            scores = model.eval()(**tokenizer(_TEXT, return_tensors="pt")).logits
    except InputError as error:
        yield Problem("load", "broken", ".", error.problem, _OTHER)
    except Exception as error:  # whatever such weights and such a config make a library do
        what = f"cannot read a sentence: {type(error).__name__}: {_first_line(error)}"
        yield Problem("load", "broken", ".", what, _OTHER)
    else:
        if not bool(torch.isfinite(scores).all()):
            what = "reads a sentence as numbers that are none (NaN or infinite)"
            yield Problem("load", "broken", ".", what, "take another copy of the model")


def _first_line(error: Exception) -> str:
    return next((line.strip()[:300] for line in str(error).split("\n") if line.strip()), type(error).__name__)


def _import_template() -> None:
    import transformers.utils.chat_template_utils  # noqa: F401


def _import_tokenizer() -> None:
    from transformers import AutoTokenizer  # noqa: F401


def _import_student() -> None:
    import nerkd_local.student.model  # noqa: F401


TRIALS: dict[Part, tuple[Callable[[], None], Callable[[Path, Role], Iterator[Problem]]]] = {
    "chat": (_import_template, _try_chat),
    "tokenizer": (_import_tokenizer, _try_tokenizer),
    "load": (_import_student, _try_load),
}
"""Each part's imports, for which no time counts, and the trial itself."""
