from __future__ import annotations

from dataclasses import replace

import pytest

from nerkd_local.bundle.refusals import Corrupt, LowerSequence
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.state import State, raise_state, read_state, require_successor
from nerkd_local.errors import InputError
from tests.bundle.conftest import Bundles


@pytest.fixture
def second(bundles: Bundles, root: Root) -> Root:
    """The second bundle was active."""
    root.path.mkdir()
    raise_state(root, bundles.manifests[2])
    return root


def test_before_the_first_anything_may_come(bundles: Bundles, root: Root) -> None:
    assert read_state(root) is None
    for manifest in bundles.manifests.values():
        require_successor(root, manifest)


def test_only_a_later_one_or_the_very_same_may_follow(bundles: Bundles, second: Root) -> None:
    require_successor(second, bundles.manifests[3])
    require_successor(second, bundles.manifests[2])
    with pytest.raises(LowerSequence, match="somebody brings back"):
        require_successor(second, bundles.manifests[1])
    with pytest.raises(LowerSequence, match="two different bundles"):
        require_successor(second, replace(bundles.manifests[3], sequence=2, base=None))
    with pytest.raises(InputError, match="--root"):
        require_successor(second, replace(bundles.manifests[3], name="other"))


def test_the_highest_sequence_stays(bundles: Bundles, second: Root) -> None:
    raise_state(second, bundles.manifests[1])
    assert read_state(second) == State("toolkit", 2, bundles.version(2))
    raise_state(second, bundles.manifests[3])
    assert read_state(second) == State("toolkit", 3, bundles.version(3))


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "a", "sequence": "2", "version": "b"}', "\x00"])
def test_a_note_that_cannot_be_read_is_never_taken_for_none(content: str, bundles: Bundles, second: Root) -> None:
    second.state.write_text(content)
    with pytest.raises(Corrupt, match="cannot be read"):
        require_successor(second, bundles.manifests[3])
    with pytest.raises(Corrupt):
        raise_state(second, bundles.manifests[3])
    assert second.state.read_text() == content
