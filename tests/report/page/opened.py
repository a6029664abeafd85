"""A page in a real browser, watched: whatever it asks for, complains of or runs that it should not is kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nerkd_local.report.page.render import render_page
from nerkd_local.report.parts import Report
from tests.report.page.made_up import HOSTILE, drawings

if find_spec("playwright"):
    from playwright.sync_api import expect as expect
else:
    expect = None  # the fixture `chromium` says what is missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


@contextmanager
def opened(browser: Browser, path: Path, address: str = "", script: str = "", **settings: Any) -> Iterator[Page]:
    """The file in a tab of its own without a network. `address` is what comes after the file's name, `script` runs
    before anything on the page. When the block ends the tab is closed, and it fails if the page asked for anything
    else, wrote to the console, raised an error, met its own policy, or ran hostile text."""
    context = browser.new_context(offline=True, **settings)
    page = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    # of this page's own scripts the policy says nothing: they come from outside
    page.add_init_script(_WATCH + script)
    try:
        page.goto(path.as_uri() + address)
        yield page
        if settings.get("java_script_enabled", True):
            assert page.evaluate("window.violations") == []
            assert page.evaluate("typeof window.hacked") == "undefined"
        assert complaints == []
        assert {url.partition("#")[0] for url in requests if not url.startswith("data:image/svg")} == {path.as_uri()}
    finally:
        context.close()


def open_sentences(page: Page) -> None:
    """Down to the sentences, until they are there."""
    page.locator("#browser").scroll_into_view_if_needed()
    page.wait_for_selector("#browser[data-ready]")


def ids(page: Page) -> list[str]:
    """The sentences shown."""
    return page.locator("#rows .id").all_text_contents()


def count(page: Page) -> str:
    return page.locator("#count").inner_text()


def select(page: Page, name: str) -> Locator:
    return page.get_by_role("combobox", name=name, exact=True)


def write(path: Path, report: Report) -> Path:
    path.write_text(render_page(report, drawings(report, " ".join(HOSTILE[:4]))), encoding="utf-8")
    return path
