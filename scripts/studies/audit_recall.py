"""How many planted errors an audit of human labels finds among its first suspects.

    python scripts/studies/audit_recall.py CORPUS --student ENCODER_FOLDER --output FOLDER
        [--annotations ANNOTATIONS.jsonl] [--seeds 1 2 3] [--sentences 1000] [--share 0.05] [--steps 250] [--folds 5]
        [--repeated] [--disjoint 1 0]

Of the first so many sentences of CORPUS, 5% of the mentions are damaged by each seed (type, border, dropped, invented,
a quarter each; see `nerkd_local.audit.planting`), and the damaged labels are audited, once with entity-disjoint folds
and once without. With --repeated it is whole names that are labelled wrongly, wherever they stand. A planted error is
found if a suspect of the first k overlaps it; k is the number of errors planted, twice and four times that. The labels'
own errors take places among the suspects too and count as misses. Intervals: percentile bootstrap over the planted
errors of all seeds. "random" is any order of all labelled mentions and of those that a student found besides;
"shuffled" is the same list of suspects in any order. Started again, it goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from tabulate import tabulate

from nerkd_local import offline
from nerkd_local.audit.planting import Planted, plant_errors, plant_repeated
from nerkd_local.audit.run import read_annotations
from nerkd_local.audit.suspects import Suspect, find_suspects, places
from nerkd_local.config.experiment import TrainingSettings
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.experiment.crossfit import CrossFitSettings, cross_fit
from nerkd_local.records import Document
from nerkd_local.select.opinions import Opinion


def main() -> None:
    offline.seal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--student", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--annotations", type=Path)
    parser.add_argument("--repeated", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--disjoint", type=int, nargs="+", default=[1, 0], help="1: entity-disjoint folds, 0: not")
    arguments = parser.parse_args()

    documents = list(islice(read_corpus(CorpusSettings(path=arguments.corpus)), arguments.sentences))
    labels = tuple(sorted({span.label for document in documents for span in document.spans}))
    mentions = sum(len(document.spans) for document in documents)
    annotated = read_annotations(arguments.annotations, documents, tell) if arguments.annotations else None
    count = round(arguments.share * mentions)
    sizes: dict[int, int] = {}
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    kinds: dict[str, Counter[str]] = {}
    for disjoint in arguments.disjoint:
        settings = CrossFitSettings(
            student=arguments.student,
            labels=labels,
            folds=arguments.folds,
            entity_disjoint=bool(disjoint),
            training=TrainingSettings(steps=arguments.steps),
        )
        for seed in arguments.seeds:
            plant = plant_repeated if arguments.repeated else plant_errors
            damaged, planted = plant(documents, count, labels, seed)
            sizes[seed] = len(planted)
            name = "entity-disjoint" if disjoint else "plain"
            fitted = settings.model_copy(update={"seed": seed})
            opinions = cross_fit(
                damaged, fitted, arguments.output / f"{name}-{seed}{'-repeated' * arguments.repeated}", say=tell
            )
            voices: list[tuple[str, Mapping[str, Document] | None]] = [(f"{name} folds", None)]
            if annotated is not None:
                voices.append((f"{name} folds, and the annotator", annotated))
            for voice, answers in voices:
                suspects = find_suspects(damaged, opinions, answers)
                for times in (1, 2, 4):
                    hits = found_by(suspects[: times * len(planted)], planted)
                    found.setdefault((voice, f"{times}x"), []).append(hits)
                    if times == 1:
                        kinds.setdefault(voice, Counter()).update(
                            each.kind for each, hit in zip(planted, hits, strict=True) if hit
                        )
                rest = {"random": len(all_places(damaged, opinions)), "shuffled": len(suspects)}
                listed = found_by(suspects, planted)
                for order, size in rest.items():
                    for times in (1, 2, 4):
                        # what any order finds on average
                        share = min(1.0, times * len(planted) / size)
                        hits = np.full(len(planted), share) if order == "random" else listed * share
                        found.setdefault((f"{voice}: {order}", f"{times}x"), []).append(hits)
    told = ", ".join(f"{size} (seed {seed})" for seed, size in sizes.items())
    print(f"{len(documents):,} sentences, {mentions:,} mentions, damaged: {told}\n")
    show(found)
    print("\nFound at k = the number planted, by kind:")
    for voice, counts in kinds.items():
        print(f"- {voice}: " + ", ".join(f"{kind} {number}" for kind, number in counts.most_common()))


def found_by(suspects: Sequence[Suspect], planted: Sequence[Planted]) -> np.ndarray:
    """For each planted error, 1 if one of the suspects overlaps it, else 0. Shape: (planted,)."""
    covered: dict[str, list[tuple[int, int]]] = {}
    for suspect in suspects:
        covered.setdefault(suspect.document.id, []).append((suspect.start, suspect.end))
    return np.array(
        [any(start < each.end and each.start < end for start, end in covered.get(each.id, [])) for each in planted],
        float,
    )


def all_places(documents: Sequence[Document], opinions: Mapping[str, Opinion]) -> list[object]:
    return [place for each in documents for place in places([*each.spans, *opinions[each.id].spans])]


def show(found: Mapping[tuple[str, str], Sequence[np.ndarray]]) -> None:
    """The table: a line a voice, a column for each k."""
    columns = ("1x", "2x", "4x")
    rows = []
    for voice in dict.fromkeys(voice for voice, _ in found):
        cells = []
        for column in columns:
            hits = np.concatenate(found[voice, column])
            draws = np.random.default_rng(0).integers(len(hits), size=(1000, len(hits)))
            low, high = np.quantile(hits[draws].mean(axis=1), [0.025, 0.975])
            cells.append(f"{hits.mean():.3f} ({low:.3f} to {high:.3f})")
        rows.append([voice, *cells])
    print(tabulate(rows, ["recall", *(f"k = {column} planted" for column in columns)], "github", disable_numparse=True))


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
