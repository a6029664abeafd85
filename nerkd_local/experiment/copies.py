"""Training sentences that are copies of others: who is left out, who is let in, and the record of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.near import Copy
from nerkd_local.errors import InputError, nearest


class Duplicates:
    """What one corpus has in common with the sentences that students are scored on, or are to learn from elsewhere."""

    def __init__(self, settings: ExperimentSettings) -> None:
        self.rows: list[dict[str, Any]] = []
        """In preparation.json: who is a copy of whom, how similar, and whether it is left out."""
        self.excluded: set[str] = set()
        self._exact, self._near = settings.exclude_duplicates, excludes_near(settings)
        self._allowed = frozenset(settings.allowed_duplicates)

    def add(self, among: str, copies: Iterable[Copy]) -> None:
        """`among`: where the originals of the copies stand."""
        for copy in copies:
            left_out = (self._exact if copy.exact else self._near) and copy.id not in self._allowed
            if left_out:
                self.excluded.add(copy.id)
            self.rows.append(
                {
                    "id": copy.id,
                    "of": copy.of,
                    "among": among,
                    "exact": copy.exact,
                    "similarity": round(copy.similarity, 4),
                    "excluded": left_out,
                }
            )

    def exact(self, among: str) -> list[str]:
        """The ids of the exact copies."""
        return [row["id"] for row in self.rows if row["among"] == among and row["exact"]]


def excludes_near(settings: ExperimentSettings) -> bool:
    """Whether near copies are left out."""
    return settings.exclude_duplicates and not settings.near_duplicates.allow


def check_allowed(settings: ExperimentSettings, report: Mapping[str, Any]) -> None:
    """Raise InputError for an id that is allowed and needs not be: a slip of the pen would go unseen."""
    parts = [report["original"], *report["distilled"].values()]
    known = {row["id"] for part in parts for row in part["duplicates"]}
    for id in settings.allowed_duplicates:
        if id not in known:
            raise InputError(
                f"allowed_duplicates: {id!r} is no duplicate of anything{nearest(id, known) if known else ''}; leave "
                "it out"
            )


def describe_copies(report: Mapping[str, Any]) -> str:
    """What preparation left out as copies of other sentences, and what it let in, in a line."""
    words = []
    for name, part in (("original", report["original"]), *report["distilled"].items()):
        rows = part.get("duplicates")
        if rows is None:  # of an earlier version
            words.append(f"{part['excluded']:,} of {name}")
            continue
        excluded = {row["id"] for row in rows if row["excluded"]}
        near = len({row["id"] for row in rows if row["excluded"] and not row["exact"]})
        # a copy of two may be allowed as one, and left out as the other
        allowed = len({row["id"] for row in rows} - excluded)
        words.append(f"{part['excluded']:,} of {name} ({near:,} near ones; {allowed:,} allowed)")
    return f"left out as copies: {', '.join(words)}"
