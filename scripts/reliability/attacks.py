"""What a hostile text can make an annotator do: labels that change, and answers that leave the sentence or the schema.

    python scripts/reliability/attacks.py                    # the bench annotator; a minute on two cores
    python scripts/reliability/attacks.py --model FOLDER

Every attack (tests/integration/attacks.jsonl) stands in a made-up sentence that is also asked about without it.
Printed by kind of attack, for each format, under the format's constraint and `verbatim: true`: the share of the clean
sentence's entities that are labelled otherwise than without the attack (their label or a border changed, or one came or
went at their place), sentences without a usable answer (all of their labels are lost, and count as changed), the share
of mentions that stand nowhere in the sentence, and answers outside the schema. Harmless additions come first, to
compare with: a small model answers otherwise whatever is added.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from nerkd_local import offline, threads
from nerkd_local.annotate.completer import Completer
from nerkd_local.annotate.engines.start import open_engine
from nerkd_local.annotate.folder import prepare_job
from nerkd_local.annotate.job import AnnotationJob
from nerkd_local.annotate.reading import Reading, read_stored
from nerkd_local.annotate.run import Annotation
from nerkd_local.annotate.sentences import SentenceList
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.watch import Watch
from nerkd_local.config.folders import configs_folder
from nerkd_local.corpus.text import tokenize
from nerkd_local.records import Document, Span
from nerkd_local.settings import load_settings
from nerkd_local.store.answers import AnswerStore
from nerkd_local.store.rows import StoredAnswer

REPOSITORY = Path(__file__).parents[2]
ATTACKS = REPOSITORY / "tests" / "integration" / "attacks.jsonl"
CONTROL = "harmless"


@dataclass(frozen=True)
class Attack:
    """A sentence, clean and with an attack put in at `at`; `spans` are the clean one's entities."""

    kind: str
    clean: Document
    attacked: Document
    spans: tuple[Span, ...]
    at: int

    def moved(self, span: Span) -> tuple[int, int]:
        """Where an entity of the clean sentence stands in the attacked one."""
        by = len(self.attacked.text) - len(self.clean.text) if span.start >= self.at else 0
        return span.start + by, span.end + by


@dataclass(frozen=True)
class Answered:
    """A document's answer, as it came and as it reads."""

    document: Document
    answer: StoredAnswer
    reading: Reading

    def at(self, start: int, end: int, origin: int) -> list[tuple[int, int, str]]:
        """What is labelled at a place, counted from `origin`."""
        spans = self.reading.spans
        return [(s.start - origin, s.end - origin, s.label) for s in spans if s.start < end and start < s.end]


def read_attacks(path: Path = ATTACKS) -> list[Attack]:
    """All attacks, in file order."""
    attacks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        value = json.loads(line)
        text, at = value["clean"], value["at"]
        attacked = text[:at] + value["attack"] + text[at:]
        clean, hostile = (
            Document(f"{number}:{name}", content, tokenize(content))
            for name, content in (("clean", text), ("attacked", attacked))
        )
        attacks.append(Attack(value["kind"], clean, hostile, tuple(Span(*span) for span in value["spans"]), at))
    return attacks


def answer_all(documents: Sequence[Document], job: AnnotationJob, engine: Completer) -> list[Answered]:
    """The answers about documents, in their order."""
    with tempfile.TemporaryDirectory() as folder, AnswerStore(Path(folder) / "answers.sqlite") as store:
        run_id = store.open_run(job.identity())
        Annotation(SentenceList(documents), job, engine, store, run_id, Watch(StringIO())).ask()
        answered = []
        for document, answer in zip(documents, store.answers(run_id), strict=True):
            answered.append(Answered(document, answer, read_stored(document, answer, job)))
    return answered


def is_outside_schema(answered: Answered, job: AnnotationJob) -> bool:
    """Whether an answer that ended by itself is anything else than the format with the labels that were asked for."""
    ended = answered.answer.finish_reason == "stop"
    return ended and re.fullmatch(job.prompt.constraint, answered.answer.answer) is None


def count_changed(attack: Attack, clean: Answered, attacked: Answered) -> int:
    """How many of the clean sentence's entities are labelled otherwise under the attack."""
    changed = 0
    for span in attack.spans:
        start, end = attack.moved(span)
        lost = attacked.reading.state != "annotated"
        changed += lost or clean.at(span.start, span.end, span.start) != attacked.at(start, end, start)
    return changed


def report(attacks: Sequence[Attack], clean: Sequence[Answered], found: Sequence[Answered], job: AnnotationJob) -> None:
    """One table, by kind of attack."""
    print("| attack | sentences | entities changed | without an answer | hallucinated | outside the schema |")
    print("|---|---|---|---|---|---|")
    rows = list(zip(attacks, clean, found, strict=True))
    for kind in [*dict.fromkeys(attack.kind for attack in attacks), ""]:
        chosen = [row for row in rows if (row[0].kind == kind if kind else row[0].kind != CONTROL)]
        entities = sum(len(attack.spans) for attack, _, _ in chosen)
        changed = sum(count_changed(*row) for row in chosen)
        mentions = sum(sum(answered.reading.mentions.values()) for _, _, answered in chosen)
        invented = sum(answered.reading.mentions.get("hallucinated", 0) for _, _, answered in chosen)
        lost = sum(answered.reading.state != "annotated" for _, _, answered in chosen)
        outside = sum(is_outside_schema(answered, job) for _, _, answered in chosen)
        print(
            f"| {kind.replace('_', ' ') or '**all attacks**'} | {len(chosen)} | {changed} of {entities} "
            f"({changed / entities:.0%}) | {lost} | {invented} of {mentions} | {outside} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=REPOSITORY.parent / "shared" / "models" / "bench-annotator")
    arguments = parser.parse_args()
    offline.seal()
    threads.wait_politely()
    attacks = read_attacks()
    settings = {
        format: load_settings(
            AnnotatorSettings,
            configs_folder("annotators") / f"bench_{format}.yaml",
            [f"engine.model={arguments.model}", "shots=0"],
        )
        for format in ("lines", "json")
    }
    with closing(open_engine(settings["lines"].engine)) as engine:
        for format, asked in settings.items():
            for verbatim in (False, True):
                job = prepare_job(asked.model_copy(update={"verbatim": verbatim}))
                print(f"\n## {format}, {'verbatim' if verbatim else 'under the format constraint'}\n", flush=True)
                documents = [document for attack in attacks for document in (attack.clean, attack.attacked)]
                answered = answer_all(documents, job, engine)
                report(attacks, answered[::2], answered[1::2], job)


if __name__ == "__main__":
    main()
