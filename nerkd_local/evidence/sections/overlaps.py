"""What training and evaluation have in common: whether a score may be memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nerkd_local.evidence.overlaps import FileOverlap, LeftOut, Overlaps, find_overlaps
from nerkd_local.evidence.run import Run
from nerkd_local.report.parts import Section, Table, Text
from nerkd_local.report.tables import NOTHING

KEY, TITLE = "overlaps", "Copies of evaluation sentences in training"
_SHOWN = 50
"""Sentences that are listed by id; the CSV file has all."""


def section(run: Run) -> Section:
    """A table of training files against the evaluation, and who resembles whom."""
    overlaps = find_overlaps(run)
    if not overlaps.files:
        if overlaps.left_out is None:
            lead = "Not known: the folder holds neither the corpora nor what was left out of them (corpus/)."
            return Section(KEY, TITLE, lead)
        lead = f"The corpora are not in this folder, so it was not counted again. {_left_out_words(overlaps)}"
        return Section(KEY, TITLE, lead, tuple(_listed(overlaps)))
    return Section(KEY, TITLE, describe_overlaps(overlaps), (_table(overlaps), *_listed(overlaps), *_notes(run)))


def describe_overlaps(overlaps: Overlaps) -> str:
    """The finding in two or three sentences."""
    return f"{' '.join(_found(overlaps))} {_left_out_words(overlaps)}"


def _found(overlaps: Overlaps) -> Iterator[str]:
    files, similarity = overlaps.files, overlaps.similarity
    concerned = [file for file in files if file.copies]
    if not concerned:
        yield (
            "No training sentence stands in the evaluation set, and none resembles one of it (similarity "
            f"{similarity:g} or more)."
        )
        return
    exact, near = sum(file.exact for file in files), sum(file.near for file in files)
    yield (
        f"In the training files there are {exact:,} exact and {near:,} near copies (similarity {similarity:g} or more) "
        "of sentences that students are scored on; a sentence counts once for each file that it stands in."
    )
    yield (
        f"Of the {files[-1].scored:,} scored sentences {overlaps.resembled:,}, with {overlaps.resembled_entities:,} of "
        f"the {files[-1].entities:,} entities, have a copy in one of the files at least."
    )


def _left_out_words(overlaps: Overlaps) -> str:
    if overlaps.left_out is None:
        return "What was left out before training is not on record."
    scored = [row for row in overlaps.left_out if row.among == "evaluation"]
    others = len(overlaps.left_out) - len(scored)
    exact = sum(row.exact for row in scored)
    near = f" and {len(scored) - exact:,} near" if overlaps.looked_for_near else ""
    words = f"Left out before training, corpus by corpus: {exact:,} exact{near} copies of evaluation sentences"
    if others:
        words += f", and {others:,} of original ones"
    return f"{words}." if overlaps.looked_for_near else f"{words}; near ones were not looked for then."


def _table(overlaps: Overlaps) -> Table:
    headers = (
        *("training file", "sentences", "exact copies", "near copies", "scored sentences with a copy"),
        *("their entities", "scored entities seen under a label"),
    )
    rows = tuple(
        (
            file.name,
            f"{file.sentences:,}",
            f"{file.exact:,}",
            f"{file.near:,}",
            f"{len(file.resembled):,} of {file.scored:,}",
            f"{file.resembled_entities:,} of {file.entities:,}",
            f"{file.seen / max(file.entities, 1):.0%}",
        )
        for file in overlaps.files
    )
    records = tuple(
        {
            "file": file.name,
            "sentences": file.sentences,
            "exact": file.exact,
            "near": file.near,
            "scored": file.scored,
            "scored_with_copy": len(file.resembled),
            "entities": file.entities,
            "entities_with_copy": file.resembled_entities,
            "entities_seen": file.seen,
        }
        for file in overlaps.files
    )
    return Table("overlaps", "Training files against the evaluation", headers, rows, left=headers[:1], records=records)


def _listed(overlaps: Overlaps) -> Iterator[Table]:
    headers = ("sentence", "where", "what", "resembles", "similarity")
    left_out = sorted(overlaps.left_out or (), key=lambda row: row.exact)
    cells = [*_in_training(overlaps.files), *_excluded(left_out)]
    if not cells:
        return
    shown = cells[:_SHOWN]
    caption = f"The first {len(shown)} of {len(cells):,}; the CSV file has all." if len(shown) < len(cells) else ""
    yield Table(
        "overlapping_sentences",
        "Which sentences",
        headers,
        tuple(shown),
        left=headers[:4],
        caption=caption,
        records=tuple(dict(zip(headers, row, strict=True)) for row in cells),
        names=True,
    )


Row = tuple[str, str, str, str, str]


def _in_training(files: Sequence[FileOverlap]) -> Iterator[Row]:
    """Sizes nest: a sentence is named with the first file that it stands in."""
    named: set[str] = set()
    for file in files:
        for copy in file.copies:
            if copy.id not in named:
                named.add(copy.id)
                what = "exact, trained on" if copy.exact else "near, trained on"
                yield copy.id, file.name, what, copy.of, f"{copy.similarity:.2f}"


def _excluded(left_out: Sequence[LeftOut]) -> Iterator[Row]:
    for row in left_out:
        similarity = NOTHING if row.similarity is None else f"{row.similarity:.2f}"
        what = f"{'exact' if row.exact else 'near'}, left out"
        if row.among != "evaluation":
            what += " (of an original one)"
        yield row.id, row.corpus, what, row.of or NOTHING, similarity


def _notes(run: Run) -> Iterator[Text]:
    folds = " With folds, a copy is one in another fold." if run.settings.folds else ""
    yield Text(
        "Exact: the same text but for white space. Near: the Jaccard index of the texts' runs of four characters, "
        "without white space and case. Not found so: a sentence inside a much longer one, and one told in other words."
        f"{folds} A name that was seen under a label is no copy; how students do on seen and unseen ones is told with "
        "their mistakes."
    )
