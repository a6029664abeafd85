"""Keys with which a loader can be made to run code, wherever they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.models.config import _suspicious, check_config, role_of
from nerkd_local.models.names import ModelFolder
from nerkd_local.models.problems import Problem, Role

SOUND = {"model_type": "bert", "architectures": ["BertModel"]}

ATTACKS = {
    "CVE-2026-22807, code by auto_map": ("config.json", "auto_map", {"AutoModel": "evil/repo--modeling.Evil"}),
    "CVE-2025-66448, in a part's config": ("config.json", "vision_config.auto_map", {"AutoConfig": "a/b--c.D"}),
    "CVE-2026-27893, a part loaded as trusted": ("config.json", "text_config.deep.auto_map", {"AutoModel": "m.E"}),
    "CVE-2026-4372, a kernel from the hub": ("config.json", "_attn_implementation_internal", "evil/kernel"),
    "the same by its public name": ("config.json", "attn_implementation", "evil/kernel@main"),
    "the same as it is saved": ("config.json", "_attn_implementation", "evil/kernel"),
    "the same for experts": ("config.json", "text_config._experts_implementation_internal", "evil/kernel"),
    "CVE-2026-5241, trust declared by the model": ("config.json", "trust_remote_code", True),
    "the same in a part": ("config.json", "keypoint_detector_config.trust_remote_code", True),
    "a revision of code": ("config.json", "code_revision", "main"),
    "a plug-in of vLLM": ("config.json", "io_processor_plugin", "evil"),
    "custom generation": ("generation_config.json", "custom_generate", "evil/repo"),
    "a custom pipeline": ("config.json", "custom_pipelines", {"ner": {"impl": "evil.Pipe"}}),
    "a tokenizer's class": ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["t.Evil", None]}),
    "in a list": ("tokenizer_config.json", "steps.0.auto_map", {}),
    "a processor's class": ("processor_config.json", "auto_map", {"AutoProcessor": "p.Evil"}),
    "an image processor's": ("preprocessor_config.json", "auto_map", {"AutoImageProcessor": "p.Evil"}),
    "another model in its place, which vLLM follows": (
        "config.json",
        "speculators_config",
        {"verifier": {"name_or_path": "evil/model"}},
    ),
    "a config elsewhere": ("config.json", "configuration_files", ["../evil/config.4.0.0.json"]),
    "a tokenizer elsewhere": ("tokenizer_config.json", "fast_tokenizer_files", ["../evil/tokenizer.4.0.0.json"]),
    "an audio tokenizer": ("processor_config.json", "audio_tokenizer", {"audio_tokenizer_name_or_path": "evil/x"}),
    "half of it elsewhere": ("config.json", "text_model_id", "/evil/model"),
    "in other letters": ("config.json", "Auto_Map", {}),
}


def look(folder: Path) -> list[Problem]:
    return check_config(ModelFolder.of(folder))


def put(value: dict[str, Any], place: str, what: Any) -> dict[str, Any]:
    first, _, rest = place.partition(".")
    if not rest:
        return {**value, first: what}
    if rest[0].isdigit():
        return {**value, first: [put({}, rest.partition(".")[2], what)]}
    return {**value, first: put({}, rest, what)}


@pytest.mark.parametrize(("file", "place", "value"), ATTACKS.values(), ids=ATTACKS)
def test_keys_that_load_code_are_refused_by_their_place(file: str, place: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SOUND))
    assert look(tmp_path) == []
    (tmp_path / file).write_text(json.dumps(put(SOUND if file == "config.json" else {}, place, value)))
    (problem,) = look(tmp_path)
    assert (problem.kind, problem.file) == ("unsafe", file)
    assert f"the key {place} (" in problem.what


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {}, "text_config": {"auto_map": {}}}))
    (tmp_path / "tokenizer_config.json").write_text('{"a": NaN}')
    assert [(each.file, each.kind) for each in look(tmp_path)] == [
        ("config.json", "unsafe"),
        ("config.json", "unsafe"),
        ("tokenizer_config.json", "broken"),
        ("config.json", "broken"),  # no model_type
        ("config.json", "broken"),  # no architectures
    ]


names = st.text(st.characters(codec="ascii", categories=("L",)), min_size=1, max_size=4)
trees = st.recursive(st.none() | st.integers() | names, lambda inner: st.lists(inner) | st.dictionaries(names, inner))


@given(trees, st.data())
def test_a_key_is_found_wherever_it_is_put(tree: Any, data: st.DataObject) -> None:
    assert list(_suspicious(tree, ())) == []
    spoilt = {"auto_map": "evil" if tree is None else tree}
    for _ in range(data.draw(st.integers(0, 5))):
        spoilt = {
            data.draw(names): data.draw(trees),
            "z": data.draw(st.sampled_from([spoilt, [spoilt], [tree, spoilt]])),
        }
    ((place, _),) = _suspicious(spoilt, ())
    assert place.endswith("auto_map")


def test_deeper_than_any_config_is_refused_not_followed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SOUND)[:-1] + ', "a":' + '{"a":' * 300 + "1" + "}" * 301)
    (problem,) = look(tmp_path)
    assert (problem.kind, "nested too deeply" in problem.what) == ("unsafe", True)
    (tmp_path / "config.json").write_text('{"a":' * 100_000)
    assert all(each.kind == "broken" for each in look(tmp_path))


def test_tokens_and_labels_may_be_any_word(tmp_path: Path) -> None:
    config = SOUND | {"id2label": {"0": "O"}, "label2id": {"auto_map": 0}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.json").write_text('{"auto_map": 0, "trust_remote_code": 1}')
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"auto_map": 0}}}')
    (tmp_path / "added_tokens.json").write_text('{"auto_map": 7}')
    assert look(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "a key is repeated"),  # two readers, two models
        ('{"model_type": "bert", "architectures": ["B"], "x": Infinity}', "Infinity is not a JSON number"),
        ("[]", "is a JSON list"),
        ("{", "not valid JSON"),
        ('{"architectures": ["BertModel"]}', "names no model_type"),
        ('{"model_type": "bert"}', "names no architectures"),
        ('{"model_type": "bert", "architectures": [7]}', "names no architectures"),
        ('{"model_type": ["bert"], "architectures": ["BertModel"]}', "names no model_type"),
    ],
)
def test_a_config_that_cannot_be_relied_on_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    problems = look(tmp_path)
    assert any(said in each.what for each in problems)
    assert {each.kind for each in problems} == {"broken"}


def test_a_key_that_says_nothing_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SOUND | {"auto_map": None, "_attn_implementation": None}))
    assert look(tmp_path) == []


def test_no_config_and_one_that_is_left_out(tmp_path: Path) -> None:
    assert [each.what for each in look(tmp_path)] == ["is not there"]
    (tmp_path / "config.json").write_text(json.dumps(SOUND))
    assert [each.what for each in check_config(ModelFolder.of(tmp_path, ["config.json"]))] == ["is not there"]


@pytest.mark.parametrize(
    ("architecture", "role"),
    [
        ("LlamaForCausalLM", "annotator"),
        ("GPT2LMHeadModel", "annotator"),
        ("Gemma3ForConditionalGeneration", "annotator"),
        ("BertModel", "student"),
        ("ModernBertForMaskedLM", "student"),
        ("XLMRobertaForTokenClassification", "student"),
    ],
)
def test_the_architecture_says_what_a_model_is_for(architecture: str, role: Role) -> None:
    assert role_of({"architectures": [architecture]}) == role
    assert role_of({}) == "student"
