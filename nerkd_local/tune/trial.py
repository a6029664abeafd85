"""One candidate on one number of sentences: asked, scored, and kept as a small file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.folder import annotate_folder, export_inputs, prepare_job, same_run
from nerkd_local.annotate.further import Further
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.files import read_json, read_json_lines, write_json
from nerkd_local.fingerprints import digest, digest_file
from nerkd_local.records import Document
from nerkd_local.settings import Settings, load_json_settings
from nerkd_local.store.answers import AnswerStore


class Trial(Settings):
    """What came of a candidate on so many sentences. Tokens are those of the answers used, each text asked once."""

    counts: tuple[tuple[int, int, int], ...]
    """Of each sentence: correct, found and gold entities."""
    mentions: int
    hallucinated: int
    """Mentions that stand nowhere in their text."""
    unusable: int
    """Sentences without an answer that could be read."""
    prompt_tokens: int
    output_tokens: int
    seconds: float | None
    """What asking took once the engine ran; None where no run ended in a way that tells."""
    inputs: dict[str, Any]

    @property
    def sentences(self) -> int:
        """How many."""
        return len(self.counts)

    @property
    def table(self) -> npt.NDArray[np.int64]:
        """The counts as `stats.bootstrap` takes them. Shape: (1, sentences, 3)."""
        return np.array([self.counts], np.int64)

    @property
    def totals(self) -> tuple[int, int, int]:
        """Correct, found and gold entities of all sentences."""
        correct, found, gold = self.table.sum(axis=(0, 1)).tolist()
        return correct, found, gold

    @property
    def precision(self) -> float:
        correct, found, _ = self.totals
        return correct / found if found else 0.0

    @property
    def recall(self) -> float:
        correct, _, gold = self.totals
        return correct / gold if gold else 0.0

    @property
    def f1(self) -> float:
        correct, found, gold = self.totals
        return 2 * correct / (found + gold) if found + gold else 0.0


def try_candidate(
    corpus: Path,
    folder: Path,
    settings: AnnotatorSettings,
    engine: Completer,
    pool: Sequence[Document],
    gold: Sequence[Document],
    *,
    seed: int,
    say: Callable[[str], None],
) -> Trial:
    """Ask a candidate about a file of documents and score it against the same ones with human labels.

    A trial that the folder keeps, of this very annotator and these sentences and labels, is not made again. Raises
    InputError, InterruptedRun.
    """
    kept = folder / f"trial-{len(gold)}.json"
    sentences = digest(*(f"{document.id} {spans_to_tags(document)}" for document in gold))
    job = prepare_job(settings, pool, seed=seed)
    further = Further.of(job, settings)
    made_from = export_inputs(job.identity(), digest_file(corpus), further)
    inputs = {**made_from, "gold_sha256": sentences}
    if kept.exists() and _same(read_json(kept).get("inputs"), inputs):
        return load_json_settings(Trial, kept)
    ledger = annotate_folder(corpus, folder, settings, engine, pool, seed=seed, say=say)
    annotated = list(read_documents(folder / "annotations.jsonl"))
    counts = sentence_counts(*([spans_to_tags(document) for document in side] for side in (gold, annotated)))
    trial = Trial(
        counts=tuple((int(correct), int(found), int(true)) for correct, found, true in counts),
        mentions=ledger["mentions_total"],
        hallucinated=ledger["mentions"]["hallucinated"],
        unusable=ledger["sentences_total"] - ledger["sentences"]["annotated"],
        prompt_tokens=_tokens(ledger, "prompt_tokens"),
        output_tokens=_tokens(ledger, "output_tokens"),
        seconds=_seconds(folder, further),
        inputs=inputs,
    )
    write_json(kept, trial.model_dump(mode="json"))
    return trial


def _same(kept: Any, inputs: Mapping[str, Any]) -> bool:
    if not isinstance(kept, Mapping) or kept.keys() != inputs.keys():
        return False
    rest = [name for name in inputs if name != "run"]
    return same_run(inputs["run"], kept["run"]) and all(inputs[name] == kept[name] for name in rest)


def _tokens(ledger: Mapping[str, Any], name: str) -> int:
    """Of the answers, of votes and of a second pass."""
    return sum(int(part.get(name, 0)) for part in (ledger, ledger.get("votes", {}), ledger.get("verification", {})))


def _seconds(folder: Path, further: Further) -> float | None:
    """What the candidate's answers took, at the pace of the folder's timed runs.

    Those may be fewer (one that was killed left answers, and no time) or more (of the candidate under other settings).
    """
    if not (folder / "speed.jsonl").exists():
        return None
    runs = [run for _, run in read_json_lines(folder / "speed.jsonl")]
    timed = sum(run["sentences"] - run["copies"] for run in runs)
    job, second = further.job, further.verification
    mine = [each.identity() for each in (job, replace(job, window=1), *further.samples, *([second] if second else []))]
    with AnswerStore(folder / "answers.sqlite") as store:
        own = [run_id for run_id, identity in store.runs().items() if identity in mine]
        stored = sum(answer.copy_of is None for run_id in own for answer in store.answers(run_id))
    return round(sum(run["seconds"] for run in runs) * stored / timed, 4) if timed else None
