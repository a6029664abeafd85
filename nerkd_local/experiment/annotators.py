"""How good the annotator was, where the sentences it saw carry human labels; and what its answers were like."""

from __future__ import annotations

from typing import Any

from nerkd_local.config.experiment import ExperimentSettings
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.evaluate.metrics import score_tags, scores_to_rows
from nerkd_local.experiment.folder import RunFolder


def score_annotator(settings: ExperimentSettings, folder: RunFolder) -> dict[str, list[dict[str, Any]]]:
    """Scores by source, for the sources that carry human labels, by the code that scores students.

    A sentence without a usable answer counts as one without mentions.
    """
    scores = {}
    for source in settings.distilled:
        hidden = folder.hidden(source.name)
        if hidden.exists():
            gold = [spans_to_tags(document) for document in read_documents(hidden)]
            annotations = folder.annotation(source.name) / "annotations.jsonl"
            predicted = [spans_to_tags(document) for document in read_documents(annotations)]
            scores[source.name] = [dict(row) for row in scores_to_rows(score_tags(gold, predicted))]
    return scores
