"""Which sentences a folder annotates, and where they came from: `selection.json` beside `corpus.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import filelock

from nerkd_local.annotate.folder import write_corpus
from nerkd_local.annotate.sentences import SentenceFile
from nerkd_local.corpus.checks import check_labels
from nerkd_local.corpus.readers import read_corpus
from nerkd_local.corpus.settings import CorpusSettings
from nerkd_local.files import write_json
from nerkd_local.fingerprints import digest_file, digest_folder
from nerkd_local.records import Document
from nerkd_local.settings import Settings, load_json_settings, make_settings
from nerkd_local.store.seal import add_to_seal, break_seal

CORPUS = "corpus.jsonl"
SELECTION = "selection.json"


class Selection(Settings):
    """The first `limit` sentences of a corpus, and the prompt's worked examples.

    The hashes are those of the source when it was read (of a folder `digest_folder`; None where it is no regular
    file) and of the `corpus.jsonl` made from it.
    """

    corpus: Path
    format: str = "auto"
    encoding: str = "utf-8"
    limit: int | None = None
    examples: Path | None = None
    seed: int = 0
    source_sha256: str | None = None
    corpus_sha256: str | None = None

    @property
    def source(self) -> CorpusSettings:
        """How the corpus is read. Raises InputError for an encoding that is none."""
        how = {"format": self.format, "encoding": self.encoding}
        # labels that the corpus has are not looked at: ones that overlap are no reason to refuse it
        return make_settings(CorpusSettings, path=self.corpus, nested="outermost", **how)

    def documents(self) -> Iterator[Document]:
        """The sentences, read from the source. Raises InputError as `read_corpus` does."""
        return islice(read_corpus(self.source), self.limit)

    def pool(self, labels: Mapping[str, Any]) -> list[Document]:
        """The documents to draw worked examples from. Raises InputError if they carry other labels."""
        if self.examples is None:
            return []
        pool = list(read_corpus(CorpusSettings(path=self.examples)))
        check_labels(pool, labels, self.examples)
        return pool

    def of_now(self) -> Selection:
        """This selection with the hash that its source has now."""
        path = self.corpus
        now = digest_file(path) if path.is_file() else digest_folder(path) if path.is_dir() else None
        return self.model_copy(update={"source_sha256": now})

    def is_of(self, other: Selection) -> bool:
        """Whether another selection was read from the same source in the same way; examples aside."""
        names = ("corpus", "format", "encoding", "limit", "source_sha256")
        return self.source_sha256 is not None and all(getattr(self, name) == getattr(other, name) for name in names)


def read_selection(folder: Path) -> Selection | None:
    """What the folder holds; None if it does not say. Raises InputError for a file that is something else."""
    path = folder / SELECTION
    return load_json_settings(Selection, path) if path.is_file() else None


def write_selection(folder: Path, selection: Selection) -> None:
    """Keep what the folder holds; nothing is written where that stands there already."""
    path = folder / SELECTION
    if read_selection(folder) != selection:
        with add_to_seal(path):
            write_json(path, selection.model_dump(mode="json"))


def is_taken(selection: Selection, folder: Path) -> bool:
    """Whether the folder's corpus is this very selection, from a source that has not changed since."""
    kept = read_selection(folder)
    corpus = folder / CORPUS
    return kept is not None and selection.is_of(kept) and corpus.is_file() and digest_file(corpus) == kept.corpus_sha256


def take_corpus(selection: Selection, folder: Path) -> Selection:
    """Have the selection as the folder's `corpus.jsonl`, with its index, and `selection.json`; returns its hashes too.

    A source that has not changed is read only for its hash. Several processes may take the same corpus into the same
    folder: one writes, the others wait. Raises InputError as `write_corpus` does.
    """
    documents = selection.documents()  # looks for the file before anything is written
    selection = selection.of_now()
    (folder / "index").mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / "index" / "lock"):
        if not is_taken(selection, folder):
            break_seal(folder)
            write_corpus(folder / CORPUS, documents)
        with SentenceFile(folder / CORPUS, folder / "index"):  # makes the index, which only one may do at a time
            pass
        taken = selection.model_copy(update={"corpus_sha256": digest_file(folder / CORPUS)})
        write_selection(folder, taken)
    return taken
