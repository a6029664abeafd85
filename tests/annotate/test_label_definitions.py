"""Labels are a sentence each, or what annotation guidelines have; either way their names come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from nerkd_local.annotate.settings import AnnotatorSettings, LabelDefinition
from nerkd_local.errors import InputError
from nerkd_local.settings import dump_settings, load_settings

HEAD = "name: a\nengine: {kind: replay, answers: x}\n"


def load(folder: Path, labels: str, *overrides: str) -> AnnotatorSettings:
    file = folder / "annotator.yaml"
    file.write_text(HEAD + labels)
    return load_settings(AnnotatorSettings, file, overrides)


def test_a_sentence_and_a_definition_stand_side_by_side(tmp_path: Path) -> None:
    settings = load(
        tmp_path, "labels:\n  PER: people\n  LOC: {definition: places, examples: [Bonn, Rome], excludes: bars}\n"
    )
    assert list(settings.labels) == ["PER", "LOC"]
    assert settings.labels["PER"] == LabelDefinition(definition="people")
    assert settings.labels["LOC"] == LabelDefinition(definition="places", examples=("Bonn", "Rome"), excludes="bars")


def test_settings_are_saved_as_they_were_written(tmp_path: Path) -> None:
    settings = load(tmp_path, "labels:\n  PER: people\n  LOC: {definition: places, excludes: bars}\n")
    dumped = settings.model_dump(mode="json")["labels"]
    assert dumped == {"PER": "people", "LOC": {"definition": "places", "examples": [], "excludes": "bars"}}
    (tmp_path / "saved.yaml").write_text(dump_settings(settings))
    assert load_settings(AnnotatorSettings, tmp_path / "saved.yaml") == settings


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("labels: {PER: 3}", r"annotator\.yaml:3: 'labels\.PER'"),
        ("labels: {PER: {examples: [Ann]}}", r"annotator\.yaml:3: 'labels\.PER\.definition' is missing"),
        ("labels: {PER: {definition: people, example: [Ann]}}", r"unknown key 'labels\.PER\.example'"),
        ("labels: {PER: {definition: people, examples: Ann}}", r"'labels\.PER\.examples'"),
        ("labels: {}", "labels"),
    ],
)
def test_a_wrong_definition_is_named_where_it_stands(tmp_path: Path, labels: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        load(tmp_path, labels)
    assert str(raised.value).count("\n") == 0


def test_thinking_and_template_arguments_are_settings(tmp_path: Path) -> None:
    asked = load(
        tmp_path, "labels: {PER: people}", "thinking=tags", "chat_template_kwargs.enable_thinking=true",
        "system_role=false", "reasoning_tokens=2000",
    )  # fmt: skip
    assert (asked.thinking, asked.system_role, asked.reasoning_tokens) == ("tags", False, 2000)
    assert asked.chat_template_kwargs == {"enable_thinking": True}
    with pytest.raises(InputError, match="thinking"):
        load(tmp_path, "labels: {PER: people}", "thinking=on")
