"""`nerkd train`: one student, through accelerate launch."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="train")
@click.argument("config", type=PATH)
@click.option(
    "--accelerate",
    default="cpu",
    show_default=True,
    help="Which of configs/accelerate (or a YAML file) says how many processes run on what.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Train nothing: check what an ended run has left (plan, inputs, exposure ledger, checkpoints, student).",
)
@overrides
def command(config: Path, accelerate: str, verify: bool, overrides: tuple[str, ...]) -> None:
    """Train the student that CONFIG (YAML) describes on the plan it names.

    Started again after an interruption, it goes on from the newest whole checkpoint. With --verify it says what the
    student was shown, and exits with 4 where something is not as CONFIG and the plan have it.
    """
    if verify:
        _verify(config, overrides)
        return

    from nerkd_local.config.folders import configs_folder
    from nerkd_local.files import existing_file
    from nerkd_local.settings import find_named
    from nerkd_local.train.launch import launch

    launcher = find_named(accelerate, configs_folder("accelerate"))
    sys.exit(launch(existing_file(config), launcher, overrides))


def _verify(config: Path, overrides: tuple[str, ...]) -> None:
    from nerkd_local.errors import CheckFailed
    from nerkd_local.files import existing_file
    from nerkd_local.settings import load_settings
    from nerkd_local.train.settings import TrainSettings
    from nerkd_local.train.verify import verify_run

    findings = verify_run(load_settings(TrainSettings, existing_file(config), overrides))
    click.echo(findings.describe())
    if findings.problems:
        raise CheckFailed("\n".join([f"problems: {len(findings.problems):,}", *findings.problems]))
