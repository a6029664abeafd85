from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerkd_local.corpus.text import find_sentences, read_text_documents, split_text, tokenize
from nerkd_local.errors import InputError
from tests.corpus.documents import CHARACTERS

# Where tokenizers and sentence splitters go wrong: quotes, periods, odd white space, half-written clitics.
TRICKY_PARTS = (
    *(
        '"',
        "''",
        "``",
        "“",
        "”",
        "’",
        "'s",
        "n't",
        "cannot",
        ". ",
        "! ",
        "...",
        "--",
        "(",
        ")",
        " ",
        "\n",
        "\x85",
    ),
    *("A\u00a0.", "B\u2028.", "U.S.", "http://a.b/c?d=1. ", "@x", "#y", "a@b.c", "$5", "£5", "AT&T", "Xy"),
)
TRICKY = st.lists(st.one_of(st.sampled_from(TRICKY_PARTS), st.text(CHARACTERS, max_size=3)), max_size=30).map("".join)


def sentences(text: str, language: str = "en") -> list[str]:
    return [text[start:end] for start, end in find_sentences(text, language)]


def words(text: str) -> str:
    return "|".join(text[start:end] for start, end in tokenize(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He paid $1.13bn (£600m), up 2%.", "He|paid|$|1.13bn|(|£|600m|)|,|up|2|%|."),
        ('"I can\'t," she said.', '"|I|ca|n\'t|,|"|she|said|.'),
        ("AOL's and analysts' views", "AOL|'s|and|analysts|'|views"),
        ("It’s Smith’s O’Neill.", "It|’s|Smith|’s|O’Neill|."),
        ("“Smart” ‘quotes’ here", "“|Smart|”|‘|quotes|’|here"),
        ("the U.S.-based J.K. Rowling", "the|U.S.-based|J.K.|Rowling"),
        ("back in the U.S.", "back|in|the|U.S."),
        ("at 5 p.m. Mr. Smith", "at|5|p.m.|Mr.|Smith"),
        ("a 25-year-old e-mail - so", "a|25-year-old|e-mail|-|so"),
        ("AT&T, R&D and M & S", "AT&T|,|R&D|and|M|&|S"),
        ("see http://www.bbc.co.uk/news?x=1.", "see|http://www.bbc.co.uk/news?x=1|."),
        ("mail to a.b@reuters.com.", "mail|to|a.b@reuters.com|."),
        ("@user loves #nlp", "@user|loves|#nlp"),
        ('He left. "', 'He|left|.|"'),
        ('Tokyo:"We', 'Tokyo|:|"|We'),
        ("10\u00a0000 a\u2028b", "10|000|a|b"),
        ("été 😀 北京", "été|😀|北|京"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_words_are_as_conll_has_them(text: str, expected: str) -> None:
    assert words(text) == expected


@settings(deadline=None)  # the first call imports nltk, which takes seconds
@given(TRICKY)
def test_words_cover_everything_but_white_space_in_order(text: str) -> None:
    tokens = tokenize(text)
    assert "".join(text[start:end] for start, end in tokens) == "".join(text.split())
    assert list(tokens) == sorted(tokens)
    assert all(start < end for start, end in tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Mr. Smith went to the U.S. in May. He stayed.",
            ["Mr. Smith went to the U.S. in May.", "He stayed."],
        ),
        ('He said: "I will. Go now." Then he left.', ['He said: "I will.', 'Go now."', "Then he left."]),
        ('"Go now!" he said.', ['"Go now!" he said.']),
        ('"Go now!" He said so.', ['"Go now!"', "He said so."]),
        ("“We go. We stay.” So.", ["“We go.", "We stay.”", "So."]),
        ('They went. "', ['They went. "']),
        ("- one\tGo. . .", ["- one\tGo. . ."]),
        ("...", ["..."]),
        ("It rose to 3.5. Good.", ["It rose to 3.5.", "Good."]),
        ("No end", ["No end"]),
        ("", []),
        (" \u2028 ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@settings(deadline=None)
@given(TRICKY, st.sampled_from(["en", "de", "hi", "zh", "xx"]))
def test_sentences_cover_everything_but_white_space(text: str, language: str) -> None:
    found = sentences(text, language)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in found)


def test_sentence_ends_do_not_depend_on_where_the_pieces_are_cut() -> None:
    text = "The firm grew. " * 5000
    assert sentences(text) == ["The firm grew."] * 5000


@pytest.mark.parametrize("word", ["word ", "`` ", "“", '"x" ', "a.b ", "www.", "&a", "x@"])
def test_a_hundred_thousand_words_without_an_end_are_one_sentence_in_bounded_time(word: str) -> None:
    text = word * 100_000
    began = time.process_time()
    assert len(sentences(text)) == 1
    assert tokenize(text)[-1][1] == len(text.rstrip())
    assert time.process_time() - began < 20  # about 2; quadratic time would be minutes


def test_each_line_is_read_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes("\ufeffA title\r\n\r\nOne went. Two\u2028stayed.\r\nNo stop\r\n".encode())
    documents = list(read_text_documents(path, name="x/n.txt"))
    assert [(document.id, document.text, document.meta["line"]) for document in documents] == [
        ("x/n.txt:0", "A title", 1),
        ("x/n.txt:1", "One went.", 3),
        ("x/n.txt:2", "Two\u2028stayed.", 3),
        ("x/n.txt:3", "No stop", 4),
    ]
    assert documents[2].words == ["Two", "stayed", "."]
    assert {document.meta["document"] for document in documents} == {"x/n.txt"}


def test_wrapped_text_keeps_its_line_breaks_inside_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_text("\nHe went to New\nYork. She\nstayed in\nRome.\n \nEnd")
    assert [(d.text, d.words, d.meta["line"]) for d in read_text_documents(path, name="n", wrapped=True)] == [
        ("He went to New\nYork.", ["He", "went", "to", "New", "York", "."], 2),
        ("She\nstayed in\nRome.", ["She", "stayed", "in", "Rome", "."], 3),
        ("End", ["End"], 7),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("One. Two.\nSix.", [(0, "One."), (5, "Two."), (10, "Six.")]),
        ("\ufeff One.\r\n\r\nTwo\r\n", [(2, "One."), (10, "Two")]),
        ("a\rb\x0cc\x85d\u2028e\n😀 f", [(0, "a\rb\x0cc\x85d\u2028e"), (10, "😀 f")]),
    ],
)
def test_offsets_are_those_of_the_decoded_file(tmp_path: Path, content: str, expected: list[tuple[int, str]]) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes(content.encode())
    documents = [*read_text_documents(path, name="n")]
    assert [(document.meta["offset"], document.text) for document in documents] == expected
    assert documents == [*split_text(content, name="n")]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(TRICKY, st.sampled_from(["\n", "\r\n", "\r", "\x0c", "\v", "\n\n", "\ufeff"]))).map("".join),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    st.booleans(),
)
def test_every_word_stands_in_the_original_file_where_its_offsets_say(
    tmp_path_factory: pytest.TempPathFactory, content: str, encoding: str, wrapped: bool
) -> None:
    path = tmp_path_factory.mktemp("n") / "n.txt"
    path.write_bytes(content.encode(encoding))
    original = path.read_bytes().decode(encoding)
    found = ""
    for document in read_text_documents(path, name="n", encoding=encoding, wrapped=wrapped):
        offset = document.meta["offset"]
        assert original[offset : offset + len(document.text)] == document.text
        assert document.meta["line"] == original.count("\n", 0, offset) + 1
        for start, end in document.tokens:
            assert original[offset + start : offset + end] == document.text[start:end]
            found += document.text[start:end]
    assert found == "".join(original.removeprefix("\ufeff").split())


def test_invalid_bytes_are_refused_with_line_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "n.txt"
    path.write_bytes(b"one\na \xa315m\n")
    with pytest.raises(InputError, match=r"n.txt:2: byte 0xa3 at offset 6 is not utf-8; declare"):
        list(read_text_documents(path, name="n"))
    assert next(read_text_documents(path, name="n", encoding="latin-1")).text == "one"


def test_words_need_no_data_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk.data

    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("data was asked for")

    monkeypatch.setattr(nltk.data, "load", refused)
    monkeypatch.setattr(nltk.data, "find", refused)
    assert words("It works.") == "It|works|."


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40))
def test_offsets_point_into_the_original_text(count: int) -> None:
    text = " ".join(["I’d pay £5 for “this”."] * count)
    for start, end in find_sentences(text):
        assert words(text[start:end]) == "I|’d|pay|£|5|for|“|this|”|."
