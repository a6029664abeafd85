"""What retrieved examples show, and what their order saves, without asking a model.

    python scripts/studies/demonstrations.py POOL CORPUS ENCODER [--pool 300] [--sentences 1000] [--shots 4]

For fixed examples, sentence_knn and entity_knn: of the corpus' mentions, the share whose type an example shows, and the
share whose very words it shows with that type. Then the share of the prompts' characters that the question before
shared from the start on (what a prefix cache of one prompt would hold), by the order of the examples in the prompt and
of the questions. POOL and CORPUS are human-labelled.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import islice, takewhile
from pathlib import Path

from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt, choose_demonstrations
from nerkd_local.annotate.retrieval import Chooser
from nerkd_local.annotate.settings import DemonstrationKind
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.fingerprints import hash_order
from nerkd_local.records import Document
from nerkd_local.student.embed import Embedder

LABELS = {
    "PER": "people, real or invented, without their titles",
    "ORG": "companies, institutions, teams, parties and other organisations",
    "LOC": "places such as countries, cities, regions, rivers and buildings",
    "MISC": "other names, such as nationalities, events, works and products",
}


def covered(documents: Sequence[Document], examples: Sequence[Sequence[Document]]) -> tuple[float, float]:
    """The shares of mentions whose type, and whose words with that type, an example shows."""
    types = words = total = 0
    for document, shown in zip(documents, examples, strict=True):
        seen = {(other.text[span.start : span.end], span.label) for other in shown for span in other.spans}
        for span in document.spans:
            total += 1
            types += any(label == span.label for _, label in seen)
            words += (document.text[span.start : span.end], span.label) in seen
    return types / total, words / total


def common_start(left: str, right: str) -> int:
    """How many characters the two begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))


def shared(prompt: Prompt, asked: Sequence[tuple[Document, Sequence[Document]]], *, best: bool = False) -> float:
    """The share of all prompts' characters that stands at the start of the prompt before, too.

    At `best` that of any earlier prompt: what a cache that forgets nothing would hold, in whatever order.
    """
    texts = ["\n".join(f"{m.role}: {m.content}" for m in prompt.messages(document, shown)) for document, shown in asked]
    texts = sorted(texts) if best else texts
    common = sum(map(common_start, texts, texts[1:]))
    return common / sum(map(len, texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool_corpus", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--pool", type=int, default=300)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=4)
    given = parser.parse_args()
    everything = {document.id: document for document in read_corpus(CorpusSettings(path=given.pool_corpus))}
    pool = [everything[id] for id in hash_order(everything, "pool", 0)[: given.pool]]
    documents = list(islice(read_corpus(CorpusSettings(path=given.corpus)), given.sentences))
    embedder = Embedder(given.encoder)
    prompt = Prompt("standard", LABELS, answer_format("lines"))

    fixed = choose_demonstrations(pool, list(LABELS), given.shots, 0)
    print(f"pool of {len(pool)} sentences, {len(documents)} sentences asked, {given.shots} examples")
    print(f"{'static':14} type {{:.3f}}  words {{:.3f}}".format(*covered(documents, [fixed] * len(documents))))
    kinds: tuple[DemonstrationKind, ...] = ("sentence_knn", "entity_knn")
    for kind in kinds:
        chooser = Chooser(kind, given.shots, embedder, pool)
        rows = chooser.choose(documents)
        examples = [[chooser.pool[number] for number in row if number >= 0] for row in rows]
        print(f"{kind:14} type {{:.3f}}  words {{:.3f}}".format(*covered(documents, examples)))
        for name, asked in (
            ("popular first", list(zip(documents, examples, strict=True))),
            ("nearest last", nearest_last(chooser, embedder, documents, examples)),
        ):
            # numbers in the pool are ranks by popularity, so either way the questions stand by their examples
            number_of = {document.id: number for number, document in enumerate(chooser.pool)}
            ordered = sorted(asked, key=partial(example_numbers, number_of))
            print(
                f"  {name:14} shared prefix: as the corpus stands {shared(prompt, asked):.3f}, "
                f"ordered {shared(prompt, ordered):.3f}, at best {shared(prompt, asked, best=True):.3f}"
            )
    instructions = len(prompt.prefix[0].content)
    print(f"instructions alone: {instructions} characters")


def example_numbers(number_of: dict[str, int], asked: tuple[Document, Sequence[Document]]) -> list[int]:
    """What questions are sorted by: the numbers of their examples, in the order they are shown."""
    return [number_of[document.id] for document in asked[1]]


def nearest_last(
    chooser: Chooser, embedder: Embedder, documents: Sequence[Document], examples: Sequence[Sequence[Document]]
) -> list[tuple[Document, list[Document]]]:
    """The same examples, each sentence's nearest last."""
    vectors = {d.id: e.sentence for d, e in zip(chooser.pool, embedder.embed(chooser.pool), strict=True)}
    asked = []
    for document, embedding, shown in zip(documents, embedder.embed(documents), examples, strict=True):
        near = {other.id: float(vectors[other.id] @ embedding.sentence) for other in shown}
        asked.append((document, sorted(shown, key=lambda other, near=near: near[other.id])))
    return asked


if __name__ == "__main__":
    main()
