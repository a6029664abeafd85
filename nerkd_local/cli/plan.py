"""`nerkd plan`: the examples of every training step, before training."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="plan")
@click.argument("regimen")
@click.option("--original", type=PATH, help="Human-labelled documents (JSON lines).")
@click.option("--distilled", type=PATH, help="LLM-labelled documents (JSON lines).")
@click.option("--steps", type=click.IntRange(1), default=250, show_default=True, help="Optimizer steps.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Examples a step.")
@click.option("--seed", type=int, default=0, show_default=True, help="Fixes the order of both sources.")
@click.option("--output", type=PATH, required=True, help="The plan (JSON lines).")
def command(
    regimen: str,
    original: Path | None,
    distilled: Path | None,
    steps: int,
    batch_size: int,
    seed: int,
    output: Path,
) -> None:
    """Plan REGIMEN (a name in configs/regimens, or a YAML file): which examples every step sees.

    NAME@W is that regimen bent until the mean distilled share is W: power_decay@0.5.
    """
    from nerkd_local.annotate.ledger import is_usable
    from nerkd_local.config.folders import configs_folder
    from nerkd_local.corpus.jsonl import read_documents
    from nerkd_local.regimen.catalog import load_regimen
    from nerkd_local.regimen.plan import build_plan, save_plan

    chosen = load_regimen(regimen, configs_folder("regimens"))
    original_ids = [document.id for document in read_documents(original)] if original else []
    answered = list(read_documents(distilled)) if distilled else []
    usable = [document.id for document in answered if is_usable(document)]
    plan = build_plan(chosen, original_ids, usable, steps=steps, batch_size=batch_size, seed=seed)
    save_plan(plan, output)
    if len(usable) < len(answered):
        click.echo(f"left out: {len(answered) - len(usable):,} distilled sentences without a usable answer")
    for source, count in plan.examples.items():
        click.echo(f"{source}: {count:,} examples, {plan.passes[source]:.2f} passes")
    click.echo(f"fingerprint {plan.fingerprint}")
