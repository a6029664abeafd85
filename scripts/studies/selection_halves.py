"""A selection policy that was chosen on one half of the evaluation documents, compared on the other half.

    python scripts/studies/selection_halves.py RUN_FOLDER > halves.md

RUN_FOLDER is that of an experiment with selections (configs/experiments/selection_cpu.yaml). A document is in half A or
B by a hash of its name, as in halves.py. For each source and regimen the best policy on half A, all labels kept among
them, is marked; half B is where each is compared with keeping all labels and with the human labels alone. Intervals:
bootstrap over documents with seeds nested, differences paired by document and seed. Where a source's human labels are
there, a second table says how right the labels are that each policy lets through.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from halves import finished_counts, halves, signed, text
from tabulate import tabulate

from nerkd_local.config.experiment import ExperimentSettings, MixSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.experiment.folder import RunFolder
from nerkd_local.experiment.lines import Counts, list_lines
from nerkd_local.files import read_json
from nerkd_local.records import TOKEN_WEIGHTS, Document, Span
from nerkd_local.settings import load_settings
from nerkd_local.stats.bootstrap import f1_difference, f1_interval, micro_f1

BASELINE = "original_only"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = RunFolder(parser.parse_args().folder)
    settings = load_settings(ExperimentSettings, folder.settings)
    in_a, documents = halves(folder.evaluation)
    for size in sorted(set(settings.original.sizes)):
        counts = finished(settings, folder, size)
        for sources in dict.fromkeys(mix.sources for mix in settings.all_mixes):
            mixes = [mix for mix in settings.all_mixes if mix.sources == sources]
            compare(size, mixes, counts, in_a, documents)
    for sources in dict.fromkeys(mix.sources for mix in settings.all_mixes):
        describe_labels([mix for mix in settings.all_mixes if mix.sources == sources], folder)


def finished(settings: ExperimentSettings, folder: RunFolder, size: int) -> dict[tuple[str, str | None], Counts]:
    """The counts of one size's lines whose seeds are all there, by regimen and mix; others are named."""
    counts = {}
    for line in list_lines(settings):
        if line.size != size:
            continue
        table = finished_counts(line, folder)
        if table is None:
            print(f"\nnot compared, as not all of its seeds are there: {line.regimen}, {line.mix}")
        else:
            counts[line.regimen, line.mix] = table
    return counts


def compare(
    size: int,
    mixes: list[MixSettings],
    counts: dict[tuple[str, str | None], Counts],
    in_a: np.ndarray,
    documents: np.ndarray,
) -> None:
    """Print one source's table: every regimen and policy on both halves, and its lead on half B."""
    plain = next((mix.name for mix in mixes if mix.selection is None), None)
    human = counts.get((BASELINE, None))
    rows = []
    for regimen in dict.fromkeys(regimen for regimen, mix in counts if mix is not None):
        there = [mix for mix in mixes if (regimen, mix.name) in counts]
        on_a = {mix.name: mean_f1(counts[regimen, mix.name][:, in_a]) for mix in there}
        best = max(on_a, key=on_a.__getitem__)
        for mix in there:
            mine = counts[regimen, mix.name]
            rivals = (None if mix.name == plain else counts.get((regimen, plain)), human)
            leads = [
                None
                if rival is None
                else f1_difference(mine[:, ~in_a], rival[:, ~in_a], groups=documents[~in_a], seed=0)
                for rival in rivals
            ]
            name = (mix.selection or "keep all") + (" (best on A)" if mix.name == best else "")
            on_b = f1_interval(mine[:, ~in_a], groups=documents[~in_a], seed=0)
            rows.append((regimen, name, len(mine), f"{on_a[mix.name]:.3f}", text(on_b), *map(signed, leads)))
    if human is not None:
        on_b = f1_interval(human[:, ~in_a], groups=documents[~in_a], seed=0)
        rows.append((BASELINE, "-", len(human), f"{mean_f1(human[:, in_a]):.3f}", text(on_b), "-", "-"))
    print(f"\n## {'+'.join(mixes[0].sources)}, {size} originals\n")
    headers = ("regimen", "selection", "seeds", "F1 on half A", "F1 on half B (95 %)")
    headers += ("minus keep all on half B (95 %)", f"minus {BASELINE} on half B (95 %)")
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


def describe_labels(mixes: list[MixSettings], folder: RunFolder) -> None:
    """Print how right the labels are that students learn from, by selection, against the hidden human labels.

    An entity counts as much as its words weigh in training.
    """
    sources = mixes[0].sources
    if not all(folder.hidden(source).exists() for source in sources):
        return
    human = {
        document.id: set(document.spans) for source in sources for document in read_documents(folder.hidden(source))
    }
    total = sum(map(len, human.values()))
    rows = []
    for mix in mixes:
        counts: defaultdict[str, float] = defaultdict(float)
        for document in read_documents(folder.distilled(mix.name)):
            counts["sentences"] += 1
            for span in document.spans:
                counts["learned"] += weight(document, span)
                counts["right"] += weight(document, span) if span in human[document.id] else 0
            counts["wrong"] += sum(weight(document, span) for span in human[document.id].difference(document.spans))
        rows.append(
            (
                mix.selection or "keep all",
                f"{counts['sentences']:,.0f}",
                f"{counts['learned']:,.0f}",
                f"{counts['right'] / max(counts['learned'], 1):.3f}",
                f"{counts['right'] / max(total, 1):.3f}",
                f"{counts['wrong']:,.0f}",
            )
        )
    print(f"\n## The labels of {'+'.join(sources)}, against {total:,} human ones\n")
    headers = (
        "selection",
        "sentences",
        "entities learned",
        "of them right",
        "of the human ones",
        "human ones taught wrong",
    )
    print(tabulate(rows, headers, tablefmt="github", disable_numparse=True))
    ledgers = [mix for mix in mixes if folder.selection_ledger(mix.name).exists()]
    for mix in ledgers:
        why = read_json(folder.selection_ledger(mix.name))["entities_why"]
        print(f"\n{mix.name}: " + ", ".join(f"{row['count']:,} {row['decision']} ({row['reason']})" for row in why))


def weight(document: Document, span: Span) -> float:
    """The largest weight of a word of the span."""
    weights = document.meta.get(TOKEN_WEIGHTS, [1.0] * len(document.tokens))
    pairs = zip(document.tokens, weights, strict=True)
    return max((float(each) for (start, end), each in pairs if start < span.end and span.start < end), default=0.0)


def mean_f1(counts: Counts) -> float:
    """Each seed's F1 over all sentences, on average."""
    return float(micro_f1(counts.sum(axis=1)).mean())


if __name__ == "__main__":
    main()
