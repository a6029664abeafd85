"""What the tests of a live server share: a model with a chat template that shows all it is given, chats that could go
wrong, and a look into a store.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from nerkd_local.annotate.completer import Message

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


def make_model(original: Path, folder: Path) -> Path:
    """The bench annotator, in that folder, with `WHOLE_CHAT` in front of its own chat template."""
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
