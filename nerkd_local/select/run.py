"""Documents through a policy: the selected ones, and the account of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count
from pathlib import Path

from nerkd_local.annotate.ledger import is_usable
from nerkd_local.corpus.jsonl import read_documents
from nerkd_local.corpus.token_weights import token_weights
from nerkd_local.errors import InputError
from nerkd_local.records import Document
from nerkd_local.select.budget import choose_budget
from nerkd_local.select.confidences import Calibrated, Confidences
from nerkd_local.select.decisions import Verdict, as_selected, drop, keep
from nerkd_local.select.ledger import SelectionLedger
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.policies import Judge, by_agreement, by_threshold, by_weight, keep_all
from nerkd_local.select.settings import AgreementSettings, KeepAllSettings, Policy, ThresholdSettings, WeightedSettings


def select_documents(
    documents: Iterable[Document],
    policy: Policy,
    opinions: Mapping[str, Opinion] | None = None,
    calibration: Calibrated | None = None,
    *,
    path: Path | None = None,
) -> tuple[Iterator[Document], SelectionLedger]:
    """The documents that are not dropped, in their order, and the ledger: it is whole when they have been gone through.

    Each carries the rulings (`SELECTED` in `meta`) and, where words are masked or weighted, one weight a token
    (`TOKEN_WEIGHTS`); under `keep_all` documents are as they were. Documents without a usable answer are dropped by
    every policy. A stream, but for `top_budget`, which goes through `documents` twice: give it something that can be
    (a list, `DocumentFiles`). `path` only says where they are from, in errors.

    Raises InputError for opinions or a calibration that the policy needs and that are not given; while they are gone
    through, for a document without the confidences, opinion or weights that it should have.
    """
    ledger = SelectionLedger()
    judge = _judge(policy, documents, opinions, calibration, path)
    unchanged = isinstance(policy, KeepAllSettings)

    def selected() -> Iterator[Document]:
        for document in documents:
            token_weights(document, path)  # raises what the trainer would
            verdict = judge(document) if is_usable(document) else drop(document, "unusable")
            ledger.add(verdict, len(document.tokens))
            if verdict.sentence[0] != "dropped":
                yield document if unchanged else as_selected(document, verdict)

    return selected(), ledger


class DocumentFiles:
    """The documents of JSON lines files, as often as they are wanted; memory holds one at a time."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Document]:
        return chain.from_iterable(map(read_documents, self._paths))


def _judge(
    policy: Policy,
    documents: Iterable[Document],
    opinions: Mapping[str, Opinion] | None,
    calibration: Calibrated | None,
    path: Path | None,
) -> Judge:
    if isinstance(policy, KeepAllSettings):
        return keep_all
    if isinstance(policy, AgreementSettings):
        if opinions is None:
            raise InputError("agreement needs the opinions of a student; give them, or take another policy")
        return by_agreement(policy, opinions, path)
    confidences = Confidences(policy.confidence, opinions, calibration, path)
    if isinstance(policy, ThresholdSettings):
        return by_threshold(policy, confidences)
    if isinstance(policy, WeightedSettings):
        return by_weight(policy, confidences)
    if iter(documents) is documents:
        raise TypeError("top_budget goes through the documents twice; give something that can be")
    chosen = choose_budget(documents, policy, confidences)
    places = count()

    def judge(document: Document) -> Verdict:
        return keep(document, "chosen") if next(places) in chosen else drop(document, "over_budget")

    return judge
