"""Where a candidate stands, and who is before whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nerkd_local.stats.bootstrap import Array, Interval, f1_difference, f1_interval
from nerkd_local.stats.calibration import as_arrays, document_interval
from nerkd_local.tune.candidates import Candidate
from nerkd_local.tune.trial import Trial

RESAMPLING_SEED = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate with its last trial, or with why there is none (`failure`)."""

    candidate: Candidate
    trial: Trial | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate with a trial."""

    candidate: Candidate
    trial: Trial

    def interval(self, documents: Sequence[str]) -> Interval:
        """F1 with its 95 % interval over the documents of the sentences it was tried on."""
        groups = list(documents[: self.trial.sentences])
        return f1_interval(self.trial.table, groups=groups, seed=RESAMPLING_SEED)

    def a_sentence(self, each: Sequence[int], documents: Sequence[str]) -> Interval:
        """The mean of something that is known of each sentence, with its 95 % interval over documents."""
        groups = list(documents[: self.trial.sentences])
        return document_interval(_mean, *as_arrays(each), groups=groups, seed=RESAMPLING_SEED)

    def lead(self, other: Ranked, documents: Sequence[str]) -> Interval:
        """Its F1 minus another's, both on the sentences that both were tried on, paired by document."""
        count = min(self.trial.sentences, other.trial.sentences)
        tables = [each.trial.table[:, :count] for each in (self, other)]
        return f1_difference(tables[0], tables[1], groups=list(documents[:count]), seed=RESAMPLING_SEED)

    def is_told_from(self, other: Ranked, documents: Sequence[str]) -> bool:
        """Whether the interval of the difference leaves out 0; never by a single document, of which it has no width."""
        if len(set(documents[: min(self.trial.sentences, other.trial.sentences)])) == 1:
            return False
        lead = self.lead(other, documents)
        return lead.low > 0 or lead.high < 0


def rank(standings: Sequence[Standing]) -> list[Ranked]:
    """Those with a trial, the best first: tried on more sentences, then F1, then fewer output tokens, then by name."""
    ranked = [Ranked(each.candidate, each.trial) for each in standings if each.trial]
    return sorted(
        ranked,
        key=lambda each: (-each.trial.sentences, -each.trial.f1, each.trial.output_tokens, each.candidate.name),
    )


def _mean(values: Array) -> float:
    return float(values.mean())
