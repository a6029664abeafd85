"""The page in headless Chromium, from a file and without a network; `opened` checks that nothing is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nerkd_local.report.page.render import PAGE_SIZE
from tests.report.page.opened import expect, ids, open_sentences, opened, select

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_it_opens_from_a_file_and_the_answer_is_there_at_once(chromium: Browser, quiet: Path) -> None:
    with opened(chromium, quiet) as page:
        assert page.title() == "A made-up run"
        expect(page.get_by_text("is better than original_only")).to_be_in_viewport()
        expect(page.get_by_text("2 of 5 seeds")).to_be_in_viewport()
        expect(page.get_by_role("img", name="F1 by regimen")).to_be_visible()
        expect(page.locator("td").first).to_have_text("original_only")


def test_without_scripts_all_but_the_sentences_is_there(chromium: Browser, quiet: Path) -> None:
    with opened(chromium, quiet, java_script_enabled=False) as page:
        expect(page.get_by_text("is better than original_only")).to_be_visible()
        expect(page.locator("td").first).to_be_visible()
        expect(page.get_by_text("need JavaScript to be shown")).to_be_visible()
        expect(page.locator("#browse")).to_be_hidden()
        expect(page.get_by_role("group", name="Colours")).to_be_hidden()


def test_the_keyboard_is_enough(chromium: Browser, quiet: Path) -> None:
    with opened(chromium, quiet) as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the answer")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_be_focused()
        page.keyboard.press("/")
        expect(page.get_by_label("Search the text")).to_be_focused()
        page.keyboard.type("zelitron / j")  # letters, here
        page.wait_for_selector("#browser[data-ready]")
        expect(page.locator("#count")).to_contain_text("0 of 8")
        for _ in range(4):
            page.keyboard.press("Backspace")
        expect(page.locator("#count")).to_contain_text("4 of 8")
        page.keyboard.press("Enter")
        rows = page.locator("#rows li")
        expect(rows.nth(0)).to_be_focused()
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        expect(rows.nth(2)).to_be_focused()
        page.keyboard.press("k")
        expect(rows.nth(1)).to_be_focused()
        expect(rows.nth(1)).to_be_in_viewport()
        page.keyboard.press("ArrowRight")
        expect(rows.nth(1).locator(".mention").nth(0)).to_be_focused()
        expect(page.get_by_role("tooltip")).to_contain_text("human: PER")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        expect(rows.nth(1)).to_be_focused()
        page.get_by_label("keys").uncheck()  # who speaks to the machine must be able to do without
        page.keyboard.press("/")
        expect(page.get_by_label("Search the text")).not_to_be_focused()


def test_the_focus_is_seen(page: Page) -> None:
    page.keyboard.press("/")
    outline = page.get_by_label("Search the text").evaluate("it => getComputedStyle(it).outlineStyle")
    assert outline == "solid"


def test_a_table_is_sorted_by_pointer_and_by_keyboard_and_gets_its_order_back(page: Page) -> None:
    def first_column() -> list[str]:
        return page.locator("tbody td:first-child").all_inner_texts()

    as_it_was = first_column()
    header = page.get_by_role("columnheader", name="F1")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert first_column() == ["linear", "original_only", "simple_mix", "mixed"]
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    assert first_column() == ["mixed", "simple_mix", "original_only", "linear"]
    page.keyboard.press("Space")
    expect(header).to_have_attribute("aria-sort", "none")
    assert first_column() == as_it_was
    # numbers with an interval after them; what has none stands last
    difference = page.get_by_role("columnheader", name="difference").get_by_role("button")
    difference.click()
    assert first_column() == ["linear", "simple_mix", "mixed", "original_only"]
    difference.click()
    assert first_column() == ["mixed", "simple_mix", "linear", "original_only"]
    page.get_by_role("columnheader", name="original").get_by_role("button").click()
    assert page.locator("tbody td:nth-child(3)").all_inner_texts() == ["100", "100", "250", "1,000"]


def ground(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


LIGHT, DARK = "rgb(246, 247, 249)", "rgb(15, 19, 24)"


def test_light_and_dark_are_the_systems_until_the_reader_says_so(
    chromium: Browser, quiet: Path, tmp_path: Path
) -> None:
    with opened(chromium, quiet, color_scheme="dark") as page:
        assert ground(page) == DARK
        paper = page.locator(".drawing path").first
        assert paper.evaluate("it => getComputedStyle(it).fill") == "rgb(23, 28, 35)"
        page.screenshot(path=tmp_path / "dark.png")
        page.get_by_role("radio", name="light").check()
        assert ground(page) == LIGHT
        page.screenshot(path=tmp_path / "light.png")
        page.reload()
        assert ground(page) == LIGHT
        expect(page.get_by_role("radio", name="light")).to_be_checked()
        page.get_by_role("radio", name="system").check()
        assert ground(page) == DARK
        page.reload()
        expect(page.get_by_role("radio", name="system")).to_be_checked()
    assert (tmp_path / "dark.png").read_bytes() != (tmp_path / "light.png").read_bytes()
    with opened(chromium, quiet, color_scheme="light") as page:
        assert ground(page) == LIGHT
        page.get_by_role("radio", name="dark").check()
        assert ground(page) == DARK


def test_a_browser_that_refuses_storage_does_no_harm(chromium: Browser, quiet: Path) -> None:
    refusing = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } });"
    with opened(chromium, quiet, script=refusing) as page:
        page.get_by_role("radio", name="dark").check()
        assert ground(page) == DARK
        open_sentences(page)
        assert len(ids(page)) == 8


def test_a_command_can_be_copied(page: Page) -> None:
    button = page.get_by_role("button", name="Copy", exact=True)
    button.click()
    expect(page.locator(".copy")).to_have_text("Copied")
    page.get_by_label("Search the text").fill("")
    page.get_by_label("Search the text").press("Control+v")
    expect(page.get_by_label("Search the text")).to_have_value("nerkd run settings.yaml")


def test_the_contents_follow_the_reader(page: Page) -> None:
    page.set_viewport_size({"width": 1300, "height": 800})
    page.get_by_role("navigation", name="Contents").get_by_role("link", name="Every regimen").click()
    current = page.locator(".contents [aria-current]")
    expect(current).to_have_text("Every regimen")
    expect(page.get_by_role("heading", name="Every regimen")).to_be_in_viewport()


@pytest.mark.parametrize("name", ["quiet", "hostile"])
def test_a_narrow_screen_scrolls_down_only(
    chromium: Browser, request: pytest.FixtureRequest, name: str, tmp_path: Path
) -> None:
    path = request.getfixturevalue(name)
    with opened(chromium, path, viewport={"width": 360, "height": 740}) as page:
        open_sentences(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.screenshot(path=tmp_path / "narrow.png")
        figure = page.locator(".drawing").first
        assert figure.evaluate("it => it.scrollWidth > it.clientWidth")  # its text stays readable: it scrolls by itself
    assert (tmp_path / "narrow.png").stat().st_size > 10_000


def test_paper_gets_no_controls_light_colours_and_the_sentences_shown(
    chromium: Browser, paged: Path, tmp_path: Path
) -> None:
    with opened(chromium, paged, color_scheme="dark") as page:
        open_sentences(page)
        select(page, "Disagreement").select_option("annotator against human")
        page.get_by_role("radio", name="dark").check()
        page.emulate_media(media="print", color_scheme="dark")
        assert ground(page) == "rgb(255, 255, 255)"
        ink = page.locator("h1").evaluate("it => getComputedStyle(it).color")
        assert ink == "rgb(27, 31, 36)"
        for hidden in ("#browse", ".theme", ".contents", ".copy", ".pager", ".skip"):
            expect(page.locator(hidden).first).to_be_hidden()
        expect(page.locator("#view")).to_have_text(
            f"Printed as shown, at most {PAGE_SIZE} sentences at a time; Disagreement: annotator against human"
        )
        assert page.locator(".figure").first.evaluate("it => getComputedStyle(it).breakInside") == "avoid"
        assert page.locator("#rows li").count() == PAGE_SIZE
        printed = page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert printed.startswith(b"%PDF")
    pages = max(int(number) for number in re.findall(rb"/Count (\d+)", printed))
    assert pages > 5


RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_to_mend(chromium: Browser, quiet: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with opened(chromium, quiet, color_scheme=scheme, viewport={"width": width, "height": 900}) as page:
        open_sentences(page)
        page.locator("#rows .mention").first.focus()
        found = Axe().run(page, options={**RULES, "resultTypes": ["violations"]})
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found.response["violations"]] == []


def test_what_a_screen_reader_is_told(page: Page) -> None:
    expect(page.get_by_role("main")).to_match_aria_snapshot("""
        - main:
          - region "The answer":
            - heading "The answer" [level=2]
          - region "Before you rely on it":
            - list:
              - listitem: 2 of 5 seeds are not finished.
          - navigation "Contents":
            - list
          - heading "Every regimen" [level=2]
          - figure "Figure 1. F1 by regimen":
            - group "Figure 1":
              - img "F1 by regimen"
          - figure "Table 1. Strict F1":
            - group "Table 1. Strict F1":
              - table "Table 1. Strict F1"
          - search "Sentences":
            - searchbox "Search the text, or a sentence's id /"
            - combobox "From"
            - combobox "Labels of"
            - combobox "Type"
            - combobox "Mention"
            - combobox "Annotator's answer"
            - combobox "Disagreement"
            - group "Show"
          - status: 8 of 8 sentences; here 1 to 8
          - list "Sentences found"
    """)
