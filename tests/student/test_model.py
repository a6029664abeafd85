from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nerkd_local.errors import InputError
from nerkd_local.student.model import check_length, load_trained, new_student, save_student, student_tags


def test_all_encoder_weights_are_loaded_and_the_head_is_new(tiny_encoder: Path) -> None:
    model, _ = new_student(tiny_encoder, ["LOC"], seed=1)
    saved = load_file(tiny_encoder / "model.safetensors")
    for name, weights in saved.items():
        assert torch.equal(model.bert.state_dict()[name], weights), name
    assert student_tags(model) == ("O", "B-LOC", "I-LOC")
    assert model.classifier.weight.shape == (3, 32)
    assert torch.count_nonzero(model.classifier.bias) == 0


def test_the_seed_alone_draws_the_head(tiny_encoder: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    heads = [new_student(tiny_encoder, ["LOC"], seed=seed)[0].classifier.weight for seed in (1, 1, 2)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_replaces_every_rate_of_the_config(tiny_encoder: Path) -> None:
    model, _ = new_student(tiny_encoder, ["LOC"], seed=1, dropout=0.25)
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {0.25}


def test_a_saved_student_reads_back_equal_and_replaces_an_earlier_one(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    save_student(*new_student(tiny_encoder, ["A", "B"], seed=1), folder)
    model, tokenizer = new_student(tiny_encoder, ["LOC"], seed=2)
    save_student(model, tokenizer, folder)
    again, same_tokenizer = load_trained(folder)
    assert student_tags(again) == ("O", "B-LOC", "I-LOC")
    assert all(torch.equal(again.state_dict()[name], weights) for name, weights in model.state_dict().items())
    assert same_tokenizer.get_vocab() == tokenizer.get_vocab()
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
    assert not list(folder.glob("*.bin"))


def test_a_student_with_other_labels_gets_a_new_head(tiny_encoder: Path, tmp_path: Path) -> None:
    save_student(*new_student(tiny_encoder, ["A", "B"], seed=1), tmp_path / "student")
    model, _ = new_student(tmp_path / "student", ["C"], seed=2)
    fresh, _ = new_student(tiny_encoder, ["C"], seed=2)
    assert torch.equal(model.classifier.weight, fresh.classifier.weight)


def test_an_encoder_that_lacks_weights_is_refused_by_name(tiny_encoder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny_encoder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 weights are missing.*encoder\.layer\.1\.output\.dense\.weight"):
        new_student(broken, ["LOC"], seed=1)


def test_an_untrained_encoder_is_no_trained_student(tiny_encoder: Path) -> None:
    with pytest.raises(InputError, match="weights are missing"):
        load_trained(tiny_encoder)


def test_pickled_weights_are_not_read(tiny_encoder: Path, tmp_path: Path) -> None:
    pickled = shutil.copytree(tiny_encoder, tmp_path / "pickled")
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        new_student(pickled, ["LOC"], seed=1)


def test_a_hub_name_is_refused_as_such() -> None:
    with pytest.raises(InputError, match="hub name"):
        new_student(Path("some-lab/some-model"), ["LOC"], seed=1)


def test_classes_that_are_no_iob2_tags_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    save_student(*new_student(tiny_encoder, ["LOC"], seed=1), folder)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "NEGATIVE", "1": "NEUTRAL", "2": "POSITIVE"}
    config["label2id"] = {label: int(number) for number, label in config["id2label"].items()}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="its classes are NEGATIVE"):
        load_trained(folder)


def test_windows_longer_than_the_encoder_are_refused(tiny_encoder: Path) -> None:
    model, _ = new_student(tiny_encoder, ["LOC"], seed=1)
    check_length(model, 64)
    with pytest.raises(InputError, match="set 64 or less"):
        check_length(model, 65)


def test_a_published_encoder_without_prefixes_loads_whole(encoder: Path) -> None:
    # its file holds BertModel's own names and a pooler that a token classifier has no place for
    saved = load_file(encoder / "model.safetensors")
    model, tokenizer = new_student(encoder, ["LOC"], seed=1)
    loaded = model.bert.state_dict()
    assert all(torch.equal(weights, saved[name]) for name, weights in loaded.items() if "position_ids" not in name)
    assert set(saved) - set(loaded) <= {"pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids"}
    assert tokenizer.is_fast
