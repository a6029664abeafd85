"""`nerkd select`: labels through a selection policy."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH, overrides


@click.command(name="select")
@click.argument("labels", type=PATH)
@click.option("--policy", "policy_name", required=True, help="A name in configs/selection, or a YAML file.")
@click.option("--calibration", type=PATH, help="What nerkd calibrate wrote, for confidence: calibrated.")
@click.option(
    "--opinions",
    type=PATH,
    help="What nerkd audit LABELS left in crossfit/opinions.jsonl, for agreement and confidence: student.",
)
@click.option("--output", type=PATH, required=True, help="JSON lines file; OUT.ledger.json says what became of all.")
@overrides
def command(
    labels: Path,
    policy_name: str,
    calibration: Path | None,
    opinions: Path | None,
    output: Path,
    overrides: tuple[str, ...],
) -> None:
    """Decide which of LABELS (annotations.jsonl) a student is to learn from.

    Each sentence and each entity is kept, weighted, masked or dropped, with a reason. The trainer goes by it where OUT
    is its distilled file.
    """
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.corpus.jsonl import write_documents
    from nerkd_local.errors import InputError
    from nerkd_local.evaluate.calibration import load_calibration
    from nerkd_local.files import existing_file, write_json
    from nerkd_local.fingerprints import digest_file
    from nerkd_local.select.ledger import describe_selection
    from nerkd_local.select.opinions import read_opinions
    from nerkd_local.select.run import DocumentFiles, select_documents
    from nerkd_local.select.settings import PolicyFile, needs_calibration, needs_opinions
    from nerkd_local.settings import find_named, load_settings

    policy = load_settings(PolicyFile, find_named(policy_name, configs_folder("selection")), overrides).root
    if calibration and not needs_calibration(policy):
        raise click.UsageError("this policy asks for no calibration; set confidence=calibrated, or leave it out")
    if opinions and not needs_opinions(policy):
        raise click.UsageError("this policy asks for no opinions; set confidence=student, or leave them out")
    if output.suffix != ".jsonl":
        raise InputError("the output's extension must be .jsonl", path=output)
    if output.exists() and output.samefile(existing_file(labels)):
        raise InputError("would be written over the labels that are selected from; choose another output", path=output)
    documents = DocumentFiles(existing_file(labels))
    selected, ledger = select_documents(
        documents,
        policy,
        read_opinions(opinions) if opinions else None,
        load_calibration(calibration) if calibration else None,
        path=labels,
    )
    count = write_documents(output, selected)
    account = {
        "policy": policy.model_dump(mode="json"),
        "labels_sha256": digest_file(labels),
        "opinions_sha256": opinions and digest_file(opinions),
        "calibration_sha256": calibration and digest_file(calibration),
        **ledger.to_json(),
    }
    write_json(output.with_suffix(".ledger.json"), account)
    click.echo(describe_selection(account))
    click.echo(f"{count:,} sentences -> {output}", err=True)
