"""Any local token classifier can be a student: seven architectures as people bring them, tiny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.files import read_json
from nerkd_local.records import Document, Span, from_words
from nerkd_local.regimen.plan import Plan, PlanStep, Pool, save_plan
from nerkd_local.student.decode import tag_names
from nerkd_local.student.dropout import KeyedDropout, key_dropout, token_keys
from nerkd_local.student.encode import Window, encode
from nerkd_local.student.model import first_position_of, load_trained, new_student
from nerkd_local.student.packing import Layout, can_pack, word_logits
from nerkd_local.student.predict import predict
from nerkd_local.train.run import train
from nerkd_local.train.settings import TrainSettings
from tests.models import WORDS
from tests.student.families import FAMILIES, make_family

SENTENCES = [[*WORDS[start : start + length]] for start, length in [(0, 4), (2, 9), (5, 1), (1, 11), (3, 3)]]


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained encoder; the folder's name is its family's."""
    return make_family(request.param, tmp_path_factory.mktemp("families") / request.param)


@pytest.fixture
def student(folder: Path) -> tuple[Any, Any]:
    return new_student(folder, ["PER", "LOC"], seed=1)


def windows_of(tokenizer: Any) -> list[Window]:
    encoded = encode(tokenizer, SENTENCES, max_tokens=60, stride=8)
    return [window for windows in encoded for window in windows]


def test_the_encoder_is_loaded_and_the_head_is_drawn_from_the_seed(folder: Path) -> None:
    model, _ = new_student(folder, ["PER", "LOC"], seed=1)
    torch.rand(3)
    again, _ = new_student(folder, ["PER", "LOC"], seed=1)
    own = model.state_dict()
    assert all(torch.equal(weights, own[name]) for name, weights in again.state_dict().items())
    loaded = {
        name: weights for name, weights in load_file(folder / "model.safetensors").items() if "pooler" not in name
    }
    inner = model.base_model.state_dict()
    assert all(torch.equal(inner[name], weights) for name, weights in loaded.items())
    assert model.num_labels == 5


def test_a_rate_for_dropout_reaches_every_place(folder: Path) -> None:
    model, _ = new_student(folder, ["PER", "LOC"], seed=1, dropout=0.0)
    assert not key_dropout(model, seed=1).draws
    assert {layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout | KeyedDropout)} == {0.0}


def test_packed_windows_are_read_as_alone_or_not_packed(folder: Path, student: tuple[Any, Any]) -> None:
    model, tokenizer = student
    layout = Layout.of(model, tokenizer.pad_token_id, 60)
    assert (layout.first_position is not None) == FAMILIES[folder.name].packs
    windows = windows_of(tokenizer)
    model.eval()
    alone = torch.cat([word_logits(model, Layout(layout.pad, None).batch([each], row_tokens=9)) for each in windows])
    together = word_logits(model, layout.batch(windows, row_tokens=60))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert alone.std() > 0.01  # scores so alike that any layout would do show nothing


def test_a_layer_that_looks_only_so_far_shows_in_windows_that_long(tmp_path: Path) -> None:
    # ModernBERT's local layers here look 4 tokens to either side; a mask of ours takes the place of theirs
    model, tokenizer = new_student(make_family("modernbert", tmp_path / "modernbert"), ["A"], seed=1)
    without_reach = Layout(tokenizer.pad_token_id, 0)
    assert can_pack(model, without_reach, 5)
    assert not can_pack(model, without_reach, 40)
    assert can_pack(model, Layout(tokenizer.pad_token_id, 0, reach=4), 40)
    assert not can_pack(model, Layout(tokenizer.pad_token_id, 0, reach=3), 40)


def test_words_are_read_as_they_stand_after_a_space(folder: Path, student: tuple[Any, Any]) -> None:
    _, tokenizer = student
    ((alone,),) = encode(tokenizer, [["paris"]], max_tokens=60, stride=8)
    ((later,),) = encode(tokenizer, [["anna", "paris"]], max_tokens=60, stride=8)
    assert later.input_ids[later.positions[1] :].tolist() == alone.input_ids[alone.positions[0] :].tolist()
    raw = tokenizer("anna paris")["input_ids"]
    if FAMILIES[folder.name].tokenizer != "wordpiece":
        assert later.input_ids.tolist() == raw


