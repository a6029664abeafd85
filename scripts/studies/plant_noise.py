"""A noisy copy of recorded answers, with errors of known kinds.

    python scripts/studies/plant_noise.py ANSWERS.jsonl NOISY.jsonl [--rate 0.3] [--seed 0]

ANSWERS.jsonl holds `text` (words and single spaces), and `answer` in the `lines` format. Each mention is hit with the
given probability, and then one of three things happens to it, as likely each: its type is another one, it is dropped, a
border moves by a word. As many mentions again as each of these has are invented, a word outside all mentions each, of
the type of any mention of the corpus. What happens to a text depends on its words and the seed alone: equal texts keep
equal answers. What was planted is printed, by kind.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nerkd_local.annotate.align import align
from nerkd_local.annotate.formats import Mention, answer_format
from nerkd_local.files import read_json_lines, write_json_lines
from nerkd_local.fingerprints import digest
from nerkd_local.records import Document, Span, from_words

LINES = answer_format("lines")


def read_labelled(path: Path) -> list[Document]:
    """The recorded texts with the mentions that their answers place in them."""
    documents = []
    for number, record in read_json_lines(path):
        mentions = LINES.parse(record["answer"]).mentions
        document = from_words(str(number), record["text"].split(" "))
        spans = align(document, mentions, {mention.label for mention in mentions}).spans
        documents.append(Document(document.id, document.text, document.tokens, spans))
    return documents


def plant(
    document: Document, types: Sequence[str], rate: float, invented: float, seed: int
) -> tuple[str, Counter[str]]:
    """The answer with noise, and what was planted. `types`: of the corpus's mentions; `invented`: how likely one is."""
    draw = random.Random(digest("noise", seed, document.text))
    planted: Counter[str] = Counter()
    spans: list[Span] = []
    for number, span in enumerate(document.spans):
        kind = draw.choice(("type flipped", "dropped", "border moved")) if draw.random() < rate else "as it was"
        if kind == "type flipped":
            others = sorted(set(types) - {span.label})
            kind = kind if others else "as it was"
            span = Span(span.start, span.end, draw.choice(others)) if others else span
        elif kind == "border moved":
            after = document.spans[number + 1].start if number + 1 < len(document.spans) else len(document.text)
            moved = [
                other
                for other in moves(document, span)
                if other.end <= after and (not spans or other.start >= spans[-1].end)
            ]
            kind = kind if moved else "as it was"
            span = draw.choice(moved) if moved else span
        planted[kind] += 1
        if kind != "dropped":
            spans.append(span)
    free = [token for token in document.tokens if not any(s.start < token[1] and token[0] < s.end for s in spans)]
    words = [token for token in free if document.text[slice(*token)].isalpha()]
    if words and draw.random() < invented:
        spans.append(Span(*draw.choice(words), draw.choice(types)))
        planted["invented"] += 1
    ordered = sorted(spans, key=lambda span: span.start)
    return LINES.write([Mention(document.text[span.start : span.end], span.label) for span in ordered]), planted


def moves(document: Document, span: Span) -> list[Span]:
    """The span with one word more or less at one end."""
    starts, ends = [token[0] for token in document.tokens], [token[1] for token in document.tokens]
    first, last = starts.index(span.start), ends.index(span.end)
    borders = [(first - 1, last), (first, last + 1), (first + 1, last), (first, last - 1)]
    inside = [(a, b) for a, b in borders if 0 <= a <= b < len(starts)]
    return [Span(starts[a], ends[b], span.label) for a, b in inside]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=Path)
    parser.add_argument("noisy", type=Path)
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    documents = read_labelled(arguments.answers)
    types = [span.label for document in documents for span in document.spans]
    invented = arguments.rate / 3 * len(types) / max(len(documents), 1)
    planted: Counter[str] = Counter()
    rows = []
    for document in documents:
        answer, counts = plant(document, types, arguments.rate, invented, arguments.seed)
        planted += counts
        rows.append({"text": document.text, "answer": answer})
    write_json_lines(arguments.noisy, rows)
    print(f"{len(types):,} mentions in {len(documents):,} texts; rate {arguments.rate}, seed {arguments.seed}")
    for kind, count in planted.most_common():
        print(f"{count:,} {kind}")


if __name__ == "__main__":
    main()
