from __future__ import annotations

from dataclasses import replace

from nerkd_local.report.page.choices import STATE_NAMES, STATE_SIGNS, choices_of
from nerkd_local.report.parts import STATES, Mention, Sentence, Sentences
from tests.report.page.made_up import few_sentences


def test_the_lists_of_a_run() -> None:
    choices = choices_of(few_sentences())
    assert choices.groups == ["dev", "news"]
    assert choices.labels == ["LOC", "ORG", "PER"]
    assert choices.states == list(STATES)
    assert choices.answers == ["", "accepted", "repaired", "truncated"]
    first, second = "simple_mix, seed 0", "original_only, seed 0"
    assert choices.disagreements == [
        ("Annotator against human", [("differ:1:0", "annotator against human")]),
        (
            "Student against human",
            [("differ:2:0", f"{first} against human"), ("differ:3:0", f"{second} against human")],
        ),
        (
            "Annotator against student",
            [("differ:1:2", f"annotator against {first}"), ("differ:1:3", f"annotator against {second}")],
        ),
        (
            "Annotator wrong, student right",
            [("lead:1:2", f"annotator wrong, {first} right"), ("lead:1:3", f"annotator wrong, {second} right")],
        ),
    ]


def test_a_name_is_no_template() -> None:
    layers = ("{0.__class__}", "{}")
    sentences = Sentences(
        [Sentence("a", "b", "", dict.fromkeys(layers, ()))], layers, {layers[0]: "annotator", layers[1]: "student"}, ()
    )
    assert choices_of(sentences).disagreements == [
        ("Annotator against student", [("differ:0:1", "{0.__class__} against {}")])
    ]


def test_layers_that_never_meet_cannot_disagree() -> None:
    few = few_sentences()
    apart = [row for row in few.sentences if row.id in ("dev-3", "news-1")]
    headings = [heading for heading, _ in choices_of(replace(few, sentences=apart)).disagreements]
    assert headings == ["Student against human"]
    no_human = [Sentence("a", "b", "", {"annotator": (), "simple_mix, seed 0": ()})]
    assert [heading for heading, _ in choices_of(replace(few, sentences=no_human)).disagreements] == [
        "Annotator against student"
    ]


def test_where_there_is_nothing_to_choose_there_is_no_list() -> None:
    one = Sentence("a", "Ada", "dev", {"human": [Mention(0, 3, "PER")]})
    choices = choices_of(Sentences([one], ("human",), {"human": "original"}, ("dev",)))
    assert choices.groups == choices.labels == choices.states == choices.answers == choices.disagreements == []


def test_a_few_layers_are_shown_at_first() -> None:
    def shown(*roles: str) -> set[int]:
        layers = tuple(f"{role} {number}" for number, role in enumerate(roles))
        return choices_of(Sentences([], layers, dict(zip(layers, roles, strict=True)), ())).shown  # type: ignore[arg-type]

    assert shown("original", "annotator", "student", "student", "student", "student") == {0, 1, 2, 3}
    assert shown("original", "student", "student") == {0, 1, 2}
    assert shown("original", "annotator", "annotator", "annotator", "annotator", "student", "student") == {
        0,
        1,
        2,
        3,
        4,
        5,
    }


def test_every_state_has_a_name_and_a_sign_of_its_own() -> None:
    assert STATE_NAMES.keys() == STATE_SIGNS.keys() == set(STATES)
    assert len(set(STATE_SIGNS.values())) == len(STATES)
