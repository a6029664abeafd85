"""Plain text to sentences and words, with every offset kept.

Two maintained libraries do the work, both without data files: sentencex finds sentence ends, nltk's
Treebank-style tokenizer finds words, as CoNLL has them (`do n't`, `analysts '`, `$ 1.5bn`). Before each of
them the text is masked, character for character so that offsets stay, where they are known to go wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from nerkd_local.corpus.unspaced import cut_unspaced
from nerkd_local.files import read_whole_lines
from nerkd_local.records import Document

# Sentence ends are looked for in pieces of this many characters: the library takes time quadratic in the
# length where quotes do not pair up (measured: 17 s for 200,000 characters).
_PIECE = 8192

_OPENING_QUOTE = re.compile(r'(?<![^\s(\[])"(?=\S)')

# sentencex takes a quotation for one sentence, and then the periods inside stay glued to their words (2,669
# such words in 2,225 news articles, 125 with this). So it sees an opening quote as a capital letter, which
# belongs to what follows, and a closing one as a space. White space outside ASCII makes it panic. It does not know that
# Khmer sentences end in ។ or ៕.
_QUOTES = str.maketrans({"“": "X", '"': " ", "”": " ", "។": "。", "៕": "。"})
_CLOSING_QUOTES = ('"', "”")
_WHITE_SPACE = re.compile(r"\s")

# Written solid, and one word to CoNLL or WNUT: addresses, @names and #tags, initials with their periods
# (U.S.-based), AT&T. Every part starts behind a guard and without nested repeats, so time stays linear.
_SOLID = re.compile(
    r"""(?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?)\]'’”]
      | (?<![\w.+-])[\w.+-]{1,64}@\w[\w-]*(?:\.[\w-]*\w)+
      | (?<![\w@#])[@\#](?=[^\W\d])\w+
      | (?<![\w.])(?:[^\W\d_]\.){2,}
      | (?<![\w&])\w+(?:&\w+)+""",
    re.VERBOSE,
)
_APOSTROPHE = re.compile(r"(?<=\w)’(?=\w)")
_CURRENCY = str.maketrans("£€¥₹₩", "$$$$$")


def read_text_documents(
    path: Path, *, name: str, encoding: str = "utf-8", language: str = "en", wrapped: bool = False
) -> Iterator[Document]:
    """The sentences of a text file, in file order, one Document each, without labels.

    Ids are `<name>:<n>`, n from 0; `meta` holds `document` (the name), `line`, where the sentence starts, and
    `offset`, where that is in code points from the start of the decoded file, so that what is `text[start:end]`
    here is `original[offset + start : offset + end]` of `original = path.read_bytes().decode(encoding)`: line
    breaks count as they stand, `\\r\\n` as two, and a byte order mark counts as one unless the codec eats it.
    `text` is the sentence exactly as in the file, white space around it left out. Every line break ends a
    sentence, or with `wrapped` only a blank line does: a sentence's text then keeps the line breaks inside it,
    since its words have offsets and need no joining. Lines of white space hold no sentence.
    A stream that holds one line, or one paragraph if `wrapped`. Raises InputError as `read_lines` does.
    """
    yield from _sentences(read_whole_lines(path, encoding), name, language, wrapped)


def split_text(text: str, *, name: str, language: str = "en") -> Iterator[Document]:
    """The sentences of a text that is no file, as `read_text_documents` reads one; `offset` is into `text`."""
    yield from _sentences(enumerate(text.split("\n"), start=1), name, language, wrapped=False)


def _sentences(lines: Iterable[tuple[int, str]], name: str, language: str, wrapped: bool) -> Iterator[Document]:
    number = 0
    for first_line, offset, paragraph in _paragraphs(lines, wrapped):
        line, position = first_line, 0
        for start, end in find_sentences(paragraph, language):
            line += paragraph.count("\n", position, start)
            position = start
            text = paragraph[start:end]
            meta = {"document": name, "line": line, "offset": offset + start}
            yield Document(f"{name}:{number}", text, tokenize(text), meta=meta)
            number += 1


def find_sentences(text: str, language: str = "en") -> Iterator[tuple[int, int]]:
    """The half-open offsets of each sentence, in order, without the white space around it.

    Together they cover every character that is not white space. A sentence inside a quotation is a sentence
    of its own, as in CoNLL. What has no letter or digit in it (a closing quote, dots) stays with the sentence
    before. Time is linear in the length, also where no sentence ends. Languages the library does not know are
    cut like English. Thai and Lao write no mark at a sentence's end: a line is one sentence there.
    """
    masked = _WHITE_SPACE.sub(" ", _OPENING_QUOTE.sub("X", text).translate(_QUOTES))
    start = end = 0
    words = False  # whether text[start:end], the sentence so far, has a letter or digit in it
    for next_end in _sentence_ends(masked, language):
        more_words = any(map(str.isalnum, text[end:next_end]))
        asked = text[max(start, end - 8) : end].rstrip().endswith(_CLOSING_QUOTES)  # "Why?" he asked.
        same = asked and text[end:next_end].lstrip()[:1].islower()
        if words and more_words and not same:
            yield from _stripped(text, start, end)
            start = end
        words = words or more_words
        end = next_end
    yield from _stripped(text, start, end)


def tokenize(text: str) -> tuple[tuple[int, int], ...]:
    """The half-open offsets of a sentence's words and punctuation marks; of characters, in scripts without spaces.

    Together they cover every character that is not white space; a text of white space has none.
    """
    masked = _SOLID.sub(lambda match: "x" * len(match[0]), text)
    masked = _APOSTROPHE.sub("'", masked).translate(_CURRENCY)
    masked = _OPENING_QUOTE.sub("“", masked).replace('"', "”")
    return tuple(cut_unspaced(text, _word_tokenizer().span_tokenize(masked)))


def _paragraphs(lines: Iterable[tuple[int, str]], wrapped: bool) -> Iterator[tuple[int, int, str]]:
    """Each paragraph that is not blank, after the number of its first line and its offset, counted over all of
    the lines with a newline after each."""
    paragraph: list[str] = []
    first_line = offset = position = 0
    for number, whole in lines:
        line = whole.removeprefix("\ufeff") if number == 1 else whole
        begin = position + len(whole) - len(line)
        position += len(whole) + 1
        if wrapped and line.strip():
            if not paragraph:
                first_line, offset = number, begin
            paragraph.append(line)
        elif paragraph:
            yield first_line, offset, "\n".join(paragraph)
            paragraph = []
        elif line.strip():
            yield number, begin, line.removesuffix("\r")
    if paragraph:
        yield first_line, offset, "\n".join(paragraph)


def _sentence_ends(masked: str, language: str) -> Iterator[int]:
    """Where each sentence and the white space behind it end, ascending; the last is the text's length."""
    from sentencex import segment

    begin = 0
    while True:
        piece = masked[begin : begin + _PIECE]
        end = begin
        for sentence in segment(language, piece)[:-1]:
            end += len(sentence)
            yield end
        if begin + len(piece) == len(masked):
            yield len(masked)
            return
        begin = end if end > begin else begin + _PIECE // 2


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if words := piece.strip():
        start += len(piece) - len(piece.lstrip())
        yield start, start + len(words)


@cache
def _word_tokenizer() -> Any:
    # Imported on first use: nltk brings scikit-learn along, which takes seconds.
    from nltk.tokenize.destructive import NLTKWordTokenizer

    return NLTKWordTokenizer()
