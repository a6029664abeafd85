"""`nerkd calibrate`: what an annotator's confidences are worth, learnt from sentences that people have labelled."""

from __future__ import annotations

from pathlib import Path

import click

from nerkd_local.cli.options import PATH


@click.command(name="calibrate")
@click.argument("human", type=PATH)
@click.argument("labels", type=PATH)
@click.option("--output", type=PATH, required=True, help="Where to write the calibration (JSON).")
def command(human: Path, labels: Path, output: Path) -> None:
    """Fit confidences to what is right: LABELS are an annotator's (its folder or file) or a student's, HUMAN the right
    ones of the same sentences, matched by id.

    A span is right if its borders and type are. Used by `nerkd evaluate` and `nerkd select`. Fit on sentences that
    nothing is evaluated on.
    """
    from nerkd_local.annotate.ledger import is_usable
    from nerkd_local.corpus.readers import read_corpus
    from nerkd_local.corpus.settings import CorpusSettings
    from nerkd_local.errors import InputError
    from nerkd_local.evaluate.calibration import fit_calibration
    from nerkd_local.files import read_json
    from nerkd_local.fingerprints import digest_json

    path = labels / "annotations.jsonl" if labels.is_dir() else labels
    truth = {document.id: document for document in read_corpus(CorpusSettings(path=human))}
    annotated = [document for document in read_corpus(CorpusSettings(path=path)) if document.id in truth]
    usable = [document for document in annotated if is_usable(document)]
    if not usable:
        raise InputError(f"holds no usable labels of sentences of {human}; give those of the same corpus", path=path)
    for document in usable:
        if document.words != truth[document.id].words:
            raise InputError(f"the tokens of sentence {document.id!r} are not those of {human}", path=path)
    ledger = path.with_name("ledger.json")
    made_from = read_json(ledger).get("inputs", {}) if ledger.is_file() else {}
    run = digest_json(made_from["run"]) if "run" in made_from else None  # a ledger may be of something else
    try:
        calibration = fit_calibration([(truth[document.id], document) for document in usable], run=run)
    except InputError as error:
        raise InputError(error.problem, path=path) from None
    calibration.save(output)
    weights = ", ".join(
        f"{name} {weight:+.2f}" for name, weight in zip(calibration.names, calibration.coefficients, strict=True)
    )
    click.echo(
        f"{calibration.spans:,} entities of {len(usable):,} sentences, {calibration.right:,} right; weights of the "
        f"standardised signals: {weights} -> {output}"
    )
