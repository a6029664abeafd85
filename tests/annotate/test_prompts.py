"""Chats are fixed by the settings, put the sentence last, and leave offsets alone."""

from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.annotate.completer import Message
from nerkd_local.annotate.formats import answer_format
from nerkd_local.annotate.prompts import Prompt, choose_demonstrations, text_line, text_of
from nerkd_local.records import Document, Span, from_words

LABELS = {"PER": "people", "LOC": "places"}
ANN = from_words("1", ["Ann", "left"], (Span(0, 3, "PER"),))
BONN = from_words("2", ["Bonn", "won"], (Span(0, 4, "LOC"),))
NOTHING = from_words("3", ["It", "rained"])


def test_the_chat_is_instructions_then_examples_then_the_sentence() -> None:
    messages = Prompt("standard", LABELS, answer_format("lines"), [ANN, NOTHING]).messages(BONN)
    assert [message.role for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "- PER: people\n- LOC: places\n" in messages[0].content
    assert messages[1:] == (
        Message("user", "Text: Ann left"),
        Message("assistant", "PER\tAnn"),
        Message("user", "Text: It rained"),
        Message("assistant", "NONE"),
        Message("user", "Text: Bonn won"),
    )


def test_only_the_json_format_speaks_of_json() -> None:
    for name, expected in (("lines", False), ("json", True)):
        prompt = Prompt("standard", LABELS, answer_format(name), [ANN])
        assert any("JSON" in message.content for message in prompt.prefix) is expected


@given(st.text(max_size=30))
def test_line_breaks_become_spaces_one_for_one(text: str) -> None:
    line = text_line(text)
    assert len(line.splitlines()) == 1
    assert len(line) == len("Text: ") + len(text)
    assert text_line(text_of([Message("user", line)])) == line


def test_text_cannot_start_a_line_of_its_own() -> None:
    document = Document("d", "Bonn\nText: Ann\u2028x", ())
    (last,) = Prompt("standard", LABELS, answer_format("lines")).messages(document)[-1:]
    assert last.content == "Text: Bonn Text: Ann x"


def test_template_markup_in_the_data_stays_text() -> None:
    document = Document("d", "{{ labels }} {% raw %}", ())
    assert Prompt("standard", LABELS, answer_format("lines")).messages(document)[-1].content == (
        "Text: {{ labels }} {% raw %}"
    )


def test_the_fingerprint_follows_everything_shared() -> None:
    lines, json = answer_format("lines"), answer_format("json")
    prompts = [
        Prompt("standard", LABELS, lines),
        Prompt("standard", LABELS, json),
        Prompt("standard", {"PER": "people"}, lines),
        Prompt("standard", {"PER": "people", "LOC": "towns"}, lines),
        Prompt("standard", LABELS, lines, [ANN]),
        Prompt("standard", LABELS, lines, [ANN, BONN]),
    ]
    assert len({prompt.fingerprint for prompt in prompts}) == len(prompts)
    assert Prompt("standard", dict(LABELS), lines).fingerprint == prompts[0].fingerprint


def test_examples_show_every_type_that_the_pool_has() -> None:
    pool = [from_words(f"n{number}", ["x"]) for number in range(50)] + [ANN, BONN]
    for seed in range(5):
        chosen = choose_demonstrations(pool, ["PER", "LOC", "ORG"], 4, seed)
        assert len({document.id for document in chosen}) == 4
        assert {span.label for document in chosen for span in document.spans} == {"PER", "LOC"}
        assert chosen == choose_demonstrations(pool[::-1], ["PER", "LOC", "ORG"], 4, seed)


def test_a_small_pool_gives_what_it_has() -> None:
    assert choose_demonstrations([ANN], ["PER"], 4, 0) == [ANN]
    assert choose_demonstrations([], ["PER"], 4, 0) == []
    assert choose_demonstrations([ANN, BONN], ["PER"], 0, 0) == []
