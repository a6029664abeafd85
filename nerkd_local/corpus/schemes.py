"""Tag schemes: IOB1, IOB2 and BIOES (also spelt BILOU) against each other and against spans.

A tag is `O` or `PREFIX-LABEL`. A mention is a run of words with one label. The schemes differ in how they
write one (E. Tjong Kim Sang, J. Veenstra: Representing Text Chunks, EACL 1999):

- IOB2: `B-` on its first word, `I-` on the others.
- IOB1: `I-` on all words; `B-` on the first one only where a mention of the same label ends just before it.
- BIOES: as IOB2, but the last word is `E-`, and a single word is `S-`. BILOU writes `L-` and `U-` instead.

Everything inside the program is IOB2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nerkd_local.quoting import quoted
from nerkd_local.records import Document, Span

Scheme = Literal["IOB1", "IOB2", "BIOES"]

_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}
_OUTSIDE = ("O", "")


class TagError(ValueError):
    """Tags that no scheme, or not the declared one, allows.

    `sentence` and `index` (both from 0) say which word is meant; readers turn them into a line number.
    """

    def __init__(self, problem: str, index: int, sentence: int = 0) -> None:
        super().__init__(problem)
        self.index = index
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Detection:
    """The scheme of a set of sentences, and what it was concluded from.

    `evidence` counts, over all sentences:
    `begin`    mentions that start with B- where IOB1 would write I-
    `orphan`   I- or E- tags that continue no mention of their label
    `closed`   E-, S-, L- and U- tags
    `open`     mentions whose last tag is B- or I-
    """

    scheme: Scheme
    evidence: Mapping[str, int]


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Detection:
    """The one scheme all sentences follow; the sentences are read once, as a stream.

    IOB1 shows orphans and no begins, IOB2 begins and no orphans, BIOES closed mentions, and neither orphans
    nor open mentions. Sentences without any mention read the same in every scheme: they are called IOB2.

    Raises TagError for a tag that is none, and for contradicting evidence: it says how much there is of
    each kind and points to the first word that speaks for the rarer one.
    """
    evidence = Counter({"begin": 0, "orphan": 0, "closed": 0, "open": 0})
    first: dict[str, tuple[int, int]] = {}
    for number, tags in enumerate(sentences):
        for kind, index in _observe(_parse(tags, number)):
            evidence[kind] += 1
            first.setdefault(kind, (number, index))
    if evidence["closed"]:
        if evidence["orphan"] or evidence["open"]:
            problem = (
                f"the tags mix schemes: {evidence['closed']} E- or S- tags as in BIOES, but "
                f"{evidence['open']} mentions without such an end and {evidence['orphan']} without a B-; "
                "correct the tags, or declare the scheme to see each contradiction"
            )
            others = [first[kind] for kind in ("orphan", "open") if kind in first]
            contradictions = evidence["orphan"] + evidence["open"]
            number, index = first["closed"] if evidence["closed"] < contradictions else min(others)
            raise TagError(problem, index, number)
        return Detection("BIOES", dict(evidence))
    if evidence["orphan"] and evidence["begin"]:
        rarer = min("orphan", "begin", key=lambda kind: evidence[kind])
        number, index = first[rarer]
        raise TagError(
            f"the tags mix schemes: {evidence['begin']} mentions begin with B- as in IOB2, "
            f"{evidence['orphan']} with I- as in IOB1; correct the tags, or declare the scheme IOB1, "
            "which reads such an I- as the begin of a mention",
            index,
            number,
        )
    return Detection("IOB1" if evidence["orphan"] else "IOB2", dict(evidence))


def to_iob2(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """One sentence's tags, written in IOB2.

    IOB1 can express nothing wrong: any I- that continues no mention begins one. IOB2 and BIOES are strict.
    Raises TagError for a tag that is none, for an orphan I- or E- and, in BIOES, for a mention that is
    begun and not ended.
    """
    parsed = _parse(tags)
    result = []
    previous = _OUTSIDE
    for index, (prefix, label) in enumerate(parsed):
        continues = prefix in "IE" and previous[0] in "BI" and previous[1] == label
        if prefix in "ES" and scheme != "BIOES":
            raise TagError(f"{quoted(tags[index])} is no {scheme} tag; correct it, or declare the scheme BIOES", index)
        if prefix in "IE" and not continues and scheme != "IOB1":
            raise TagError(
                f"{tags[index]!r} continues no mention of {label}; correct it to B-{label} if a mention "
                "begins here, or declare the scheme IOB1",
                index,
            )
        if scheme == "BIOES" and prefix in "BI" and not _continued(parsed, index):
            raise TagError(f"the mention of {label} that {tags[index]!r} belongs to has no E-{label}", index)
        if prefix == "O":
            result.append("O")
        else:
            result.append(f"{'I' if continues else 'B'}-{label}")
        previous = (prefix, label)
    return result


def tags_to_spans(tags: Sequence[str], tokens: Sequence[tuple[int, int]], *, strict: bool) -> tuple[Span, ...]:
    """The mentions that IOB2 tags express, as spans over the tokens' offsets.

    An I- that continues no mention of its label: `strict` drops it (and ends the mention before it), which is
    how seqeval reads IOB2 in strict mode; otherwise it begins a mention, as conlleval and seqeval's default
    do. Raises TagError for a tag that is none or not IOB2, and ValueError for unequal lengths.
    """
    if len(tags) != len(tokens):
        raise ValueError(f"{len(tags)} tags for {len(tokens)} tokens")
    spans = []
    start, current = -1, ""
    for index, (prefix, label) in enumerate(_parse(tags)):
        if prefix in "ES":
            raise TagError(f"{quoted(tags[index])} is no IOB2 tag", index)
        if prefix == "I" and start >= 0 and label == current:
            continue
        if start >= 0:
            spans.append(Span(tokens[start][0], tokens[index - 1][1], current))
            start = -1
        if prefix == "B" or (prefix == "I" and not strict):
            start, current = index, label
    if start >= 0:
        spans.append(Span(tokens[start][0], tokens[-1][1], current))
    return tuple(spans)


def spans_to_tags(document: Document) -> list[str]:
    """The document's spans as IOB2 tags, one a token."""
    tags = []
    spans = iter(document.spans)
    span = next(spans, None)
    for start, _ in document.tokens:
        while span is not None and span.end <= start:
            span = next(spans, None)
        if span is None or start < span.start:
            tags.append("O")
        else:
            tags.append(f"{'B' if start == span.start else 'I'}-{span.label}")
    return tags


