"""Whether an annotator's confidences can be trusted, and what voting where they are low is worth.

    python scripts/studies/confidence.py OUTPUT [--model FOLDER] [--data FOLDER] [--figures FOLDER] > summary.md

A live annotator labels a slice of the original pool, on which confidences are calibrated, and sentences of another
set, on which they are judged: with raw and with masked log-probabilities, and with further answers that vote. It goes
on where it was stopped. Then, without a model: ECE and Brier before and after calibration; the area under the
risk-coverage curve of entity confidence against that of the sentence-mean log-probability and of chance; and F1 and
tokens of votes for the least sure share of the sentences, against votes for all of them and for as many drawn by
chance. Intervals: bootstrap over documents.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from nerkd_local import offline, threads

offline.seal()
threads.wait_politely()

from nerkd_local.annotate.completer import Completer  # noqa: E402
from nerkd_local.annotate.engines.start import LazyEngine  # noqa: E402
from nerkd_local.annotate.folder import annotate_folder, write_corpus  # noqa: E402
from nerkd_local.annotate.settings import AnnotatorSettings, VoteSettings  # noqa: E402
from nerkd_local.corpus.jsonl import read_documents  # noqa: E402
from nerkd_local.corpus.readers import read_corpus  # noqa: E402
from nerkd_local.corpus.schemes import spans_to_tags  # noqa: E402
from nerkd_local.corpus.settings import CorpusSettings  # noqa: E402
from nerkd_local.evaluate.calibration import collect_spans, fit_calibration  # noqa: E402
from nerkd_local.evaluate.counts import sentence_counts  # noqa: E402
from nerkd_local.evidence.confidences import ConfidenceReport, shown  # noqa: E402
from nerkd_local.fingerprints import hash_order  # noqa: E402
from nerkd_local.records import Document  # noqa: E402
from nerkd_local.settings import load_settings  # noqa: E402
from nerkd_local.stats.bootstrap import f1_difference, f1_interval  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared"
SLICE, JUDGED = 250, 1000
LOOKED_AT = 1000
"""The first sentences of the other set: on them the form of the calibration was chosen, so nothing is judged there."""
SAMPLES, TEMPERATURES = 4, (0.7, 1.0)
SHARES = (0.1, 0.25, 0.5, 1.0)
CHANCES = 100
KINDS = ("raw", "masked")


@dataclass(frozen=True)
class Labelled:
    """An annotator's labels of a corpus with its human ones, sentence by sentence, and the ledger."""

    human: Sequence[Document]
    annotated: Sequence[Document]
    ledger: dict[str, Any]

    @property
    def pairs(self) -> list[tuple[Document, Document]]:
        return list(zip(self.human, self.annotated, strict=True))


class Study:
    """The annotations, made where they are not there yet."""

    def __init__(self, folder: Path, settings: AnnotatorSettings, engine: Completer) -> None:
        self._folder, self._settings, self._engine = folder, settings, engine
        self._human: dict[str, list[Document]] = {}

    def add_corpus(self, name: str, documents: Iterable[Document]) -> None:
        """A corpus to annotate, by a name."""
        self._human[name] = list(documents)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_corpus(self._folder / f"{name}.jsonl", self._human[name])

    def annotate(self, corpus: str, kind: str, votes: VoteSettings | None = None) -> Labelled:
        """The labels of one corpus. What its store holds is not asked again, whatever the votes."""
        settings = self._settings.model_copy(update={"logprobs": kind, "votes": votes})
        here = self._folder / f"{corpus}-{kind}"
        here.mkdir(exist_ok=True)
        ledger = annotate_folder(self._folder / f"{corpus}.jsonl", here, settings, self._engine)
        return Labelled(self._human[corpus], list(read_documents(here / "annotations.jsonl")), ledger)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--annotator", type=Path, default=REPOSITORY / "configs/annotators/bench_lines.yaml")
    parser.add_argument("--model", type=Path, default=SHARED / "models/bench-annotator")
    parser.add_argument("--data", type=Path, default=SHARED / "data/conll2003")
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    settings = load_settings(AnnotatorSettings, arguments.annotator, [f"engine.model={arguments.model}"])
    with LazyEngine(settings.engine, arguments.output / "logs") as engine:
        study = Study(arguments.output, settings, engine)
        study.add_corpus("slice", draw(read_corpus(CorpusSettings(path=arguments.data / "student_train.conll"))))
        other = read_corpus(CorpusSettings(path=arguments.data / "dev.conll"))
        study.add_corpus("judged", islice(other, LOOKED_AT, LOOKED_AT + JUDGED))
        made = {kind: [study.annotate(corpus, kind) for corpus in ("slice", "judged")] for kind in KINDS}
        budgets = {}
        for heat in TEMPERATURES:
            votes = VoteSettings(samples=SAMPLES, temperature=heat)
            made[f"raw, votes at {heat}"] = [study.annotate(corpus, "raw", votes) for corpus in ("slice", "judged")]
            budgets[heat] = {
                share: study.annotate("judged", "raw", votes.model_copy(update={"share": share})) for share in SHARES
            }
    reports = {}
    rows: list[list[str]] = []
    for kind, (fitted_on, judged) in made.items():
        calibration = fit_calibration(fitted_on.pairs)
        spans = collect_spans(judged.pairs, calibration)
        assert spans is not None
        reports[kind] = ConfidenceReport(spans)
        rows += confidence_rows(kind, reports[kind])
    _, judged = made["raw"]
    documents = {document_of(document) for document in judged.human}
    print(
        "# Confidences of the bench annotator\n\n"
        "`scripts/studies/confidence.py OUTPUT --figures FOLDER`: CoNLL-2003, format lines, through vLLM on the CPU. "
        "The figures are those of raw log-probabilities.\n\n"
        f"Fitted on {SLICE:,} sentences, judged on {len(judged.human):,} of {len(documents)} documents. "
        "95% intervals over documents.\n"
    )
    head = ["log-probabilities", "ranking", "found", "right", "ECE", "Brier", "AURC", "- sentence mean", "- chance"]
    print(tabulate(rows, head, tablefmt="pipe", disable_numparse=True))
    head = ["asked again", "sentences", "tokens", "of the full cost", "strict F1", "change"]
    head += ["of the full change", "change where drawn by chance"]
    for heat, by_share in budgets.items():
        print(f"\nVotes: {SAMPLES} further answers at temperature {heat}, raw log-probabilities.\n")
        print(tabulate(budget_rows(judged, by_share), head, tablefmt="pipe", disable_numparse=True))
    if arguments.figures:
        reports["raw"].draw(arguments.figures)


