"""What `nerkd annotate` does: from settings, a selection of sentences and folders to labels, a shard or a forecast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nerkd_local.annotate.engines.start import LazyEngine, check_engine, engine_gpus
from nerkd_local.annotate.exports import check_exports, export_labels
from nerkd_local.annotate.folder import (
    annotate_folder,
    check_grown,
    export_inputs,
    finished_export,
    forecast_folder,
    prepare_job,
)
from nerkd_local.annotate.forecast import describe_forecast
from nerkd_local.annotate.further import Further
from nerkd_local.annotate.ledger import describe
from nerkd_local.annotate.retrieval import check_retrieval
from nerkd_local.annotate.selection import CORPUS, Selection, is_taken, take_corpus, write_selection
from nerkd_local.annotate.settings import AnnotatorSettings
from nerkd_local.annotate.shards import Shard, annotate_shard, finished_shard
from nerkd_local.annotate.workplace import seal_work, workplace
from nerkd_local.files import write_text
from nerkd_local.fingerprints import digest_file
from nerkd_local.records import Document
from nerkd_local.settings import dump_settings
from nerkd_local.store.filesystem import refuse_network
from nerkd_local.store.seal import add_to_seal


@dataclass
class AnnotateCommand:
    """One call of the command. Everything that can be wrong with its input is looked at before anything is written.

    The methods return what a person is told, and raise InputError and InterruptedRun.
    """

    settings: AnnotatorSettings
    selection: Selection
    output: Path
    scratch: Path | None
    exports: Sequence[str]
    say: Callable[[str], None]

    def annotate(self) -> str:
        """The whole corpus, and its labels. A finished annotation is returned as it is."""
        check_exports(self.exports)
        ledger = self._finished()
        if ledger is not None:
            self._keep_settings(self.output)
            export_labels(self.output, self.exports, self.say)
            if self.scratch is None:
                seal_work(self.output)
            return describe(ledger)
        # a finished annotation needs its engine no more, also where it was not noted yet what it was made from
        self._look_ahead(engine=not (self.output / "ledger.json").exists())
        self._take_corpus()
        with self._working(self.output, self.scratch) as (here, engine):
            self._keep_settings(here)
            ledger = annotate_folder(
                here / CORPUS, here, self.settings, engine, self._pool, seed=self.selection.seed, say=self.say
            )
            export_labels(here, self.exports, self.say)
        return describe(ledger)

    def annotate_shard(self, shard: Shard) -> str:
        """One shard, into a folder of its own. One that is finished is left as it is.

        The corpus' working copy is beside the shards' folders, one for all that work there, and not copied to an
        output: the shards of a large corpus would be so many copies of it.
        """
        folder = self.output / shard.folder_name
        account = finished_shard(folder, shard, self.settings, self._pool, self.selection)
        if account is not None:
            return f"{account}; it was finished before"
        self._look_ahead()
        room = self._room
        taken = take_corpus(self.selection, room)
        with self._working(folder, self.scratch and room / shard.folder_name) as (here, engine):
            write_selection(here, taken)
            self._keep_settings(here)
            return str(
                annotate_shard(
                    room / CORPUS,
                    room / "index",
                    here,
                    self.settings,
                    engine,
                    self._pool,
                    shard,
                    seed=self.selection.seed,
                    say=self.say,
                )
            )

    def plan(self, count: int) -> str:
        """A forecast from so many sentences, whose answers are kept."""
        self._look_ahead()
        self._take_corpus()
        with self._working(self.output, self.scratch) as (here, engine):
            self._keep_settings(here)
            forecast = forecast_folder(
                here / CORPUS,
                here,
                self.settings,
                engine,
                self._pool,
                seed=self.selection.seed,
                count=count,
                gpus=engine_gpus(self.settings.engine) or 0,
                say=self.say,
            )
        return describe_forecast(forecast) if forecast else "nothing to plan: every sentence has its answer"

    @property
    def _room(self) -> Path:
        """Where the corpus' working copy is."""
        return self.scratch or self.output

    @cached_property
    def _pool(self) -> list[Document]:
        return self.selection.pool(self.settings.labels)

    def _look_ahead(self, *, engine: bool = True) -> None:
        if engine:
            check_engine(self.settings.engine)
            check_retrieval(self.settings, self._pool)
        refuse_network(self._room)
        assert self._pool is not None
        self.selection.documents()

    def _take_corpus(self) -> None:
        take_corpus(self.selection, self._room)
        if self.scratch:  # where the output's own corpus would not be met
            check_grown(self.scratch / CORPUS, self.output / CORPUS)

    def _finished(self) -> dict[str, Any] | None:
        """The ledger of the output, if this very selection was annotated there by this annotator."""
        if not (self.output / "ledger.json").exists() or not is_taken(self.selection.of_now(), self.output):
            return None
        job = prepare_job(self.settings, self._pool, seed=self.selection.seed)
        further = Further.of(job, self.settings)
        return finished_export(self.output, export_inputs(job.identity(), digest_file(self.output / CORPUS), further))

    @contextmanager
    def _working(self, output: Path, scratch: Path | None) -> Iterator[tuple[Path, LazyEngine]]:
        """The folder to work in and the engine, which is gone when the work is sealed.

        Its logs are in the output, where they are to be read when the scratch disk is gone.
        """
        with workplace(output, scratch, self.say) as here, LazyEngine(self.settings.engine, output / "logs") as engine:
            try:
                yield here, engine
            finally:
                if engine.retried:
                    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(engine.retried.items()))
                    self.say(f"asked again where the server failed: {kinds}")

    def _keep_settings(self, folder: Path) -> None:
        path, text = folder / "annotator.yaml", dump_settings(self.settings)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with add_to_seal(path):
                write_text(path, text)
