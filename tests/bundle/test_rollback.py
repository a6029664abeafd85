from __future__ import annotations

import shutil

import pytest

from nerkd_local.bundle.activate import activate
from nerkd_local.bundle.install import install
from nerkd_local.bundle.rollback import rollback
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.tool import main
from nerkd_local.errors import InputError
from tests.bundle.conftest import Bundles
from tests.bundle.toolkit import active_version_runs


@pytest.fixture
def three(bundles: Bundles, root: Root) -> Root:
    """All installed and active one after the other."""
    bundles.receive(root, 1, 2, 3)
    for sequence in "123":
        install(root, sequence)
    return root


def test_each_call_goes_one_further_back(bundles: Bundles, three: Root) -> None:
    assert rollback(three) == (bundles.version(3), bundles.version(2))
    assert active_version_runs(three) == "0.2"
    assert rollback(three) == (bundles.version(2), bundles.version(1))
    assert active_version_runs(three) == "0.1"
    with pytest.raises(InputError, match="nothing was active before 000001"):
        rollback(three)
    assert active_version_runs(three) == "0.1"


def test_what_was_left_can_be_activated_again(bundles: Bundles, three: Root) -> None:
    rollback(three)
    activate(three, "3")
    assert rollback(three) == (bundles.version(3), bundles.version(2))


def test_there_is_nothing_to_go_back_to_where_nothing_is_active(root: Root) -> None:
    with pytest.raises(InputError, match="nothing is active"):
        rollback(root)


def test_a_version_that_is_gone_is_named_and_the_others_offered(bundles: Bundles, three: Root) -> None:
    shutil.rmtree(three.version(bundles.version(2)))
    with pytest.raises(InputError, match=rf"{bundles.version(2)}.*not installed any more \(installed: 000001"):
        rollback(three)
    assert three.active() == bundles.version(3)


def test_the_command_says_how_to_go_forward_again(
    bundles: Bundles, three: Root, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollback", "--root", str(three.path)]) == 0
    out = capsys.readouterr().out
    assert f"active: {bundles.version(2)}" in out
    assert f"activate {bundles.version(3)}" in out
