from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nerkd_local.student.card import CardFacts, Figure, _text, _visible, write_card
from nerkd_local.student.model import new_student, save_student

FACTS = CardFacts(
    labels=("PER", "LOC"),
    encoder="all-MiniLM-L6-v2",
    encoder_sha256="e" * 64,
    regimen="simple_mix@0.5",
    plan_sha256="f" * 64,
    original_sha256="a" * 64,
    distilled_sha256=None,
    steps=1250,
    batch_size=16,
    seed=7,
    learning_rate=2e-4,
    loss="generalised, q 0.7",
    precision="bf16",
    examples={"original": 12_000, "distilled": 8_000},
    passes={"original": 48.0},
    figures=(
        Figure("dev", None, 0.81234, 0.79, 0.80126, (0.785, 0.8171), 5942),
        Figure("dev", "PER", 0.9, 0.9, 0.9),
    ),
    evaluation_sha256={"dev": "d" * 64},
)


def written(folder: Path, facts: CardFacts) -> str:
    write_card(folder, facts)
    return (folder / "README.md").read_text()


def rows(card: str) -> dict[str, list[str]]:
    """The cells of each table row by its first one, as a reader sees them."""
    cells = [line.strip("| ").split("|") for line in card.split("\n") if line.startswith("|")]
    return {unescape(first).strip(): [unescape(cell).strip() for cell in rest] for first, *rest in cells}


def test_a_card_tells_what_the_student_was_made_of(tmp_path: Path) -> None:
    card = written(tmp_path, FACTS)
    assert "- LOC\n- PER\n" in card
    table = rows(card)
    assert table["regimen"] == ["simple_mix@0.5"]
    assert table["optimizer steps"] == ["1,250 of 16 examples"]
    assert table["examples shown"] == ["12,000 original (48.00 passes), 8,000 distilled"]
    assert table["seed"] == ["7"]
    assert table["loss"] == ["generalised, q 0.7"]
    assert table["number format"] == ["bf16"]
    assert table["encoder"] == ["all-MiniLM-L6-v2"]
    assert table["encoder, fingerprint"] == ["e" * 64]
    assert table["plan, fingerprint"] == ["f" * 64]
    assert table["original data, SHA-256"] == ["a" * 64]
    assert table["distilled data, SHA-256"] == ["not used"]
    assert table["license of the encoder"][0].startswith("unknown")
    assert table["evaluation data (dev), SHA-256"] == ["d" * 64]
    assert "| dev | all types | 5,942 | 0.8123 | 0.7900 | 0.8013 | 0.7850 to 0.8171 |" in card
    assert "| dev | PER |  | 0.9000 | 0.9000 | 0.9000 |  |" in card


def test_what_a_card_says_of_intervals_it_says_where_there_are_some(tmp_path: Path) -> None:
    assert "Intervals say" in written(tmp_path, FACTS)
    assert "Intervals say" not in written(tmp_path, replace(FACTS, figures=FACTS.figures[1:]))


def test_a_sentence_of_ours_is_readable_without_a_browser(tmp_path: Path) -> None:
    facts = replace(FACTS, loss="cross entropy; distilled: generalised, weight 1")
    assert "| loss | cross entropy; distilled: generalised, weight 1 |" in written(tmp_path, facts)


def test_hugging_faces_tools_read_its_head(tmp_path: Path) -> None:
    written(tmp_path, FACTS)
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.pipeline_tag == "token-classification"
    assert data.library_name == "transformers"
    assert data.license == "unknown"
    assert data.model_name == "NER student (simple_mix@0.5)"
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("dev", "f1", 0.8013)


def test_a_student_that_is_not_scored_yet_has_a_card_without_results(tmp_path: Path) -> None:
    card = written(tmp_path, replace(FACTS, figures=()))
    assert "## Results" not in card
    assert ModelCard.load(tmp_path / "README.md").data.eval_results is None


def test_the_same_facts_are_the_same_bytes_and_replace_an_earlier_card(tmp_path: Path) -> None:
    first = written(tmp_path, FACTS)
    written(tmp_path, replace(FACTS, seed=8))
    assert written(tmp_path, FACTS) == first
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


HOSTILE = [
    "<script>alert(1)</script>",
    "x | y | z",
    "`code` *strong* _soft_ ~~gone~~ __init__",
    "[here](http://a.example)",
    "www.a.example me@a.example https://a.example",
    "![](http://a.example/seen.png)",
    "a\n\n# b\n---\nlicense: mit\n---\n",
    "- a",
    "---",
    "1. a",
    "2) a",
    "+ a",
    "    indented",
    "&lt;b&gt; &#60;",
    "\u202eright to left\u2028\ufeff\x00\x85",
    "\ud800",
    "\\",
    "{{ seed }}",
    "$x$ :tada: ^1^",
    "'\" : {a: b} # c !!python/object",
    "a: b, c; d : e ,f :g: h",
    "a/b //c.d/e +f g+h 1+ 2",
]


def visible_texts(nodes: list[Any]) -> Iterator[str]:
    for node in nodes:
        if node.type in ("text", "text_special"):
            yield node.content
        yield from visible_texts(node.children or [])


@given(st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), min_size=1, max_size=30)))
def test_a_name_is_shown_as_it_is_and_is_no_markup(name: str) -> None:
    # alone, in a list and in a table: whatever the name, the structure is that of a harmless one
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for frame in ("{}", "- {}\n- second", "| a | b |\n| --- | --- |\n| {} | c |"):
        found, harmless = (parser.parse(frame.format(text)) for text in (_text(name), "harmless"))
        assert [node.type for node in found] == [node.type for node in harmless]
        inline = {child.type for node in found for child in node.children or []}
        assert inline <= {"text", "text_special"}
        expected = "".join(visible_texts(harmless)).replace("harmless", _visible(name))
        assert "".join(visible_texts(found)) == expected
    assert not re.search(r"www\.|://|@", _text(name))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_or_label_changes_what_a_card_is(name: str, tmp_path: Path) -> None:
    figures = (Figure(name, None, 0.5, 0.5, 0.5, (0.4, 0.6)), Figure("dev", name, 0.5, 0.5, 0.5))
    facts = replace(
        FACTS,
        labels=(name, "PER"),
        encoder=name,
        regimen=name,
        loss=name,
        figures=figures,
        evaluation_sha256={name: "d" * 64},
    )
    card = written(tmp_path, facts)
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.license == "unknown"
    assert [result.dataset_name for result in data.eval_results] == [_visible(name)]
    headings = [line for line in card.split("\n") if line.startswith("#")]
    assert headings == [line for line in written(tmp_path, FACTS).split("\n") if line.startswith("#")]
    assert "|" in name or rows(card)["encoder"] == [_visible(name).strip()]
    assert len(card.split("\n")) == len(written(tmp_path, FACTS).split("\n"))


def test_its_instructions_work_where_the_student_lies(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_student(*new_student(tiny_encoder, ["PER", "LOC"], seed=1), tmp_path / "student")
    card = written(tmp_path / "student", FACTS)
    programs = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(programs) == 2
    with chdir(tmp_path / "student"):
        for program in programs:
            exec(compile(program, "README.md", "exec"), {})
    ours, theirs = capsys.readouterr().out.splitlines()
    assert ours.count("'") == 10  # five tags
    assert theirs.startswith("[")
