"""Sentences with everybody's labels, to leaf through: the evaluation's and the distilled ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.counts import strict_entities
from nerkd_local.evaluate.errors import CLASSES, classify
from nerkd_local.evaluate.spans import SpanTable, make_table
from nerkd_local.evidence.against_annotator import read_study
from nerkd_local.evidence.chosen import choose_lines, line_name, mean_f1, typical_seed
from nerkd_local.evidence.evaluated import Evaluated, gold_table, read_evaluated
from nerkd_local.evidence.predictions import has_spans, line_spans
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import Line
from nerkd_local.fingerprints import hash_order
from nerkd_local.records import CONFIDENCES, SELECTED, Document
from nerkd_local.report.parts import Mention, MentionState, Sentence, Sentences

HUMAN = "human"
MENTIONS, STUDENTS, SENTENCES = 200_000, 8, 20_000
"""Shown at most: mentions of all layers together (some 8 bytes each in a page), students, sentences."""

Role = Literal["original", "annotator", "student"]


@dataclass
class _Block:
    """The sentences of one group, and each layer's mentions of all of them; `known` marks the sentences that a layer
    knows, all where it has no entry."""

    group: str
    documents: Sequence[Document]
    gold: SpanTable | None = None
    layers: dict[str, SpanTable] = field(default_factory=dict)
    known: dict[str, Sequence[bool]] = field(default_factory=dict)
    states: Sequence[str] = ()

    @property
    def mentions(self) -> int:
        return sum(len(table) for table in (self.gold, *self.layers.values()) if table is not None)


def browser_sentences(
    run: Run, *, budget: int = MENTIONS, students: int = STUDENTS, sentences: int = SENTENCES
) -> Sentences:
    """The evaluation sentences of the largest size and the distilled ones, with everybody's labels.

    A student is one seed of a line, that nearest the line's mean F1. They are taken by usefulness as long as they fit
    into `budget` mentions, at most `students`: of each size, the largest first, the reference, the leader by mean F1
    and the paper's simple_mix; then the others by mean F1. Two that were made from the same are one.
    Where there are more than so many sentences, distilled ones are drawn by a hash. Layers and files that are not there
    are left out, and `left_out` names what is.

    A missed mention is shown with the layer that missed it, unless the layer has another mention across it.
    """
    roles: dict[str, Role] = {HUMAN: "original"}
    size = max(run.settings.original.sizes)
    left_out = []
    blocks = []
    evaluated = read_evaluated(run, size)
    if evaluated is None:
        left_out.append("the evaluation sentences, whose corpus is not in this folder")
    else:
        if run.settings.folds and len(set(run.settings.original.sizes)) > 1:
            left_out.append(f"the folds of fewer than {size:,} original sentences")
        blocks.append(_Block("evaluation", evaluated.documents, evaluated.gold))
        _add_study(run, evaluated, blocks[0], roles)
    room = max(0, sentences - (len(evaluated.documents) if evaluated else 0))
    distilled, dropped = _distilled_blocks(run, room, roles)
    if dropped:
        left_out.append(f"{dropped:,} distilled sentences beyond the {sentences:,} shown")
    blocks += distilled
    if evaluated is not None:
        left_out += _add_students(run, blocks, roles, budget, students)
    layers = [HUMAN, *(name for role in ("annotator", "student") for name in roles if roles[name] == role)]
    used = {name for block in blocks for name in block.layers}
    used |= {HUMAN} if any(block.gold is not None for block in blocks) else set()
    shown = tuple(name for name in layers if name in used)
    return Sentences(
        [sentence for block in blocks for sentence in _sentences(block, shown)],
        shown,
        {name: roles[name] for name in shown},
        tuple(block.group for block in blocks),
        f"Not shown: {'; '.join(left_out)}." if left_out else "",
    )


def _add_study(run: Run, evaluated: Evaluated, block: _Block, roles: dict[str, Role]) -> None:
    """The annotator's labels of the evaluation sentences, where the annotator study has them."""
    study = read_study(run, evaluated)
    if study is None:
        return
    known = np.zeros(len(evaluated.documents), bool)
    known[study.sentences] = True
    name = _annotator_layer(study.annotator if study.as_asked else study.name)
    roles[name] = "annotator"
    block.layers[name] = study.found.spread(study.sentences, len(evaluated.documents))
    block.known[name] = known.tolist()
    block.states = ["annotated" if each else "" for each in known]


