from __future__ import annotations

import pytest

from nerkd_local.bundle.activate import activate
from nerkd_local.bundle.install import install
from nerkd_local.bundle.rollback import before_of
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.state import State, read_state
from nerkd_local.bundle.tool import main
from nerkd_local.errors import InputError
from tests.bundle.conftest import Bundles
from tests.bundle.toolkit import active_version_runs


@pytest.fixture
def two(bundles: Bundles, root: Root) -> Root:
    """Both installed; the first one is active."""
    bundles.receive(root, 1, 2)
    install(root, "1")
    install(root, "2", activate=False)
    return root


def test_the_version_that_was_active_is_noted(bundles: Bundles, two: Root) -> None:
    assert before_of(two, bundles.version(1)) is None
    assert activate(two, "2") == bundles.version(1)
    assert active_version_runs(two) == "0.2"
    assert before_of(two, bundles.version(2)) == bundles.version(1)


def test_activating_what_is_active_changes_nothing(bundles: Bundles, two: Root) -> None:
    activate(two, "2")
    assert activate(two, "2") == bundles.version(2)
    assert before_of(two, bundles.version(2)) == bundles.version(1), "it is not its own predecessor"


def test_the_highest_sequence_is_noted_and_never_falls(bundles: Bundles, two: Root) -> None:
    assert read_state(two) == State("toolkit", 1, bundles.version(1)), "what was never active does not count"
    activate(two, "2")
    activate(two, "1")
    assert two.active() == bundles.version(1)
    assert read_state(two) == State("toolkit", 2, bundles.version(2))


def test_what_is_not_installed_cannot_be_activated(bundles: Bundles, two: Root) -> None:
    bundles.receive(two, 3)
    with pytest.raises(InputError, match=r"no version '3' is installed here \(installed: 000001-\w+, 000002-"):
        activate(two, "3")
    two.installed(bundles.version(2)).unlink()
    with pytest.raises(InputError, match="installed"):
        activate(two, "2")
    assert two.active() == bundles.version(1)


def test_the_link_can_be_moved_with_its_root(bundles: Bundles, two: Root) -> None:
    assert not two.current.readlink().is_absolute()


def test_the_command_says_from_what_to_what(bundles: Bundles, two: Root, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["activate", "2", "--root", str(two.path)]) == 0
    assert main(["activate", "2", "--root", str(two.path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"active: {bundles.version(2)} (before: {bundles.version(1)})",
        f"{bundles.version(2)} is active already",
    ]
