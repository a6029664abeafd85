"""Hypothesis strategies that make documents."""

from __future__ import annotations

from hypothesis import strategies as st

from nerkd_local.records import Document, Span

# Anything but surrogates, which no UTF-8 file can hold, and NUL, which readers refuse.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.text(CHARACTERS, min_size=1, max_size=6)
LABELS = st.sampled_from(["PER", "LOC", "creative-work"])


@st.composite
def documents(draw: st.DrawFn, id: str = "a", words: st.SearchStrategy[str] = WORDS) -> Document:
    """A document with any words, any spacing and any non-overlapping spans."""
    texts = draw(st.lists(words, min_size=1, max_size=8))
    text, tokens = "", []
    for word in texts:
        text += draw(st.sampled_from(["", " ", "\n", "  "]))
        tokens.append((len(text), len(text) + len(word)))
        text += word
    spans, index = [], 0
    while index < len(tokens):
        length = draw(st.integers(0, 3))
        last = min(index + length, len(tokens)) - 1
        if length:
            spans.append(Span(tokens[index][0], tokens[last][1], draw(LABELS)))
        index = last + 1 if length else index + 1
    meta = draw(st.dictionaries(st.text(CHARACTERS), st.one_of(st.text(CHARACTERS), st.integers(), st.none())))
    return Document(id, text, tuple(tokens), tuple(spans), meta)
