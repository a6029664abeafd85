"""Chat templates read unrun: what makers ship passes, what leaves a sandbox does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.config.folders import models_folder
from nerkd_local.models.names import ModelFolder
from nerkd_local.models.problems import Problem
from nerkd_local.models.template import MAX_TEMPLATE, check_template, templates

USUAL = [
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}",
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% endif %}",
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}",
    "{%- set ns = namespace(last=messages|length - 1) %}{%- for m in messages[::-1] %}{% break %}{% endfor %}",
    "{%- if '</think>' in m.content %}{{ m.content.split('</think>')[-1].lstrip('\\n') }}{% endif %}",
    "{% generation %}{{ messages[0].content }}{% endgeneration %}",
    "{{ tools | map(attribute='function') | list | tojson(indent=4) }}",
    "{% macro show(p) %}{{ p.name }}{% endmacro %}{{ show(x) }}",
    "text with __dunder__ in it",
]

HOSTILE = {
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "behind a condition": "{% if messages|length > 99 %}{{ messages.__class__ }}{% endif %}",
    "in brackets": "{{ messages['__class__'] }}",
    "by a format string": "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "by the filter": "{{ messages | attr('pop') }}",
    "by a detour": "{{ [messages] | map('attr', name) | list }}",
    "one underscore": "{{ messages._private }}",
    "jinja's own functions": "{{ lipsum.__globals__ }}",
    "jinja's own functions, called": "{{ cycler(1) }}",
    "the template itself": "{{ self.x() }}",
    "inclusion": "{% include '/etc/passwd' %}",
    "import": "{% import 'x' as y %}",
    "from": "{% from 'x' import y %}",
    "extension": "{% extends 'x' %}",
}


def look(folder: Path, template: str) -> list[Problem]:
    (folder / "chat_template.jinja").write_text(template)
    return check_template(ModelFolder.of(folder))


@pytest.mark.parametrize("template", USUAL)
def test_what_makers_write_passes(template: str, tmp_path: Path) -> None:
    assert look(tmp_path, template) == []


def test_the_demo_annotator_passes() -> None:
    assert check_template(ModelFolder.of(models_folder("demo-annotator"))) == []


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_what_leaves_a_sandbox_is_refused_unrun(template: str, tmp_path: Path) -> None:
    problems = look(tmp_path, template)
    assert problems
    assert {(each.kind, each.file) for each in problems} == {("unsafe", "chat_template.jinja")}


@pytest.mark.parametrize(
    ("template", "kind", "said"),
    [
        ("{% if x %}", "broken", "no valid template (line 1"),
        ("{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}", "unsafe", "nested too deeply"),
        ("x" * (MAX_TEMPLATE + 1), "unsafe", "longer than 256 KiB"),
        ("{{ strftime_now('%d %b %Y') }}", "note", "answers change from day to day"),
    ],
)
def test_what_cannot_be_read_and_what_is_worth_knowing(template: str, kind: str, said: str, tmp_path: Path) -> None:
    (problem,) = look(tmp_path, template)
    assert problem.kind == kind
    assert said in problem.what


def test_every_place_in_which_a_template_can_be_is_read(tmp_path: Path) -> None:
    hostile = HOSTILE["inclusion"]
    (tmp_path / "chat_template.jinja").write_text("{{ a }}")
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": hostile}))
    named = [{"name": "default", "template": "{{ b }}"}, {"name": "tool_use", "template": hostile}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    (tmp_path / "processor_config.json").write_text(json.dumps({"chat_template": {"rag": hostile}}))
    folder = ModelFolder.of(tmp_path)
    assert set(templates(folder)) == {
        "chat_template.jinja", "chat_template.json", "tokenizer_config.json (default)",
        "tokenizer_config.json (tool_use)", "processor_config.json (rag)",
    }  # fmt: skip
    assert {each.file for each in check_template(folder)} == {
        "chat_template.json", "tokenizer_config.json (tool_use)", "processor_config.json (rag)",
    }  # fmt: skip
