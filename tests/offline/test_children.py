"""Every kind of process that a command starts is sealed: each is looked at from outside while it works."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from nerkd_local.annotate.engines.vllm_hook import NAME
from nerkd_local.offline import NETWORK
from nerkd_local.settings import save_settings
from tests.conftest import missing
from tests.offline.onlooker import kinds, watch
from tests.train.conftest import SettingsMaker
from tests.train.conftest import make_settings as make_settings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NERKD = [sys.executable, "-c", "from nerkd_local.cli.main import main; main()"]
COMMAND = {"command": "nerkd_local.cli.main"}
SPAWNED = {"vLLM's": "multiprocessing.spawn"}  # its engine's core, and that core's worker
GROUP = "vllm.general_plugins"

# Python's own, which removes what processes leave behind: it opens no socket
HELPER = "multiprocessing.resource_tracker"

# tries a model's chat template out before the engine is started, and is over in a moment: not always seen
TEMPLATE = "-m nerkd_local.annotate.chat_template"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Little of this process's, and nothing that the seal has set in it: what is started has to seal itself."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG", "PATH", "TMPDIR")}
    packages = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def registered(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """And with the plugin as pyproject.toml registers it, which vLLM reads from what is installed: where the package is
    run from its source alone, a folder on the path says it.
    """
    if find_spec("vllm") is None:
        missing("vLLM is not installed")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    assert list(declared) == [NAME]
    installed = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    if installed.get(NAME) == declared[NAME]:
        return environment
    folder = tmp_path / "registered" / "nerkd_local-0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: nerkd-local\nVersion: 0\n")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\n{NAME} = {declared[NAME]}\n")
    return {**environment, "PYTHONPATH": f"{folder.parent}{os.pathsep}{environment['PYTHONPATH']}"}


def sealed_kinds(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, names: Mapping[str, str]
) -> dict[str, set[str | None]]:
    """By kind, all profiles that its processes were seen to enforce; of vLLM there are two at least."""
    found = kinds(watch(command, environment, folder), {**names, "helper": HELPER, "template": TEMPLATE, **COMMAND})
    found.pop("helper", None)
    assert None not in found.pop("template", ())
    assert len(found.get("vLLM's", [None] * 2)) >= 2
    return {kind: set(profiles) for kind, profiles in found.items()}


def write_corpus(folder: Path) -> Path:
    sentences = [["Anna", "Berg", "moved", "to", f"Oslo{number}"] for number in range(3)]
    path = folder / "corpus.conll"
    path.write_text("".join("".join(f"{word}\tO\n" for word in words) + "\n" for words in sentences))
    return path


@pytest.mark.parametrize("network", ["local", "cluster interface=lo peers=127.0.0.1"])
def test_a_launcher_and_its_ranks(
    make_settings: SettingsMaker, environment: dict[str, str], tmp_path: Path, network: str
) -> None:
    settings = make_settings(steps=40, output="run")
    save_settings(settings, tmp_path / "run.yaml")
    command = [*NERKD, "train", str(tmp_path / "run.yaml"), "--accelerate", "cpu_two_processes"]
    names = {"launcher": "-m nerkd_local.train.launcher", "rank": "-m nerkd_local.train "}
    profile = {network.partition(" ")[0]}
    found = sealed_kinds(command, {**environment, NETWORK: network}, tmp_path, names)
    assert found == {"command": profile, "launcher": profile, "rank": profile}
    assert (settings.output / "done.json").exists()


def test_workers_of_an_experiment(environment: dict[str, str], tmp_path: Path, tiny_encoder: Path) -> None:
    sentences = {number: ["Anna", "lives", "in", "Paris", str(number)] for number in range(16)}

    def conll(numbers: range) -> str:
        return "".join("".join(f"{word}\tO\n" for word in sentences[number]) + "\n" for number in numbers)

    (tmp_path / "train.conll").write_text(conll(range(12)))
    (tmp_path / "dev.conll").write_text(conll(range(12, 16)))
    rows = [{"text": " ".join(words), "answer": "NONE"} for words in sentences.values()]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "e.yaml").write_text(
        f"name: tiny\noutput: out\nstudent: {tiny_encoder}\nannotator: recorded\n"
        "original: {corpus: {path: train.conll}, sizes: [4]}\n"
        "distilled: [{name: news, corpus: {path: train.conll}, sample: 4}]\n"
        "evaluation: {path: dev.conll}\nregimens: [original_only, simple_mix]\nworkers: 2\n"
        "near_duplicates: {allow: true}\n"
        "training: {steps: 20, batch_size: 4, max_tokens: 32, stride: 8, learning_rate: 0.001}\n"
    )
    command = [*NERKD, "run", "e.yaml", "--set", "annotator.engine.answers=answers.jsonl"]
    names = {"launcher": "-m nerkd_local.train.launcher", "worker": "-m nerkd_local.experiment.worker"}
    found = sealed_kinds(command, environment, tmp_path, names)
    assert found == {"command": {"local"}, "launcher": {"local"}, "worker": {"local"}}


def test_an_engines_worker(environment: dict[str, str], tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path)
    (tmp_path / "scripted.yaml").write_text(
        "name: scripted\nengine: {kind: scripted, own_process: true, slow_start_s: 1}\n"
        "labels: {PER: people, ORG: firms, LOC: places, MISC: others}\nshots: 0\n"
    )
    command = [*NERKD, "annotate", "scripted.yaml", str(corpus), "--output", "out"]
    found = sealed_kinds(command, environment, tmp_path, {"engine": "nerkd_local.annotate.engines.worker"})
    assert found == {"command": {"local"}, "engine": {"local"}}


@pytest.mark.vllm
def test_the_processes_of_vllm_and_that_they_need_no_lscpu(registered: dict[str, str], tmp_path: Path) -> None:
    """The PATH is empty: vLLM finds no program to ask. A list of plugins without ours does not keep it out."""
    command = [*NERKD, "annotate", "demo", str(write_corpus(tmp_path)), "--output", "out"]
    command += ["--set", f"engine.model={ROOT / 'models' / 'demo-annotator'}"]
    (tmp_path / "empty").mkdir()
    bare = {**registered, "PATH": str(tmp_path / "empty"), "VLLM_PLUGINS": "another"}
    names = {"engine": "nerkd_local.annotate.engines.worker", **SPAWNED}
    found = sealed_kinds(command, bare, tmp_path, names)
    assert found == {kind: {"local"} for kind in ("command", "engine", "vLLM's")}
    assert "annotated" in (tmp_path / "out" / "annotations.jsonl").read_text()


@pytest.mark.vllm
def test_the_processes_of_a_server(registered: dict[str, str], tmp_path: Path) -> None:
    command = [*NERKD, "annotate", "demo", str(write_corpus(tmp_path)), "--output", "out"]
    command += ["--set", f"engine.model={ROOT / 'models' / 'demo-annotator'}", "--set", "engine.kind=serve"]
    names = {"server": "nerkd_local.annotate.engines.vllm_server", **SPAWNED}
    found = sealed_kinds(command, registered, tmp_path, names)
    assert found == {kind: {"local"} for kind in ("command", "server", "vLLM's")}
