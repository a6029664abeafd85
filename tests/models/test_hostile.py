"""Folders spoilt at random, one thing at a time: none of them is taken in, and every refusal names what was done."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from nerkd_local.models.check import check_cheaply
from nerkd_local.models.names import ModelFolder
from nerkd_local.models.problems import refusals
from tests.models.folders import copy_annotator
from tests.models.test_config import ATTACKS, put
from tests.models.test_template import HOSTILE

ROUNDS = 400
Spoil = Callable[[Path, Random], str]


def add_file(folder: Path, random: Random) -> str:
    suffix = random.choice(["py", "so", "bin", "pt", "pkl", "sh", "pyc", "whl", "gguf", "html", "exe", "yaml"])
    stem = random.choice(["modeling", "pytorch_model", "README", "config", "setup", "tokenizer.json", "x"])
    path = folder / random.choice(["", "code/", "1_Pooling/"]) / f"{stem}.{suffix}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(random.randbytes(20))
    return path.relative_to(folder).as_posix()


def add_key(folder: Path, random: Random) -> str:
    file = random.choice(["config.json", "generation_config.json", "tokenizer_config.json"])
    _, place, value = random.choice(list(ATTACKS.values()))
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(put(content, place, value)))
    return file


def repeat_key(folder: Path, random: Random) -> str:
    file = random.choice(["config.json", "generation_config.json", "tokenizer_config.json"])
    content = (folder / file).read_text().rstrip()
    key = random.choice(list(json.loads(content)))
    (folder / file).write_text(f'{content[:-1].rstrip()}, {json.dumps(key)}: "other"}}')
    return file


def lead_away(folder: Path, random: Random) -> str:
    path = random.choice(sorted(folder.iterdir()))
    target = folder.parent / "elsewhere"
    shutil.copy(path, target)
    path.unlink()
    path.symlink_to(random.choice([target, Path("/etc/passwd"), Path("../elsewhere"), Path("nowhere")]))
    return path.name


def pickle_under_another_name(folder: Path, random: Random) -> str:
    path = folder / random.choice(["tokenizer.model", "README.md", "vocab.txt", "config.json", "LICENSE"])
    path.write_bytes(pickle.dumps([1], protocol=random.choice([2, 3, 4, 5])))
    return path.name


def damage_header(folder: Path, random: Random) -> str:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    match random.choice(["cut", "extend", "length", "offsets"]):
        case "cut":
            content = content[: random.randrange(len(content))]
        case "extend":
            content += random.randbytes(random.randint(1, 9))
        case "length":
            content = (length + random.choice([-9, 9, 1 << 40])).to_bytes(8, "little") + content[8:]
        case _:
            header = json.loads(content[8 : 8 + length])
            name = random.choice([each for each in header if each != "__metadata__"])
            header[name]["data_offsets"][random.randrange(2)] += random.choice([-2, 2])
            raw = json.dumps(header).encode()
            content = len(raw).to_bytes(8, "little") + raw + content[8 + length :]
    path.write_bytes(content)
    return path.name


def lead_an_index_out(folder: Path, random: Random) -> str:
    header = json.loads((folder / "model.safetensors").read_bytes()[8:].split(b"}}", 1)[0] + b"}}")
    places = {name: "model.safetensors" for name in header if name != "__metadata__"}
    places[random.choice(list(places))] = random.choice(["../x.safetensors", "/x.safetensors", "gone.safetensors"])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return "model.safetensors.index.json"


def spoil_template(folder: Path, random: Random) -> str:
    hostile = random.choice(list(HOSTILE.values()))
    path = folder / "chat_template.jinja"
    whole = path.read_text()
    path.write_text(random.choice([whole + hostile, hostile + whole, f"{{% if false %}}{hostile}{{% endif %}}{whole}"]))
    return path.name


def swap(folder: Path, random: Random) -> str:
    first = folder / "config.json"
    second = folder / random.choice(["model.safetensors", "tokenizer.json", "generation_config.json", "README.md"])
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    return "config.json"


def put_a_pipe(folder: Path, random: Random) -> str:
    path = folder / random.choice(
        ["config.json", "chat_template.jinja", "tokenizer_config.json", "processor_config.json", "README.md", "LICENSE"]
    )
    path.unlink(missing_ok=True)
    os.mkfifo(path)  # who opens it waits for ever
    return path.name


SPOILERS: list[Spoil] = [
    add_file, add_key, repeat_key, lead_away, pickle_under_another_name, damage_header, lead_an_index_out,
    spoil_template, swap, put_a_pipe,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_no_spoilt_folder_is_taken_in(spoil: Spoil, tmp_path: Path) -> None:
    random = Random(spoil.__name__)
    sound = copy_annotator(tmp_path / "sound")
    assert refusals(check_cheaply(ModelFolder.of(sound))) == []
    for number in range(ROUNDS // len(SPOILERS)):
        folder = tmp_path / str(number) / "model"
        folder.parent.mkdir()
        shutil.copytree(sound, folder, copy_function=shutil.copy)
        spoilt = spoil(folder, random)
        found = refusals(check_cheaply(ModelFolder.of(folder)))
        assert any(problem.file == spoilt for problem in found), (number, spoilt, found)
        shutil.rmtree(folder.parent)
