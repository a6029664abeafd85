"""Pages as files, and in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nerkd_local.report.page.render import PAGE_SIZE
from nerkd_local.report.parts import Sentences
from tests.report.page.made_up import few_sentences, hostile_report, many_sentences, quiet_report
from tests.report.page.opened import expect, open_sentences, opened, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("quiet") / "index.html", quiet_report(few_sentences()))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("hostile") / "index.html", hostile_report())


@pytest.fixture(scope="module")
def some() -> Sentences:
    """As many as make three pages and a bit."""
    return many_sentences(3 * PAGE_SIZE + 20)


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory, some: Sentences) -> Path:
    return write(tmp_path_factory.mktemp("paged") / "index.html", quiet_report(some))


@pytest.fixture
def page(chromium: Browser, quiet: Path) -> Iterator[Page]:
    """The quiet report with its sentences open."""
    with opened(chromium, quiet) as page:
        open_sentences(page)
        yield page


@pytest.fixture(scope="module")
def one_page(chromium: Browser, quiet: Path) -> Iterator[Page]:
    with opened(chromium, quiet) as page:
        open_sentences(page)
        yield page


@pytest.fixture
def cleared(one_page: Page) -> Page:
    """The same page for many questions."""
    one_page.get_by_role("button", name="Clear").click()
    expect(one_page.locator("#count")).to_have_text("8 of 8 sentences; here 1 to 8")
    return one_page