def gradients(model: Any) -> torch.Tensor:
    return torch.cat([weights.grad.flatten() for weights in model.parameters() if weights.grad is not None])


def test_dropout_by_token_is_the_same_in_any_company(student: tuple[Any, Any]) -> None:
    model, tokenizer = student
    layout = Layout.of(model, tokenizer.pad_token_id, 60)
    windows = windows_of(tokenizer)
    keys = [token_keys(7, np.full(len(each), number), np.arange(len(each))) for number, each in enumerate(windows)]
    dropout = key_dropout(model, seed=3)
    assert not dropout.draws
    assert sum(isinstance(layer, KeyedDropout) and layer.p > 0 for layer in model.modules()) >= 3
    model.train()
    found = []
    for groups in ([range(len(windows))], [[number] for number in range(len(windows))]):
        torch.manual_seed(len(found))
        model.zero_grad()
        parts = []
        for group in groups:
            batch = layout.batch([windows[number] for number in group], row_tokens=60)
            with dropout.of(torch.from_numpy(batch.laid_out([keys[number] for number in group]))):
                parts.append(word_logits(model, batch))
                (parts[-1] ** 2).sum().backward()
        found.append((torch.cat(parts).detach(), gradients(model)))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-2, atol=1e-3 * float(found[0][1].abs().max()))
    model.eval()
    calm = word_logits(model, layout.batch(windows, row_tokens=60))
    assert not torch.allclose(calm, found[0][0], atol=1e-2)  # something was dropped out


def make_run(folder: Path, place: Path, **changes: Any) -> TrainSettings:
    def documents(source: str) -> list[Document]:
        spans = (Span(0, 4, "PER"), Span(14, 19, "LOC"))
        made = [["anna", "lives", "in", "paris", *WORDS[: 3 * number]] for number in range(3)]
        return [from_words(f"{source}:{number}", words, spans) for number, words in enumerate(made)]

    for source in ("original", "distilled"):
        write_documents(place / f"{source}.jsonl", documents(source))
    steps = tuple(PlanStep((f"original:{n}",), (f"distilled:{n}", f"distilled:{(n + 1) % 3}")) for n in range(3))
    pool = Pool(3, "0" * 64)
    save_plan(Plan({"name": "by hand"}, 0, 3, pool, pool, steps), place / "plan.jsonl")
    values = {
        "student": folder,
        "labels": ("PER", "LOC"),
        "plan": place / "plan.jsonl",
        "original": place / "original.jsonl",
        "distilled": place / "distilled.jsonl",
        "output": place / "run",
        "max_tokens": 60,
        "stride": 8,
        "precision": "fp32",
        "threads": 1,
    }
    return TrainSettings.model_validate({**values, **changes})


def test_it_is_trained_saved_and_answers_in_valid_tags(folder: Path, tmp_path: Path) -> None:
    done = train(make_run(folder, tmp_path, learning_rate=1e-2))
    assert read_json(done.done)["steps"] == 3
    model, tokenizer = load_trained(done.student)
    start, _ = new_student(folder, ["PER", "LOC"], seed=0)
    before, after = start.state_dict(), model.state_dict()
    assert after.keys() == before.keys()
    table = model.get_input_embeddings().weight
    assert table.shape == start.get_input_embeddings().weight.shape
    assert sum(not torch.equal(before[name], weights) for name, weights in after.items()) > len(after) / 2
    assert first_position_of(model) == first_position_of(start)
    texts = [from_words(str(number), words) for number, words in enumerate([*SENTENCES, [], ["\u200b", "Zürich"]])]
    answers = list(predict(model, tokenizer, texts, device=torch.device("cpu")))
    for text, answer in zip(texts, answers, strict=True):
        assert len(answer.tags) == len(text.tokens)
        for tag, earlier in zip(answer.tags, ["O", *answer.tags], strict=False):
            assert tag in tag_names(["PER", "LOC"])
            assert not tag.startswith("I-") or earlier[2:] == tag[2:]
