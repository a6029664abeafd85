"""Gold and predicted documents brought together by id, as the tag sequences that are scored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nerkd_local.corpus.schemes import spans_to_tags
from nerkd_local.errors import InputError
from nerkd_local.records import RAW_TAGS, Document


def match_tags(
    gold: Iterable[Document], predicted: Iterable[Document], path: Path
) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted IOB2 tags of the same sentences, in gold order.

    Raw tags that a student left in `meta.tags` are taken as they are; otherwise tags come from the spans.
    `path` names the predictions in messages. Raises InputError for a gold sentence without a prediction, a
    prediction without a gold sentence, and tokens that differ.
    """
    by_id = {document.id: document for document in predicted}
    gold_tags, predicted_tags = [], []
    for document in gold:
        answer = by_id.pop(document.id, None)
        if answer is None:
            raise InputError(f"has no prediction for sentence {document.id!r}; score what was predicted", path=path)
        if answer.words != document.words:
            raise InputError(f"the tokens of sentence {document.id!r} are not those of the gold corpus", path=path)
        gold_tags.append(spans_to_tags(document))
        predicted_tags.append(list(answer.meta.get(RAW_TAGS) or spans_to_tags(answer)))
    if by_id:
        raise InputError(
            f"{len(by_id):,} predicted sentences are not in the gold corpus (first: {next(iter(by_id))!r}); "
            "give the corpus they were predicted on",
            path=path,
        )
    return gold_tags, predicted_tags
