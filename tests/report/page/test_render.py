from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.report.page.choices import STATE_SIGNS
from nerkd_local.report.page.render import RESERVED, SCRIPTS, render_page
from nerkd_local.report.parts import Figure, Report, Section, Table, Text
from tests.report.page.made_up import (
    HOSTILE,
    drawing,
    drawings,
    few_sentences,
    figure,
    hostile_report,
    quiet_report,
    table,
)


class Elements(HTMLParser):
    """Tags with their attributes, and the text of each element by tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rendered(report: Report) -> str:
    return render_page(report, drawings(report))


def test_everything_of_the_report_is_on_the_page_in_order() -> None:
    page = rendered(quiet_report(few_sentences()))
    text = "".join(Elements(page[page.index("<body") :]).texts)
    places = [
        text.index(words)
        for words in (
            "203",
            "is better than original_only by 0.077",
            "2 of 5 seeds are not finished.",
            "Contents",
            "What each is worth.",
            "Made-up numbers.",
            "+0.077 (+0.056 to +0.103)",
            "Nothing was measured",
            "8 sentences with the labels of",
            "12 sentences were left out",
            "nerkd run settings.yaml",
        )
    ]
    assert places == sorted(places)
    assert page.endswith("</html>\n")


def test_a_report_without_figures_sentences_and_cautions_is_a_page() -> None:
    bare = Report("Bare", (), (), (Section("a", "A", "nothing"),))
    elements = Elements(render_page(bare, {}))
    assert [attributes["id"] for attributes in elements.all("section") if "id" in attributes] == ["a"]
    assert not [attributes for attributes in elements.all("script") if attributes]
    assert "Before you rely on it" not in elements.texts


def test_the_policy_allows_the_one_style_and_the_one_script_and_nothing_else() -> None:
    page = rendered(quiet_report(few_sentences()))
    (policy,) = [
        attributes["content"]
        for attributes in Elements(page).all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = {}
    for tag in ("style", "script"):
        source = page.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        hashes[tag] = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


@pytest.mark.parametrize("report", [quiet_report(few_sentences()), hostile_report()], ids=["quiet", "hostile"])
def test_the_page_asks_for_nothing_and_runs_nothing_of_its_texts(report: Report) -> None:
    elements = Elements(render_page(report, drawings(report, "".join(HOSTILE))))
    names = {name for _, attributes in elements.tags for name in attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"style", "srcset", "srcdoc", "action", "formaction", "background", "ping"}
    assert [attributes for attributes in elements.all("script")] == [
        {},
        {"type": "application/octet-stream", "id": "packed"},
    ]
    assert len(elements.all("style")) == 1
    assert not {tag for tag, _ in elements.tags} & {"img", "iframe", "object", "embed", "base", "audio", "video"}
    links = {
        str(value) for tag, attributes in elements.tags for name, value in attributes.items() if name in ("href", "src")
    }
    assert all(link.startswith(("#", "data:image/svg+xml,", "figures/", "tables/")) for link in links)
    assert not [link for link in links if link.count("/") > 1 and not link.startswith("data:")]


def test_no_character_that_acts_gets_onto_the_page() -> None:
    page = rendered(hostile_report())
    assert page.isprintable() or not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", page
    )
    page.encode("utf-8")
    assert "\\u202ekcab" in page
    assert "lone \\ud83d surrogate" in page
    assert "{{ 7 * 7 }}" in page


@given(st.text(min_size=1, max_size=20))
def test_any_text_stays_one_text(text: str) -> None:
    """The page has the same elements whatever a text holds, and an apostrophe, say, is one."""
    report = Report(text, (text,), ((text, text),), (Section("a", text, text, (Text(text), Text(text, code=True))),))
    plain = Report("x", ("x",), (("x", "x"),), (Section("a", "x", "x", (Text("x"), Text("x", code=True))),))
    assert [tag for tag, _ in Elements(render_page(report, {})).tags] == [
        tag for tag, _ in Elements(render_page(plain, {})).tags
    ]


def test_the_same_report_gives_the_same_page() -> None:
    assert rendered(quiet_report(few_sentences())) == rendered(quiet_report(few_sentences()))


def test_figures_and_tables_are_numbered_and_linked_to_as_files() -> None:
    section = Section("a", "A", "lead", (figure("x"), table("t"), figure("mixed@0.5 / ü"), table("../u")))
    page = rendered(Report("R", (), (), (section, Section("b", "B", "lead", (figure("y"),)))))
    links = [attributes["href"] for attributes in Elements(page).all("a")]
    assert "figures/x.svg" in links
    assert "figures/mixed%400.5%20%2F%20%C3%BC.png" in links
    assert "tables/..%2Fu.tex" in links
    assert [number for number in re.findall(r"<b>(\w+ \d)\.</b>", page)] == [
        "Figure 1",
        "Table 1",
        "Figure 2",
        "Table 2",
        "Figure 3",
    ]


def test_columns_that_are_not_left_are_numbers() -> None:
    cells = Elements(rendered(quiet_report())).all("td")
    assert [cell.get("class") for cell in cells[:5]] == ["short", "short", "number", "number", "number"]


def test_an_empty_table_says_so() -> None:
    page = rendered(Report("R", (), (), (Section("a", "A", "lead", (table(rows=[]),)),)))
    assert "There are no rows." in page


def test_what_comes_from_provenance_on_is_after_the_sentences() -> None:
    sections = tuple(Section(key, key, "lead") for key in ("one", "provenance", "two"))
    page = rendered(replace(quiet_report(few_sentences()), sections=sections))
    keys = [attributes["id"] for attributes in Elements(page).all("section") if "id" in attributes]
    assert keys == ["one", "sentences", "provenance", "two"]
    contents = [attributes["href"] for attributes in Elements(page).all("a") if not attributes.get("class")]
    assert contents == ["#main", "#one", "#sentences", "#provenance", "#two"]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ((Section("a", "A", ""), Section("a", "B", "")), "two sections of the report are called 'a'"),
        ((Section("sentences", "A", ""),), "'sentences', or one by a name that the page needs"),
        ((Section("a", "A", "", (figure("x"), figure("x"))),), "two figures of the report are called 'x'"),
        ((Section("a", "A", "", (table("x"), table("x"))),), "two tables of the report are called 'x'"),
        ((Section("a", "A", "", (Table("t", "T", ("one",), (("1", "2"),)),)),), "the table t has rows that do not fit"),
    ],
)
def test_names_that_are_not_one_of_a_kind_are_an_error(sections: tuple[Section, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rendered(Report("R", (), (), sections))


def test_a_figure_without_a_drawing_is_an_error() -> None:
    report = Report("R", (), (), (Section("a", "A", "", (figure("lost"),)),))
    with pytest.raises(ValueError, match="no drawing of the figure lost"):
        render_page(report, {"found": drawing()})


def test_the_files_of_the_page_are_resources_of_the_package() -> None:
    folder = files("nerkd_local.report.page")
    names = ["page.html.jinja", "page.css", *(f"scripts/{name}.js" for name in SCRIPTS)]
    for name in names:
        assert folder.joinpath(name).read_text(encoding="utf-8").strip()
    scripts = {path.name for path in folder.joinpath("scripts").iterdir()}
    assert scripts == {f"{name}.js" for name in SCRIPTS}


def test_the_script_and_the_legend_show_the_same_signs() -> None:
    source = files("nerkd_local.report.page").joinpath("scripts/rows.js").read_text(encoding="utf-8")
    (signs,) = re.findall(r"^const SIGNS = (\{.*\});$", source, re.MULTILINE)
    assert json.loads(re.sub(r"(\w+):", r'"\1":', signs)) == STATE_SIGNS


def test_figures_keep_their_parts_apart() -> None:
    parts = tuple(Figure(name, "t", "c", "a", lambda path: None) for name in ("x", "y"))
    page = rendered(Report("R", (), (), (Section("a", "A", "", parts),)))
    ids = [attributes["id"] for _, attributes in Elements(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {"f1-m0", "f2-m0"} <= set(ids)


def test_no_section_can_take_an_anchor_that_the_page_has() -> None:
    tags = Elements(rendered(quiet_report(few_sentences()))).tags
    ids = {str(attributes["id"]) for _, attributes in tags if "id" in attributes}
    own = {name for name in ids if not re.match(r"(figure-|table-|f)\d", name)}
    assert own == {*RESERVED, "regimens", "costs", "provenance"}
