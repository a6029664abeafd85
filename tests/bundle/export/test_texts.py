"""Labels at the hash of their sentence: everything of the labels, nothing of the words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.export.texts import hashed, write_hashed
from nerkd_local.corpus.jsonl import write_documents
from nerkd_local.records import Document, Span, from_words

ANNA = Document("letters/anna", "Anna met Åsa", ((0, 4), (5, 8), (9, 12)), (Span(0, 4, "PER"), Span(9, 12, "PER")))


def test_a_sentence_by_hand() -> None:
    assert hashed(ANNA) == {
        "sha256": hashlib.sha256("Anna met Åsa".encode()).hexdigest(),
        "characters": 12,
        "spans": [[0, 4, "PER"], [9, 12, "PER"]],
    }


def test_of_what_else_is_known_only_words_and_numbers_of_our_own_stay() -> None:
    meta = {
        "status": "annotated",
        "confidences": [0.5, None],
        "document": "letters to Anna",
        "tags": ["B-PER", "O", "B-PER"],
        "answer": "PER\tAnna",
    }
    row = hashed(Document("a", ANNA.text, ANNA.tokens, ANNA.spans, meta))
    assert row["status"] == "annotated"
    assert row["confidences"] == [0.5, None]
    assert row.keys() == {"sha256", "characters", "spans", "status", "confidences"}
    for status, confidences in (("Anna wrote it", ["Anna"]), (1, "Anna"), (None, [[0.5]])):
        strange = Document("a", ANNA.text, ANNA.tokens, (), {"status": status, "confidences": confidences})
        assert hashed(strange).keys() == {"sha256", "characters", "spans"}


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=9), min_size=1, max_size=12), st.text(max_size=20))
def test_no_word_of_it_is_left(words: list[str], id: str) -> None:
    # of letters that are in no digest and in no key of ours
    words = ["".join(chr(0x3B1 + ord(c) - ord("a")) for c in word) for word in words]
    document = from_words(id, words, meta={"document": " ".join(words)})
    text = json.dumps(hashed(document), ensure_ascii=False)
    assert not any("\u03b1" <= character <= "\u03c9" for character in text)
    assert hashed(document)["characters"] == len(document.text)


def test_lines_keep_their_order(tmp_path: Path) -> None:
    documents = [from_words(str(number), ["word"] * number) for number in range(1, 6)]
    write_documents(tmp_path / "in.jsonl", documents)
    assert write_hashed(tmp_path / "in.jsonl", tmp_path / "deep" / "out.jsonl") == 5
    rows = [json.loads(line) for line in (tmp_path / "deep" / "out.jsonl").read_text().splitlines()]
    assert [row["characters"] for row in rows] == [len(document.text) for document in documents]
