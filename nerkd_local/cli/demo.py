"""`nerkd demo`: the whole flow on made-up news, with the models that are shipped."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nerkd_local.cli.options import PATH, overrides

if TYPE_CHECKING:
    from nerkd_local.config.experiment import ExperimentSettings

_SENTENCE = "Coach Mirolina Standov told the Fridale Post that Zelitron Corp would leave Karobridge."
_SHOWN = "simple_mix"
"""The regimen whose student labels the sentence, where it was among those trained."""

_BEGIN = """\
Nothing from outside is needed or asked for. This takes some minutes on two cores:
  1. a generator writes made-up news, a few sentences of it with their labels
  2. a small language model, served by vLLM, labels the rest; it makes mistakes
  3. small students are trained on both kinds of labels, under every regimen
  4. their scores become a table and a figure
  5. a student labels a sentence of yours
Stopped, it goes on where it was when started again."""


@click.command(name="demo")
@click.option("--output", type=PATH, default=Path("runs/demo"), show_default=True, help="The run folder.")
@click.option("--text", help="A sentence to label at the end; asked for on a terminal where it is not given.")
@click.option(
    "--recorded",
    is_flag=True,
    help="Take the model's answers as they were recorded; so it is where vLLM is not installed.",
)
@overrides
@click.pass_context
def command(context: click.Context, output: Path, text: str | None, recorded: bool, overrides: tuple[str, ...]) -> None:
    """Show the whole flow in minutes, with no data and no model from outside.

    Writes a small made-up news corpus, has it labelled by a small model that vLLM serves, trains a small student
    under five regimens, scores them, and labels a sentence of yours with one of them. Started again, it does only
    what is missing. --set changes its experiment (configs/experiments/demo.yaml).
    """
    from nerkd_local.annotate.engines.start import vllm_version
    from nerkd_local.cli.predict import command as predict
    from nerkd_local.config.experiment import load_experiment
    from nerkd_local.config.folders import configs_folder, models_folder
    from nerkd_local.demo.files import RECORDED, write_corpora
    from nerkd_local.errors import InputError
    from nerkd_local.pipeline import run_experiment

    if text is not None and not text.strip():
        raise InputError("--text holds no word; give a sentence, or leave it out")
    began = time.monotonic()

    def say(line: str) -> None:
        elapsed_s = int(time.monotonic() - began)
        click.echo(f"[{elapsed_s // 60}:{elapsed_s % 60:02}] {line}", err=True)

    paths = {"output": output, "data_root": output / "data", "student": models_folder("demo-student")}
    if recorded or vllm_version() is None:
        paths |= {"annotator": Path("recorded"), "annotator.engine.answers": RECORDED}
        if not recorded:
            say("vLLM is not installed: the small model's answers are taken as they were recorded")
    else:
        paths["annotator.engine.model"] = models_folder("demo-annotator")
    # a JSON string is a YAML string whatever stands in the path
    filled = [f"{key}={json.dumps(str(path), ensure_ascii=False)}" for key, path in paths.items()]
    settings = load_experiment(configs_folder("experiments") / "demo.yaml", [*filled, *overrides])
    click.echo(_BEGIN, err=True)
    say(f"made-up news -> {settings.data_root}")
    write_corpora(settings.data_root)
    summary = run_experiment(settings, say)
    click.echo(summary)
    click.echo(f"figure: {settings.output / 'results' / 'figure.png'}")
    student = _student(settings)
    say(f"a sentence of yours, labelled by {student}")
    context.invoke(predict, student=student, text=text or _ask())
    say("done; to label more: nerkd predict STUDENT TEXT")


def _ask() -> str:
    """A sentence from the terminal, or the example where nobody can be asked."""
    if not sys.stdin.isatty():
        return _SENTENCE
    answer: str = click.prompt("A sentence", default=_SENTENCE, err=True)
    return answer.strip() or _SENTENCE


def _student(settings: ExperimentSettings) -> Path:
    """The folder of the first student trained under the regimen to show, or the first of all."""
    from nerkd_local.experiment.cells import list_cells
    from nerkd_local.experiment.folder import RunFolder

    cells = list_cells(settings)
    chosen = next((cell for cell in cells if cell.regimen == _SHOWN), cells[0])
    return RunFolder(settings.output).student(chosen.name) / "student"
