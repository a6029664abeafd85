"""The sentence browser in headless Chromium; `opened` checks that nothing is asked for and nothing hostile runs."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nerkd_local.report.page.render import PAGE_SIZE
from nerkd_local.report.parts import Mention, Section, Sentence, Sentences, Text
from tests.report.page.made_up import HOSTILE, few_sentences, many_sentences, quiet_report
from tests.report.page.opened import count, expect, ids, open_sentences, opened, select, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_a_browser_that_cannot_unpack_says_so(chromium: Browser, quiet: Path) -> None:
    with opened(chromium, quiet, script="delete window.DecompressionStream;") as page:
        page.locator("#browser").scroll_into_view_if_needed()
        expect(page.locator("#count")).to_contain_text("cannot be shown: this browser cannot unpack them")
        expect(page.locator("#browse")).to_be_hidden()


def test_sentences_are_unpacked_only_when_they_are_near(chromium: Browser, tmp_path: Path) -> None:
    tall = Section("tall", "Tall", "lead", tuple(Text("A line.\n" * 200) for _ in range(3)))
    report = replace(quiet_report(few_sentences()), sections=(tall,))
    with opened(chromium, write(tmp_path / "index.html", report)) as page:
        expect(page.locator("#count")).to_have_text("8 sentences")
        assert page.locator("#rows li").count() == 0
        assert page.locator("#packed").evaluate("it => it.textContent.length") > 100
        page.keyboard.press("/")  # asks for them from afar
        page.wait_for_selector("#browser[data-ready]")
        assert count(page) == "8 of 8 sentences; here 1 to 8"
        assert page.locator("#packed").evaluate("it => it.textContent.length") == 0


@pytest.mark.parametrize(
    ("query", "word", "found"),
    [
        ("zelitron", False, ["dev-1", "dev-2", "news-1", "news-2"]),
        ("zelitron", True, ["dev-1", "dev-2", "news-1"]),
        ("  ZELITRON   corp ", True, ["dev-1", "dev-2"]),
        ("istanbul", False, ["dev-4"]),
        ("$5 (or 5*5) [sic]", False, ["news-4"]),
        ("5", True, ["news-4"]),
        ("here, a", False, ["news-3"]),  # across the end of a line
        ("עדה", True, ["dev-3"]),
        ("\N{GRINNING FACE}", False, ["dev-2"]),
        ("news-2", False, ["news-2"]),  # an id, in full
        ("news-", False, []),
        ("\\", False, []),
        (".", False, ["dev-1", "dev-2", "dev-4", "news-1", "news-2", "news-3", "news-4"]),
    ],
)
def test_search(cleared: Page, query: str, word: bool, found: list[str]) -> None:
    cleared.get_by_label("Search the text").fill(query)
    cleared.get_by_label("whole words").set_checked(word)
    expect(cleared.locator("#count")).to_contain_text(f"{len(found)} of 8 sentences")
    assert ids(cleared) == found


def test_what_was_searched_for_is_marked_across_the_borders_of_mentions(page: Page) -> None:
    page.get_by_label("Search the text").fill("that zelitron CORP w")
    row = page.locator("#rows li").first
    expect(row.locator(".layer").nth(0).locator("mark")).to_have_text(["that Zelitron Corp w"])
    # the other student takes part of it for a mention: three pieces, in and out of it
    expect(row.locator(".layer").nth(3).locator("mark")).to_have_text(["that ", "Zelitron Corp", " w"])
    assert row.locator(".layer").nth(3).locator(".mention mark").all_text_contents() == ["Zelitron Corp"]


def test_where_nothing_is_found_the_page_says_so(page: Page) -> None:
    page.get_by_label("Search the text").fill("nobody wrote this")
    expect(page.get_by_text("No sentence is like this")).to_be_visible()
    expect(page.locator("#count")).to_have_text("0 of 8 sentences")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("No sentence is like this")).to_be_hidden()
    expect(page.locator("#count")).to_have_text("8 of 8 sentences; here 1 to 8")


STUDENT, OTHER = "simple_mix, seed 0", "original_only, seed 0"


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"From": "news"}, ["news-1", "news-2", "news-3", "news-4"]),
        ({"Labels of": "annotator"}, ["dev-1", "dev-2", "dev-4", "news-1", "news-2", "news-3", "news-4"]),
        ({"Labels of": "human"}, ["dev-1", "dev-2", "dev-3", "dev-4"]),
        ({"Type": "ORG"}, ["dev-1", "dev-2", "news-1"]),
        ({"Type": "ORG", "Labels of": "annotator"}, ["dev-2", "news-1"]),
        ({"Mention": "right", "Labels of": "annotator"}, ["dev-1", "dev-2"]),
        ({"Mention": "wrong type", "Labels of": "annotator"}, ["dev-1"]),
        ({"Mention": "wrong type", "Labels of": STUDENT}, []),
        ({"Mention": "wrong boundary"}, ["dev-1"]),
        ({"Mention": "wrong type and boundary", "Labels of": OTHER}, ["dev-1"]),
        ({"Mention": "spurious: not in the human labels", "Labels of": OTHER}, ["dev-1"]),
        ({"Mention": "spurious: not in the human labels", "Labels of": "annotator"}, []),
        ({"Mention": "missed: only in the human labels"}, ["dev-1"]),
        ({"Mention": "not known: no human labels", "Labels of": "annotator"}, ["news-1"]),
        # type and state are asked of the same mention
        ({"Type": "LOC", "Mention": "wrong type"}, ["dev-1"]),
        ({"Type": "PER", "Mention": "wrong type"}, []),
        ({"Annotator's answer": "repaired"}, ["news-1"]),
        ({"Annotator's answer": "truncated"}, ["dev-3"]),
        ({"Annotator's answer": "none"}, ["dev-4"]),
        ({"Disagreement": "annotator against human"}, ["dev-1"]),
        ({"Disagreement": f"{STUDENT} against human"}, ["dev-3"]),
        ({"Disagreement": f"{OTHER} against human"}, ["dev-1", "dev-3"]),
        ({"Disagreement": f"annotator against {STUDENT}"}, ["dev-1"]),
        ({"Disagreement": f"annotator wrong, {STUDENT} right"}, ["dev-1"]),
        ({"Disagreement": f"annotator wrong, {OTHER} right"}, []),
        ({"Disagreement": f"{OTHER} against human", "Annotator's answer": "truncated"}, ["dev-3"]),
    ],
)
def test_every_filter(cleared: Page, chosen: dict[str, str], found: list[str]) -> None:
    for label, option in chosen.items():
        select(cleared, label).select_option(label=option)
    expect(cleared.locator("#count")).to_contain_text(f"{len(found)} of 8 sentences")
    assert ids(cleared) == found


def test_a_layer_that_is_not_chosen_is_not_shown(page: Page) -> None:
    first = page.locator("#rows li").first
    expect(first.locator("dt .name")).to_have_text(["human", "annotator", STUDENT, OTHER])
    page.get_by_role("checkbox", name="annotator").uncheck()
    page.get_by_role("checkbox", name=OTHER).uncheck()
    expect(first.locator("dt .name")).to_have_text(["human", STUDENT])
    for name in ("human", STUDENT):
        page.get_by_role("checkbox", name=name, exact=True).uncheck()
    expect(first.locator(".plain")).to_have_text(re.compile("^Coach Ada Norwin"))
    assert len(ids(page)) == 8


def test_layers_stand_side_by_side_where_there_is_room(page: Page) -> None:
    page.set_viewport_size({"width": 1500, "height": 900})

    def tops() -> set[float]:
        return {
            box["y"]
            for layer in page.locator("#rows li").first.locator(".layer").all()
            if (box := layer.bounding_box())
        }

    assert len(tops()) == 4
    page.get_by_label("side by side").check()
    expect(page.locator("#rows")).to_have_class("columns")
    assert len(tops()) < 4


def test_what_a_layer_says_stands_beside_its_name(page: Page) -> None:
    agrees = page.locator("#rows li").first.locator(".agrees")
    expect(agrees).to_have_text(["differs", "as human", "differs"])
    expect(page.locator("#rows li").nth(4).locator(".silent")).to_have_text(
        f"not labelled by human, {STUDENT}, {OTHER}"
    )


def test_offsets_are_code_points_whatever_a_script_counts(page: Page) -> None:
    layer = page.locator("#rows li").nth(1).locator(".layer").first
    assert layer.locator(".mention").all_text_contents() == ["Ada Norwin", "Zelitron Corp", "Fridale"]
    assert layer.locator("dd").text_content() == few_sentences().sentences[1].text


def test_right_to_left_text_stands_so_and_moves_nothing_else(page: Page) -> None:
    hebrew = page.locator("#rows li").nth(2).locator("dd").first
    assert hebrew.evaluate("it => getComputedStyle(it).direction") == "rtl"
    assert page.locator("#rows li").nth(1).locator("dd").first.evaluate("it => getComputedStyle(it).direction") == "ltr"


def test_states_are_told_apart_without_colour(page: Page) -> None:
    """By the sign beside the type and by the line, both of which the legend names."""
    layer = page.locator("#rows li").first.locator(".layer").nth(3)
    assert [mention.get_attribute("data-tag") for mention in layer.locator(".mention").all()] == [
        "PER\N{NO-BREAK SPACE}B",
        "PER\N{NO-BREAK SPACE}TB",
        "ORG\N{NO-BREAK SPACE}+",
        "LOC\N{NO-BREAK SPACE}−",
    ]
    look = """(mention) => {
        const line = getComputedStyle(mention.querySelector(".words"));
        return [line.textDecorationLine, line.textDecorationStyle, getComputedStyle(mention).outlineStyle];
    }"""
    looks = [tuple(mention.evaluate(look)) for mention in page.locator("#rows li").first.locator(".mention").all()]
    assert len(set(looks)) == 6
    expect(page.locator(".legend li")).to_have_count(3 + 6)


def test_what_a_mention_is_worth_is_said_under_pointer_and_focus(page: Page) -> None:
    tip = page.get_by_role("tooltip")
    mentions = page.locator("#rows li").first.locator(".layer").nth(1).locator(".mention")
    mentions.nth(1).hover()
    expect(tip.locator("> span")).to_have_text(
        ["annotator: LOC", "right boundaries, wrong type", "confidence 0.61", "human: ORG “Fridale Post”"]
    )
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    mentions.nth(2).focus()
    expect(tip.locator("> span")).to_have_text(["annotator: LOC", "right", "confidence 0.99"])
    expect(mentions.nth(2)).to_have_attribute("aria-describedby", "tip")


def test_the_address_holds_the_view(chromium: Browser, quiet: Path) -> None:
    with opened(chromium, quiet) as page:
        open_sentences(page)
        page.get_by_label("Search the text").fill("a & b=c #1 Zelitron")
        page.get_by_label("Search the text").fill("Zelitron")
        page.get_by_label("whole words").check()
        select(page, "From").select_option("dev")
        select(page, "Labels of").select_option("annotator")
        select(page, "Type").select_option("LOC")
        select(page, "Mention").select_option("wrong type")
        select(page, "Annotator's answer").select_option("accepted")
        select(page, "Disagreement").select_option(f"annotator wrong, {STUDENT} right")
        page.get_by_role("checkbox", name="human").uncheck()
        page.get_by_label("side by side").check()
        expect(page).to_have_url(re.compile("columns=1"))
        address = str(page.evaluate("location.hash"))
        assert ids(page) == ["dev-1"]
    with opened(chromium, quiet, address) as page:
        page.wait_for_selector("#browser[data-ready]")
        expect(page.locator("#sentences")).to_be_in_viewport()
        assert ids(page) == ["dev-1"]
        expect(page.get_by_label("Search the text")).to_have_value("Zelitron")
        expect(page.get_by_label("whole words")).to_be_checked()
        for label, chosen in (
            ("From", "dev"),
            ("Labels of", "annotator"),
            ("Type", "LOC"),
            ("Mention", "wrong type"),
            ("Annotator's answer", "accepted"),
            ("Disagreement", f"annotator wrong, {STUDENT} right"),
        ):
            assert select(page, label).locator("option:checked").inner_text() == chosen
        expect(page.get_by_role("checkbox", name="human")).not_to_be_checked()
        expect(page.locator("#rows")).to_have_class("columns")
        # back to all, and the address says nothing any more but which layers: none of that either
        page.get_by_role("button", name="Clear").click()
        expect(page).to_have_url(re.compile("#sentences$"))
        page.evaluate(f"location.hash = {address!r}")
        expect(page.locator("#count")).to_contain_text("1 of 8")


@pytest.mark.parametrize(
    "address",
    [
        "#sentences?type=NOTHING&state=x&group=&layer=nobody&differ=differ&of=a&of=b&page=-3",
        "#sentences?page=999999999999&answer=%00",
        "#sentences?page=x&differ=lead:0:0&show=x&q=",
        "#sentences?%E0%A4%A",
        "#nowhere",
    ],
)
def test_an_address_of_another_report_does_no_harm(chromium: Browser, quiet: Path, address: str) -> None:
    with opened(chromium, quiet, address) as page:
        open_sentences(page)
        assert len(ids(page)) == 8


def test_a_search_in_the_address_is_text(chromium: Browser, quiet: Path) -> None:
    query = "#sentences?q=%3Cimg+src%3Dx+onerror%3D%22window.hacked%3D7%22%3E%5B("
    with opened(chromium, quiet, query) as page:
        page.wait_for_selector("#browser[data-ready]")
        expect(page.get_by_label("Search the text")).to_have_value('<img src=x onerror="window.hacked=7">[(')
        assert page.locator("img").count() == 0


def test_only_a_page_of_sentences_is_laid_out(chromium: Browser, paged: Path, some: Sentences) -> None:
    names = [row.id for row in some.sentences]
    with opened(chromium, paged) as page:
        open_sentences(page)
        above = page.get_by_role("navigation", name="above")
        assert ids(page) == names[:PAGE_SIZE]
        expect(above.get_by_label("Previous page")).to_be_disabled()
        above.get_by_label("Next page").click()
        assert ids(page) == names[PAGE_SIZE : 2 * PAGE_SIZE]
        assert count(page) == "170 of 170 sentences; here 51 to 100"
        page.get_by_role("navigation", name="below").get_by_label("Last page").click()
        assert ids(page) == names[3 * PAGE_SIZE :]
        expect(above.get_by_label("Next page")).to_be_disabled()
        number = above.get_by_role("spinbutton")
        number.fill("2")
        number.press("Enter")
        assert ids(page) == names[PAGE_SIZE : 2 * PAGE_SIZE]
        expect(page).to_have_url(re.compile(r"#sentences\?page=2$"))
        # keys go on across the border of pages, both ways
        page.locator("#rows li").last.focus()
        page.keyboard.press("j")
        assert ids(page)[0] == names[2 * PAGE_SIZE]
        expect(page.locator("#rows li").first).to_be_focused()
        page.keyboard.press("k")
        expect(page.locator("#rows li").last).to_be_focused()
        assert ids(page)[-1] == names[2 * PAGE_SIZE - 1]
        number.fill("77")
        number.press("Enter")
        expect(number).to_have_value("4")
        # another question begins at its first page
        select(page, "Disagreement").select_option("annotator against human")
        expect(number).to_have_value("1")


def test_filters_find_what_the_sentences_say(chromium: Browser, paged: Path, some: Sentences) -> None:
    """Against the same questions asked in Python."""

    def mentions(row: object, layer: str) -> list[tuple[int, int, str]]:
        found = row.labels[layer]  # type: ignore[attr-defined]
        return [(one.start, one.end, one.label) for one in found if one.state != "missed"]

    rows = some.sentences
    expected = {
        "annotator against human": [row.id for row in rows if mentions(row, "annotator") != mentions(row, "human")],
        "student 1 against human": [row.id for row in rows if mentions(row, "student 1") != mentions(row, "human")],
        "annotator against student 2": [
            row.id for row in rows if mentions(row, "annotator") != mentions(row, "student 2")
        ],
        "annotator wrong, student 0 right": [
            row.id
            for row in rows
            if any(
                one not in mentions(row, "annotator") and one in mentions(row, "student 0")
                for one in mentions(row, "human")
            )
        ],
    }
    with opened(chromium, paged) as page:
        open_sentences(page)
        hidden = page.get_by_role("checkbox", name="student 2")
        expect(hidden).not_to_be_checked()
        for option, names in expected.items():
            select(page, "Disagreement").select_option(option)
            expect(page.locator("#count")).to_contain_text(f"{len(names)} of 170")
            assert 0 < len(names) < 170
            assert ids(page) == names[:PAGE_SIZE]
        expect(hidden).to_be_checked()  # whoever was asked about is shown


def test_without_sentences_and_without_human_labels_there_is_a_page_too(chromium: Browser, tmp_path: Path) -> None:
    nothing = replace(few_sentences(), sentences=[])
    with opened(chromium, write(tmp_path / "nothing.html", quiet_report(nothing))) as page:
        open_sentences(page)
        assert count(page) == "0 of 0 sentences"
        expect(page.get_by_text("No sentence is like this")).to_be_visible()
        page.get_by_label("Search the text").fill("x")
    labels = {"annotator": [Mention(0, 3, "PER", confidence=0.5)]}
    alone = Sentences([Sentence("a", "Ada", "dev", labels)], ("annotator",), {"annotator": "annotator"}, ("dev",))
    with opened(chromium, write(tmp_path / "alone.html", quiet_report(alone))) as page:
        open_sentences(page)
        page.locator("#rows .mention").hover()
        expect(page.get_by_role("tooltip").locator("> span")).to_have_text(["annotator: PER", "confidence 0.50"])
        expect(page.locator("#rows .agrees")).to_have_count(0)


def test_hostile_text_is_shown_and_never_run(chromium: Browser, hostile: Path) -> None:
    with opened(chromium, hostile) as page:
        open_sentences(page)
        assert len(ids(page)) == len(HOSTILE)
        assert page.locator("script").count() == 2
        assert page.locator("img, iframe, #rows style, #rows script").count() == 0
        for number, text in enumerate(HOSTILE):
            shown = page.locator("#rows li").nth(number).locator("dd").first.text_content()
            acting = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202a-\u202e\u2066-\u2069]")
            whole = f"{text} {text}".replace("\ud83d", "\N{REPLACEMENT CHARACTER}")
            assert shown == acting.sub(lambda found: f"\\u{ord(found[0]):04x}", whole)
        page.locator("#rows .mention").first.hover()
        expect(page.get_by_role("tooltip")).to_contain_text("<script>window.hacked = 1</script>")
        for text in (HOSTILE[0], HOSTILE[2], HOSTILE[7]):
            page.get_by_label("Search the text").fill(text)
            expect(page.locator("#count")).to_contain_text(f"1 of {len(HOSTILE)} sentences")
        page.get_by_role("button", name="Clear").click()
        for label in ("From", "Type", "Annotator's answer"):
            select(page, label).select_option(HOSTILE[2])
        expect(page.locator("#count")).to_contain_text(f"1 of {len(HOSTILE)} sentences")
        expect(page).to_have_url(re.compile("group="))
        assert "\\u202ekcab" in page.locator("#part-7").inner_text()
        page.locator("th button").first.click()


@pytest.mark.slow
def test_twenty_thousand_sentences_are_small_and_usable(chromium: Browser, tmp_path: Path) -> None:
    sentences = many_sentences(20_000)
    path = write(tmp_path / "index.html", quiet_report(sentences))
    assert path.stat().st_size < 5_000_000
    word = sentences.sentences[12_345].text.split()[1]
    expected = [row.id for row in sentences.sentences if word.lower() in row.text.lower()]
    with opened(chromium, path) as page:
        open_sentences(page)
        assert count(page) == "20,000 of 20,000 sentences; here 1 to 50"
        assert page.locator("#rows li").count() == PAGE_SIZE
        page.get_by_label("Search the text").press_sequentially(word)
        expect(page.locator("#count")).to_contain_text(f"{len(expected):,} of 20,000 sentences")
        assert ids(page) == expected[:PAGE_SIZE]
        page.get_by_label("Search the text").fill("")
        page.get_by_role("navigation", name="above").get_by_label("Last page").click()
        assert ids(page)[-1] == sentences.sentences[-1].id