def draw(documents: Iterable[Document]) -> list[Document]:
    """A slice of an original pool, as experiments draw them: sentences from all over it."""
    by_id = {document.id: document for document in documents}
    return [by_id[id] for id in hash_order(by_id, "slice", 0)[:SLICE]]


def confidence_rows(kind: str, report: ConfidenceReport) -> list[list[str]]:
    """A row for each way to rank what one kind of annotation found."""
    found, right = len(report.right), int(report.right.sum())
    return [
        [kind, each.name, f"{found:,}", f"{right:,}"]
        + [shown(value) for value in (each.ece, each.brier, each.aurc, each.over_sentence, each.over_chance)]
        for each in report.judge()
    ]


def budget_rows(base: Labelled, budgets: dict[float, Labelled]) -> list[list[str]]:
    """A row for each share of the sentences that was asked again, the first for none. Drawn by chance: what votes
    for as many sentences change, whichever they are, on average over draws.
    """
    groups = [document_of(document) for document in base.human]
    counts = {share: counts_of(labelled) for share, labelled in budgets.items()}
    before = counts_of(base)
    full_gain = gain_of(before, counts[1.0])
    full_tokens = tokens_of(budgets[1.0])
    generator = np.random.default_rng(0)
    rows = [["none", "0", "0", "0%", shown(f1_interval(before[None], groups=groups, seed=0)), "-", "-", "-"]]
    for share, labelled in budgets.items():
        asked = int(labelled.ledger["votes"]["sentences"])
        difference = f1_difference(counts[share][None], before[None], groups=groups, seed=0)
        drawn = []
        for _ in range(CHANCES):
            mixed = before.copy()
            chosen = generator.permutation(len(before))[:asked]
            mixed[chosen] = counts[1.0][chosen]
            drawn.append(gain_of(before, mixed))
        rows.append(
            [
                f"{share:.0%}",
                f"{asked:,}",
                f"{tokens_of(labelled):,}",
                f"{tokens_of(labelled) / full_tokens:.0%}",
                shown(f1_interval(counts[share][None], groups=groups, seed=0)),
                shown(difference),
                f"{gain_of(before, counts[share]) / full_gain:.0%}" if full_gain else "-",
                f"{np.mean(drawn):+.4f}",
            ]
        )
    return rows


def counts_of(labelled: Labelled) -> np.ndarray:
    """Right, found and true entities of each sentence. Shape: (sentences, 3)."""
    human, annotated = labelled.human, labelled.annotated
    return sentence_counts([spans_to_tags(each) for each in human], [spans_to_tags(each) for each in annotated])


def gain_of(before: np.ndarray, after: np.ndarray) -> float:
    """By how much F1 rises."""
    right, found, true = before.sum(axis=0)
    new_right, new_found, new_true = after.sum(axis=0)
    return float(2 * new_right / (new_found + new_true) - 2 * right / (found + true))


def tokens_of(labelled: Labelled) -> int:
    """What the further answers took, in and out."""
    votes = labelled.ledger["votes"]
    return int(votes["prompt_tokens"]) + int(votes["output_tokens"])


def document_of(document: Document) -> str:
    """The name of the document that a sentence is from."""
    return str(document.meta["document"])


if __name__ == "__main__":
    main()
