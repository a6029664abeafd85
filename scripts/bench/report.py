"""How large a report with many sentences is, and how fast it opens and answers, in headless Chromium from a file.

    python scripts/bench/report.py                        # 20,000 made-up sentences with five layers of labels
    python scripts/bench/report.py PAGE.html              # a report that is there
    python scripts/bench/report.py --sentences 100000 --layers 8

Each opening is a tab of its own without a network; medians, least and most. From the start of the navigation:

- first paint     the answer can be read
- usable          the sentences are unpacked and the first of them laid out, asked for as soon as the page is parsed
                  (who does not ask for them pays nothing: they are unpacked when they come near)
- unpacking       of that, from asking to the first of them
- keystroke       from a key in the search to the next frame with its result, over the letters of a word

Needs Chromium (apt-get install chromium) and the development packages. Run it on a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rates import say

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))  # the tests' made-up report

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from nerkd_local.machine import describe_cpu  # noqa: E402
from nerkd_local.report.page.render import render_page  # noqa: E402
from tests.report.page.made_up import drawings, many_sentences, quiet_report  # noqa: E402

# Times as the page's own clock has them, in milliseconds from the start of the navigation.
_WATCH = """
addEventListener("DOMContentLoaded", () => {
  const browser = document.getElementById("browser");
  const ready = new MutationObserver(() => { window.usable = performance.now(); });
  ready.observe(browser, { attributeFilter: ["data-ready"] });
  window.asked = performance.now();
  browser.dispatchEvent(new FocusEvent("focusin"));
});
"""
_KEY = """(key) => new Promise((done) => {
  const input = document.querySelector("#browse [name=q]");
  const started = performance.now();
  input.value += key;
  input.dispatchEvent(new InputEvent("input", { bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - started)));
})"""


def opening(page: Page, path: Path, word: str) -> dict[str, list[float]]:
    """One opening's times, in milliseconds."""
    page.add_init_script(_WATCH)
    page.goto(path.as_uri())
    page.wait_for_selector("#browser[data-ready]")
    (paint,) = page.evaluate("performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)")
    asked, usable = page.evaluate("[window.asked, window.usable]")
    page.locator("#browser").scroll_into_view_if_needed()
    keys = [float(page.evaluate(_KEY, letter)) for letter in word]
    return {"first paint": [paint], "usable": [usable], "unpacking": [usable - asked], "keystroke": keys}


def made_page(folder: Path, sentences: int, layers: int) -> Path:
    """A made-up report in that folder."""
    many = many_sentences(sentences, students=layers - 2)
    made = time.perf_counter()
    report = quiet_report(many)
    path = folder / "index.html"
    path.write_text(render_page(report, drawings(report)), encoding="utf-8")
    characters = statistics.mean(len(row.text) for row in many.sentences)
    say(f"{sentences:,} sentences of {characters:.0f} characters with {layers} layers of labels")
    say(f"page made in {time.perf_counter() - made:.1f} s")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, nargs="?", help="a report; without, one is made up")
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--layers", type=int, default=5, help="human, annotator and students: at least 2")
    parser.add_argument("--openings", type=int, default=7)
    parser.add_argument("--word", default="minister", help="typed letter by letter")
    options = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        parser.error("there is no Chromium (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = options.page or made_page(Path(folder), options.sentences, options.layers)
        say(f"size {path.stat().st_size / 1e6:.2f} MB")
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        say(f"Chromium {browser.version} on {describe_cpu()}, {options.openings} openings")
        times: dict[str, list[float]] = {}
        for _ in range(options.openings):
            context = browser.new_context(offline=True)
            for name, values in opening(context.new_page(), path.resolve(), options.word).items():
                times.setdefault(name, []).extend(values)
            context.close()
        browser.close()
    for name, values in times.items():
        say(f"{name:<12} {statistics.median(values):6.0f} ms ({min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main()
