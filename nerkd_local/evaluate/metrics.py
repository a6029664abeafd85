"""Scores of predicted tags, by seqeval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nerkd_local.evaluate.counts import Tags, check_tags


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and their harmonic mean in [0, 1]; `support` is the number of gold entities.

    What would be 0 / 0 (precision without predictions, recall without gold entities) is 0, as in seqeval.
    So a perfect score of sentences without entities is 0 too: read it together with its support.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Scores:
    """One evaluation.

    `strict` and `lenient` are micro averages over all entities; `per_type` is strict, in label order, over
    the labels that occur in gold or prediction.
    """

    strict: Score
    lenient: Score
    per_type: Mapping[str, Score]

    @property
    def macro(self) -> Score:
        """The plain mean of the labels' strict scores, each label counting the same; 0 if there are none."""
        scores = list(self.per_type.values())
        number = max(len(scores), 1)
        return Score(
            sum(score.precision for score in scores) / number,
            sum(score.recall for score in scores) / number,
            sum(score.f1 for score in scores) / number,
            sum(score.support for score in scores),
        )


def score_tags(gold: Sequence[Tags], predicted: Sequence[Tags]) -> Scores:
    """Score raw IOB2 tag sequences, one list of tags a sentence, the same sentences and tokens in both.

    The figure that counts is `strict` (seqeval's mode "strict" with scheme IOB2): an entity is a B- and the
    I- of the same label after it, and only equal borders and label are a hit. Beside it stands `lenient`
    (seqeval's default mode, which lets a stray I- begin an entity, like the CoNLL script): taggers make
    such mistakes, and which reading is used can move F1 by half a point, so a figure without its reading
    says little.

    No sentences, and sentences without entities, score 0 with support 0. Raises InputError as `check_tags`
    does.
    """
    # imported here: seqeval brings scikit-learn, a second of start-up that most commands need not pay
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as score_lenient
    from seqeval.metrics.v1 import precision_recall_fscore_support as score_strict
    from seqeval.scheme import IOB2, Entities

    check_tags(gold, predicted)
    # seqeval takes lists only, and at least one
    gold_lists, predicted_lists = ([list(tags) for tags in side] or [[]] for side in (gold, predicted))
    true, found = Entities(gold_lists, IOB2), Entities(predicted_lists, IOB2)
    strict: dict[str, Any] = {
        "scheme": IOB2,
        "zero_division": 0,  # silences the warning; 0 is what the warning would have set
        "entities_true": true,
        "entities_pred": found,
    }
    by_type = score_strict(gold_lists, predicted_lists, average=None, **strict)
    return Scores(
        strict=_score(*score_strict(gold_lists, predicted_lists, average="micro", **strict)),
        lenient=_score(*score_lenient(gold_lists, predicted_lists, average="micro", zero_division=0)),
        per_type={
            label: _score(*numbers)
            for label, *numbers in zip(sorted(true.unique_tags | found.unique_tags), *by_type, strict=True)
        },
    )


def scores_to_rows(scores: Scores) -> list[dict[str, str | float | int]]:
    """The scores as JSON-ready rows: micro strict, micro lenient, macro strict, then each label strict."""
    named = [("micro", "strict", scores.strict), ("micro", "lenient", scores.lenient)]
    named.append(("macro", "strict", scores.macro))
    named += [(label, "strict", score) for label, score in scores.per_type.items()]
    return [
        {
            "type": name,
            "mode": mode,
            "precision": score.precision,
            "recall": score.recall,
            "f1": score.f1,
            "support": score.support,
        }
        for name, mode, score in named
    ]


def _score(precision: float, recall: float, f1: float, support: int) -> Score:
    return Score(float(precision), float(recall), float(f1), int(support))
