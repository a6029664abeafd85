"""What training and evaluation have in common, counted in the run's own files, whatever preparation did about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nerkd_local.corpus.checks import same_text
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.near import Copy, NearIndex
from nerkd_local.evaluate.slices import surface
from nerkd_local.evidence.run import Run
from nerkd_local.experiment.lines import evaluation_files
from nerkd_local.files import read_json
from nerkd_local.records import Document


@dataclass(frozen=True)
class FileOverlap:
    """One training file against the sentences that its students are scored on.

    `copies` has its sentences that are a copy of one of those, exact or near, each with the nearest; `resembled` the
    places of all that have a copy here, of `scored` sentences with `entities` human labels. With folds, a sentence is
    none of its own fold's copies. `seen` is how many of the entities stand here under a label, whichever; with folds,
    in a sentence that is not of their own fold.
    """

    name: str
    sentences: int
    copies: tuple[Copy, ...]
    resembled: frozenset[int]
    resembled_entities: int
    scored: int
    entities: int
    seen: int

    @property
    def exact(self) -> int:
        """How many of the copies are the same text."""
        return sum(copy.exact for copy in self.copies)

    @property
    def near(self) -> int:
        """How many of them only resemble it."""
        return len(self.copies) - self.exact


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sentence that preparation excluded: which corpus it is of, where what it is a copy of stands (`evaluation`;
    `original`, of a distilled one; `itself`: earlier in its own corpus), and which that is, where it is on record."""

    corpus: str
    id: str
    among: str
    exact: bool
    of: str | None = None
    similarity: float | None = None


@dataclass(frozen=True)
class Overlaps:
    """Every training file, and who was kept out of them. `files` is empty where the corpora are not in the folder;
    `left_out` is None where preparation.json is not. `looked_for_near` says whether preparation did. `resembled` is how
    many of the scored sentences, those of the largest size, have a copy in any of the files, and `resembled_entities`
    their human labels."""

    similarity: float
    files: tuple[FileOverlap, ...]
    left_out: tuple[LeftOut, ...] | None
    looked_for_near: bool
    resembled: int
    resembled_entities: int


def find_overlaps(run: Run) -> Overlaps:
    """Every original size, and each distilled source against the sentences that the largest size is scored on.

    Reads each corpus file once; see `NearIndex` for time and memory. Raises InputError for files that are damaged.
    """
    folder, similarity = run.folder, run.settings.near_duplicates.similarity
    sizes = sorted(set(run.settings.original.sizes))
    sources = [source.name for source in run.settings.distilled]
    files: list[FileOverlap] = []
    scored: dict[tuple[Path, ...], _Scored] = {}
    for size in sizes:
        evaluation = evaluation_files(run.settings, folder, size)
        original = folder.original(size)
        if original.exists() and all(file.exists() for file in evaluation):
            if evaluation not in scored:
                scored[evaluation] = _Scored.read(evaluation, similarity)
            files.append(scored[evaluation].overlap(_original_name(size), original, original))
    largest = scored.get(evaluation_files(run.settings, folder, sizes[-1]))
    for source in sources:
        unlabelled, labelled = folder.unlabelled(source), folder.annotation(source) / "annotations.jsonl"
        if largest is not None and unlabelled.exists():
            files.append(largest.overlap(f"distilled, {source}", unlabelled, labelled))
    # sizes nest: what has a copy in a smaller file has it in the largest
    of_largest = (file for file in files if file.name not in {_original_name(size) for size in sizes[:-1]})
    anywhere = frozenset(place for file in of_largest for place in file.resembled)
    report = read_json(folder.preparation) if folder.preparation.exists() else None
    left_out = None if report is None else tuple(_left_out(report))
    looked_for_near = report is not None and "near_duplicates" in report
    entities = 0 if largest is None else largest.entities(anywhere)
    return Overlaps(similarity, tuple(files), left_out, looked_for_near, len(anywhere), entities)


def _original_name(size: int) -> str:
    return f"original, {size:,}"


class _Scored:
    """The sentences of evaluation files: what they resemble, and which of them are in which file."""

    def __init__(self, documents: Sequence[tuple[int, Document]], similarity: float) -> None:
        """`documents`: each with the number of its file."""
        self._index = NearIndex((document for _, document in documents), similarity)
        self._ids = [document.id for _, document in documents]
        self._texts = [same_text(document) for _, document in documents]
        self._part = [part for part, _ in documents]
        self._parts = {document.id: part for part, document in documents} if len(set(self._part)) > 1 else {}
        self._forms = [_forms(document) for _, document in documents]

    @staticmethod
    def read(files: Sequence[Path], similarity: float) -> _Scored:
        return _Scored(
            [(part, document) for part, file in enumerate(files) for document in read_documents(file)], similarity
        )

    def overlap(self, name: str, training: Path, labelled: Path) -> FileOverlap:
        """`labelled`: the training sentences with the labels that students learn."""
        sentences = 0
        copies: list[Copy] = []
        resembled: set[int] = set()
        for document in read_documents(training):
            sentences += 1
            found = self._matches(document)
            if found:
                same = same_text(document)
                exact = [place for place, _ in found if self._texts[place] == same]
                place, similarity = (exact[0], 1.0) if exact else found[0]
                copies.append(Copy(document.id, self._ids[place], similarity, exact=bool(exact)))
                resembled.update(place for place, _ in found)
        known = self._places_of_forms(labelled) if labelled.exists() else {}
        return FileOverlap(
            name,
            sentences,
            tuple(copies),
            frozenset(resembled),
            self.entities(resembled),
            len(self._ids),
            sum(map(len, self._forms)),
            sum(
                1
                for part, forms in zip(self._part, self._forms, strict=True)
                for form in forms
                if known.get(form, frozenset()) - {part}
            ),
        )

    def entities(self, places: Iterable[int]) -> int:
        """How many human labels the sentences there have."""
        return sum(len(self._forms[place]) for place in places)

    def _places_of_forms(self, path: Path) -> dict[str, set[int]]:
        """By surface form, the files of the scored sentences that it is labelled in; -1 for any other sentence."""
        found: dict[str, set[int]] = defaultdict(set)
        for document in read_documents(path):
            for form in _forms(document):
                found[form].add(self._parts.get(document.id, -1))
        return found

    def _matches(self, document: Document) -> list[tuple[int, float]]:
        """Places and similarities, the most similar first; none in the file that the document itself is of."""
        own = self._parts.get(document.id, -1)
        return [
            (match.place, match.similarity)
            for match in self._index.find(document.text)
            if self._part[match.place] != own
        ]


def _forms(document: Document) -> list[str]:
    """The surface form of each labelled mention."""
    return [
        surface(document.text[start:end] for start, end in document.tokens if span.start <= start < span.end)
        for span in document.spans
    ]


def _left_out(report: Mapping[str, Any]) -> Iterator[LeftOut]:
    """What preparation.json says was excluded; one of an earlier version names exact copies alone."""
    parts: Iterable[tuple[str, Mapping[str, Any]]] = (("original", report["original"]), *report["distilled"].items())
    for name, part in parts:
        if "duplicates" in part:
            for row in part["duplicates"]:
                if row["excluded"]:
                    yield LeftOut(name, row["id"], row["among"], row["exact"], row["of"], row["similarity"])
        elif part["excluded"]:
            for key, among in _EARLIER.items():
                for id in part.get(key, ()):
                    yield LeftOut(name, id, among, exact=True)


_EARLIER = {"also_in_evaluation": "evaluation", "also_in_original": "original", "repeated": "itself"}
