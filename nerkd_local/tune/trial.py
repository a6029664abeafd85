"""One candidate on one number of sentences: asked, scored, and kept as a small file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.folder import annotate_folder, export_inputs, prepare_job, same_run
from nerkd_local.annotate.further import Further
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.windows import Windows, windowed
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import sentence_counts
from nerkd_local.files import read_json, read_json_lines, write_json
from nerkd_local.fingerprints import digest, digest_file, digest_json
from nerkd_local.records import Document
from nerkd_local.settings import Settings, load_json_settings
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer


class Trial(Settings):
    """What came of a candidate on so many sentences. Tokens are those of all stored answers, each text asked once."""

    counts: tuple[tuple[int, int, int], ...]
    """Of each sentence: correct, found and gold entities."""
    mentions: int
    hallucinated_each: tuple[int, ...]
    """Of each sentence: mentions that stand nowhere in its text."""
    unusable: int
    """Sentences without an answer that could be read."""
    prompt_tokens: int
    output_tokens_each: tuple[int, ...]
    """Of each sentence; what a window took stands with its first one."""
    seconds: float | None
    """What asking took once the engine ran; None where no run ended in a way that tells."""
    inputs: dict[str, Any]

    @property
    def sentences(self) -> int:
        """How many."""
        return len(self.counts)

    @property
    def hallucinated(self) -> int:
        """All mentions that stand nowhere in their text."""
        return sum(self.hallucinated_each)

    @property
    def output_tokens(self) -> int:
        """All that was written."""
        return sum(self.output_tokens_each)

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
    spent = list(_answers(corpus, folder, further))
    counts = sentence_counts(*([spans_to_tags(document) for document in side] for side in (gold, annotated)))
    trial = Trial(
        counts=tuple((int(correct), int(found), int(true)) for correct, found, true in counts),
        mentions=ledger["mentions_total"],
        hallucinated_each=tuple(document.meta["mentions"].get("hallucinated", 0) for document in annotated),
        unusable=ledger["sentences_total"] - ledger["sentences"]["annotated"],
        prompt_tokens=sum(answer.prompt_tokens for _, answer in spent),
        output_tokens_each=tuple(np.bincount(*_columns(spent), minlength=len(gold)).astype(int).tolist()),
        seconds=_seconds(folder, sum(answer.copy_of is None for _, answer in spent)),
        inputs=inputs,
    )
    write_json(kept, trial.model_dump(mode="json"))
    return trial


def _same(kept: Any, inputs: Mapping[str, Any]) -> bool:
    if not isinstance(kept, Mapping) or kept.keys() != inputs.keys():
        return False
    rest = [name for name in inputs if name != "run"]
    return same_run(inputs["run"], kept["run"]) and all(inputs[name] == kept[name] for name in rest)


def _answers(corpus: Path, folder: Path, further: Further) -> Iterator[tuple[int, StoredAnswer]]:
    """Every stored answer of the candidate's own runs, with the number of the (first) sentence that it is about."""
    job, second = further.job, further.verification
    jobs = (job, replace(job, window=1), *further.samples, *([second] if second else []))
    mine = {digest_json(each.identity()): each for each in jobs}
    with AnswerStore(folder / "answers.sqlite") as store, SentenceFile(corpus, folder / "index") as sentences:
        for run_id, identity in store.runs().items():
            asked = mine.get(digest_json(identity))
            if asked is None:
                continue
            view = windowed(sentences, asked, store, run_id)
            for answer in store.answers(run_id):
                number = answer.sentence_no
                yield view.members(number)[0] if isinstance(view, Windows) else number, answer


def _columns(spent: Sequence[tuple[int, StoredAnswer]]) -> tuple[list[int], list[int]]:
    """The sentences of the answers, and the tokens of each."""
    return [number for number, _ in spent], [answer.output_tokens for _, answer in spent]


def _seconds(folder: Path, asked: int) -> float | None:
    """What so many of the candidate's answers took, at the pace of the folder's timed runs.

    Those may be fewer (one that was killed left answers, and no time) or more (of the candidate under other settings).
    """
    if not (folder / "speed.jsonl").exists():
        return None
    runs = [run for _, run in read_json_lines(folder / "speed.jsonl")]
    timed = sum(run["sentences"] - run["copies"] for run in runs)
    return round(sum(run["seconds"] for run in runs) * asked / timed, 4) if timed else None