def _annotator_layer(name: str) -> str:
    """The annotator's name, which anybody could have chosen."""
    return f"{name} (annotator)" if name == HUMAN else name


def _distilled_blocks(run: Run, room: int, roles: dict[str, Role]) -> tuple[list[_Block], int]:
    """A block a source, and how many sentences are left out: each source gives as large a part of its own."""
    read: list[tuple[str, str, list[Document]]] = []
    for source in run.settings.distilled:
        file = run.folder.annotation(source.name) / "annotations.jsonl"
        if file.exists():
            annotator = _annotator_layer(run.settings.annotator_of(source.annotator).name)
            read.append((source.name, annotator, list(read_documents(file))))
    total = sum(len(documents) for *_, documents in read)
    blocks = []
    kept = 0
    for source_name, annotator, documents in read:
        if total > room:
            wanted = frozenset(hash_order((d.id for d in documents), "browser")[: len(documents) * room // total])
            documents = [document for document in documents if document.id in wanted]
        kept += len(documents)
        roles.setdefault(annotator, "annotator")
        blocks.append(_distilled_block(run, source_name, annotator, documents))
    return blocks, total - kept


def _distilled_block(run: Run, source: str, annotator: str, documents: list[Document]) -> _Block:
    decisions = _decisions(run, source)
    states = [
        "; ".join(filter(None, (str(document.meta.get("status", "annotated")), _decided(decisions, document))))
        for document in documents
    ]
    block = _Block(f"distilled: {source}", documents, states=states)
    block.layers[annotator] = _annotated_table(documents)
    block.known[annotator] = [is_usable(document) for document in documents]
    hidden = run.folder.hidden(source)
    if hidden.exists():
        wanted = {document.id for document in documents}
        human = {document.id: document for document in read_documents(hidden) if document.id in wanted}
        if len(human) == len(documents):
            block.gold = gold_table([human[document.id] for document in documents])
    return block


def _decisions(run: Run, source: str) -> Mapping[str, str] | None:
    """What the first selection that reads the source decided of each sentence that it kept; None without one."""
    for mix in run.settings.all_mixes:
        file = run.folder.distilled(mix.name)
        if mix.selection and source in mix.sources and file.exists():
            return {document.id: _decision(document) for document in read_documents(file)}
    return None


def _decision(document: Document) -> str:
    """Of a sentence that is in the selected file; a policy that keeps everything writes nothing into it."""
    match document.meta.get(SELECTED):
        case {"sentence": {"decision": str() as decision}}:
            return decision
    return "kept"


def _decided(decisions: Mapping[str, str] | None, document: Document) -> str:
    if decisions is None or not is_usable(document):
        return ""
    return decisions.get(document.id, "dropped")


def _annotated_table(documents: Sequence[Document]) -> SpanTable:
    """The documents' own mentions with the confidences in their `meta`."""
    entities = [sorted(strict_entities(spans_to_tags(document))) for document in documents]
    sure: list[Sequence[float | None]] = []
    for document, found in zip(documents, entities, strict=True):
        given = document.meta.get(CONFIDENCES)
        sure.append(given if isinstance(given, list) and len(given) == len(found) else [None] * len(found))
    return make_table(entities, sure)


def _add_students(run: Run, blocks: Sequence[_Block], roles: dict[str, Role], budget: int, most: int) -> Iterator[str]:
    """Add as many students to the evaluation's block as fit; yields what is left out."""
    evaluation = blocks[0]
    spent = sum(block.mentions for block in blocks)
    lines = _by_usefulness(run)
    seen: set[str] = set()
    left_out: set[str] = set()
    taken = not_kept = 0
    more_seeds = False
    for line in lines:
        seeds = [s for s in run.seeds(line) if all(has_spans(run.folder, *part) for part in line.parts[s])]
        if not seeds:
            not_kept += 1
            continue
        seed = typical_seed(run, line, seeds)
        made_from = repr([run.results[name]["made_from"] for name, _ in line.parts[seed]])
        if made_from in seen:
            continue  # shown under another name
        table = line_spans(run, line, [seed]).by_seed[seed] if taken < most else None
        if table is None or spent + len(table) > budget:
            left_out.add(made_from)
            continue
        name = f"{line_name(run, line)}, {line.size:,}, seed {seed}"
        evaluation.layers[name] = table
        roles[name] = "student"
        seen.add(made_from)
        spent += len(table)
        taken += 1
        more_seeds = more_seeds or len(run.seeds(line)) > 1
    if left_out:
        yield f"students of {_lines(len(left_out), 'more line')}"
    if more_seeds:
        yield "the other seeds of the lines shown"
    if not_kept:
        yield f"students of {_lines(not_kept, 'line')}, of which no predictions were kept"


def _lines(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _by_usefulness(run: Run) -> list[Line]:
    """The lines that may be shown, the most useful first."""
    sizes = sorted(set(run.settings.original.sizes), reverse=True)
    if run.settings.folds is not None:
        sizes = sizes[:1]  # every size is scored on sentences of its own
    chosen = [each for size in sizes if (each := choose_lines(run, size))]
    first = [line for each in chosen for line in each.lines]
    rest = [line for line in run.lines if line.size in sizes and line not in first]
    return [*first, *sorted(rest, key=lambda line: (-line.size, -mean_f1(run, line)))]


def _sentences(block: _Block, layers: Sequence[str]) -> Iterator[Sentence]:
    mentions: dict[str, list[tuple[Mention, ...]]] = {}
    if block.gold is not None:
        unknown: list[MentionState] = ["unknown"] * len(block.gold)
        mentions[HUMAN] = _by_sentence(block.documents, block.gold, unknown)
    for name, table in block.layers.items():
        mentions[name] = _layer(block, table)
    for number, document in enumerate(block.documents):
        labels = {
            name: mentions[name][number]
            for name in layers
            if name in mentions and (name not in block.known or block.known[name][number])
        }
        state = block.states[number] if block.states else ""
        yield Sentence(document.id, document.text, block.group, labels, state)


def _layer(block: _Block, table: SpanTable) -> list[tuple[Mention, ...]]:
    """Each sentence's mentions of a layer, with what they are against the human ones, and those that it missed."""
    if block.gold is None:
        return _by_sentence(block.documents, table, ["unknown"] * len(table))
    errors = classify(block.gold, table)
    found = _by_sentence(block.documents, table, [CLASSES[kind] for kind in errors.predicted.tolist()])
    missed = np.flatnonzero(errors.gold == CLASSES.index("missed"))
    lost = _by_sentence(block.documents, block.gold.pick(missed), ["missed"] * len(missed))
    return [_together(mine, others) if others else mine for mine, others in zip(found, lost, strict=True)]


def _together(found: tuple[Mention, ...], missed: tuple[Mention, ...]) -> tuple[Mention, ...]:
    free = [each for each in missed if all(each.end <= mine.start or mine.end <= each.start for mine in found)]
    return tuple(sorted((*found, *free), key=lambda mention: mention.start))


def _by_sentence(
    documents: Sequence[Document], table: SpanTable, states: Sequence[MentionState]
) -> list[tuple[Mention, ...]]:
    """The table's mentions in characters, for each sentence."""
    columns = (table.start.tolist(), table.end.tolist(), table.label.tolist(), table.confidence.tolist())
    starts, ends, labels, sure = columns
    made = []
    for document, places in zip(documents, table.by_sentence(), strict=True):
        tokens = document.tokens
        made.append(
            tuple(
                Mention(
                    tokens[starts[place]][0],
                    tokens[ends[place] - 1][1],
                    table.labels[labels[place]],
                    states[place],
                    None if sure[place] != sure[place] else sure[place],
                )
                for place in places
            )
        )
    return made