def _parse(tags: Sequence[str], sentence: int = 0) -> list[tuple[str, str]]:
    """(prefix, label) for each tag, prefixes B, I, E, S, O. Labels may hold hyphens, but not at either end:
    seqeval strips those, and would score another label than the one written."""
    parsed = []
    for index, tag in enumerate(tags):
        if tag == "O":
            parsed.append(_OUTSIDE)
            continue
        prefix, hyphen, label = tag.partition("-")
        if not hyphen or prefix not in _PREFIXES or not label or label != label.strip("-"):
            raise TagError(f"{quoted(tag)} is no IOB1, IOB2 or BIOES tag; tags read O or B-LABEL", index, sentence)
        parsed.append((_PREFIXES[prefix], label))
    return parsed


def _observe(parsed: Sequence[tuple[str, str]]) -> Iterable[tuple[str, int]]:
    previous = _OUTSIDE
    for index, (prefix, label) in enumerate(parsed):
        if prefix == "B" and previous[1] != label:
            yield "begin", index
        if prefix in "IE" and not (previous[0] in "BI" and previous[1] == label):
            yield "orphan", index
        if prefix in "ES":
            yield "closed", index
        if prefix in "BI" and not _continued(parsed, index):
            yield "open", index
        previous = (prefix, label)


def _continued(parsed: Sequence[tuple[str, str]], index: int) -> bool:
    """Whether the next tag goes on with the mention that the tag at `index` is in."""
    if index + 1 == len(parsed):
        return False
    prefix, label = parsed[index + 1]
    return prefix in "IE" and label == parsed[index][1]
