"""Whatever the policy: each sentence and entity has one ruling, counts add up, weights have one number a token."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.errors import InputError
from nerkd_local.records import SELECTED, TOKEN_WEIGHTS, Document, Span, from_words
from nerkd_local.select.decisions import DECISIONS, REASONS
from nerkd_local.select.ledger import KINDS, describe_selection
from nerkd_local.select.opinions import Opinion
from nerkd_local.select.run import select_documents
from nerkd_local.select.settings import (
    AgreementSettings,
    KeepAllSettings,
    Policy,
    ThresholdSettings,
    TopBudgetSettings,
    WeightedSettings,
)
from tests.corpus.documents import documents

CONFIDENCES = st.floats(0, 1)
FROM = st.sampled_from(["annotator", "student", "calibrated"])
POLICIES: st.SearchStrategy[Policy] = st.one_of(
    st.builds(KeepAllSettings),
    st.builds(
        ThresholdSettings,
        confidence=FROM,
        entity=CONFIDENCES,
        sentence=CONFIDENCES,
        sentence_by=st.sampled_from(["mean", "min"]),
    ),
    st.builds(WeightedSettings, confidence=FROM),
    st.builds(TopBudgetSettings, confidence=FROM, share=st.floats(0.01, 1), diversity=CONFIDENCES),
    st.builds(AgreementSettings, disagreements=st.integers(0, 3), student_confidence=CONFIDENCES),
)


class Same:
    """A calibration that trusts whatever the labels carry."""

    def confidences(self, document: Document) -> list[float]:
        return list(document.meta["confidences"])


@st.composite
def judged(draw: st.DrawFn, id: str) -> tuple[Document, Opinion]:
    document, seen = draw(documents(id=id)), draw(documents(id=id))
    # the student reads the same text, and may agree on some
    spans = draw(st.sampled_from([document.spans, document.spans[:1], tuple(_on(document, seen))]))
    sure = [draw(CONFIDENCES) for _ in document.spans]
    # drawn names may be those that have a meaning: hypothesis takes strings from the source too
    free = {name: value for name, value in document.meta.items() if name not in (SELECTED, TOKEN_WEIGHTS)}
    meta: dict[str, Any] = {**free, "confidences": sure}
    if draw(st.booleans()):
        meta[TOKEN_WEIGHTS] = [draw(st.sampled_from([0, 0.5, 1])) for _ in document.tokens]
    if draw(st.booleans()):
        meta["status"] = draw(st.sampled_from(["annotated", "looped"]))
    whole = Document(document.id, document.text, document.tokens, document.spans, meta)
    opinion = Opinion(spans, tuple(draw(CONFIDENCES) for _ in spans), tuple(draw(CONFIDENCES) for _ in document.spans))
    return whole, opinion


def _on(document: Document, other: Document) -> list[Span]:
    """Another document's spans, put on this one's tokens."""
    places = [[n for n, token in enumerate(other.tokens) if s.start <= token[0] < s.end] for s in other.spans]
    fit = [(place, s.label) for place, s in zip(places, other.spans, strict=True) if place[-1] < len(document.tokens)]
    return [Span(document.tokens[at[0]][0], document.tokens[at[-1]][1], label) for at, label in fit]


@settings(max_examples=60)
@given(st.integers(0, 5).flatmap(lambda n: st.tuples(*(judged(str(i)) for i in range(n)))), POLICIES)
def test_every_sentence_and_entity_has_one_ruling(pairs: tuple[tuple[Document, Opinion], ...], policy: Policy) -> None:
    given_ = [document for document, _ in pairs]
    chosen, ledger = select_documents(given_, policy, {d.id: opinion for d, opinion in pairs}, Same())
    selected = {document.id: document for document in chosen}
    account = ledger.to_json()
    assert account["sentences_total"] == sum(account["sentences"].values()) == len(given_)
    assert account["entities_total"] == sum(account["entities"].values()) == sum(len(d.spans) for d in given_)
    assert account["words_total"] == sum(account["words"].values()) == sum(len(d.tokens) for d in given_)
    for kind in KINDS:
        assert sum(row["count"] for row in account[f"{kind}_why"]) == account[f"{kind}_total"]
    assert account["sentences"]["dropped"] == len(given_) - len(selected)
    assert list(selected) == [document.id for document in given_ if document.id in selected]
    counts: Counter[str] = Counter()
    for document in given_:
        if document.id not in selected:
            continue
        after = selected[document.id]
        if isinstance(policy, KeepAllSettings):
            assert after == document
            counts["kept"] += len(document.spans)
            continue
        assert after.spans == document.spans
        rulings = after.meta[SELECTED]
        assert len(rulings["entities"]) == len(document.spans)
        for ruling in (rulings["sentence"], *rulings["entities"]):
            assert ruling["decision"] in DECISIONS[:3]
            assert ruling["reason"] in REASONS
        counts.update(ruling["decision"] for ruling in rulings["entities"])
        weights = after.meta.get(TOKEN_WEIGHTS, [1] * len(document.tokens))
        before = document.meta.get(TOKEN_WEIGHTS, [1] * len(document.tokens))
        assert len(weights) == len(document.tokens)
        assert all(0 <= new <= old for new, old in zip(weights, before, strict=True))
        for span, ruling in zip(document.spans, rulings["entities"], strict=True):
            inside = [w for w, t in zip(weights, document.tokens, strict=True) if span.start <= t[0] < span.end]
            assert ruling["decision"] != "masked" or not any(inside)
    kept = {decision: account["entities"][decision] for decision in DECISIONS[:3]}
    assert kept == {decision: counts[decision] for decision in DECISIONS[:3]}
    assert f"sentences: {len(given_):,}" in describe_selection(account)


ONE = from_words("a", ["Ann", "saw"], (Span(0, 3, "PER"),), {"confidences": [0.5]})


def changed(**meta: Any) -> Document:
    return from_words("a", ["Ann", "saw"], (Span(0, 3, "PER"),), meta)


@pytest.mark.parametrize(
    ("document", "policy", "opinions", "problem"),
    [
        (changed(), WeightedSettings(), None, "'a' has 1 entities and no confidences; annotate with logprobs or votes"),
        (changed(confidences=[1, 1]), WeightedSettings(), None, "'a' has 1 entities and 2 confidences"),
        (changed(confidences=["much"]), WeightedSettings(), None, "'a': much is no confidence"),
        (changed(confidences=[1.5]), ThresholdSettings(), None, "'a': 1.5 is no confidence"),
        (changed(confidences=[True]), ThresholdSettings(), None, "'a': True is no confidence"),
        (ONE, AgreementSettings(), None, "agreement needs the opinions of a student"),
        (ONE, AgreementSettings(), {}, "no opinion on the sentence 'a'; make the opinions of these very labels"),
        (ONE, WeightedSettings(confidence="student"), None, "a student's confidences need its opinions"),
        (ONE, WeightedSettings(confidence="student"), {"a": Opinion((), (), ())}, "of 0 labels, it has 1"),
        (ONE, ThresholdSettings(confidence="calibrated"), None, "calibrated confidences need a calibration"),
        (changed(token_weights=[1]), KeepAllSettings(), None, "token_weights needs one number from 0 on"),
        (changed(token_weights=[1, "b"]), KeepAllSettings(), None, "token_weights needs one number from 0 on"),
    ],
)
def test_what_is_missing_is_said(
    document: Document, policy: Policy, opinions: dict[str, Opinion] | None, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        list(select_documents([document], policy, opinions)[0])
    assert problem in str(caught.value)


def test_the_account_reads_as_a_sum() -> None:
    documents_ = [ONE, from_words("b", ["It", "rained"]), from_words("c", ["x"], (), {"status": "looped"})]
    selected, ledger = select_documents(documents_, ThresholdSettings(entity=0.6))
    assert len(list(selected)) == 2
    assert describe_selection(ledger.to_json()).splitlines() == [
        "sentences: 3 = 1 kept (no entities) + 1 masked (unsure) + 1 dropped (unusable)",
        "entities: 1 = 1 masked (unsure)",
        "words: 5 = 3 kept + 1 masked + 1 dropped",
    ]
