"""Ranks on several machines need a network that has them."""

from __future__ import annotations

import pytest

from nerkd_local.errors import InputError
from nerkd_local.offline import Profile
from nerkd_local.offline.profile import read_profile
from nerkd_local.train.machines import check_machines

CLUSTER = read_profile("cluster interface=ib0 peers=10.1.0.0/24,node7=10.2.0.7", interfaces=lambda: ["ib0", "lo"])


@pytest.mark.parametrize("meeting", [None, "10.1.0.3", "node7", "NODE7", "10.2.0.7"])
def test_machines_within_the_profile_may_meet(meeting: str | None) -> None:
    check_machines(2, meeting, CLUSTER)


@pytest.mark.parametrize("meeting", ["10.1.1.3", "node8", "8.8.8.8"])
def test_a_meeting_place_that_is_no_peer_is_named(meeting: str) -> None:
    with pytest.raises(InputError, match=rf"to meet at {meeting}, which is none of the network's peers \(cluster "):
        check_machines(2, meeting, CLUSTER)


def test_one_machine_is_enough_for_a_local_network_and_two_are_not() -> None:
    check_machines(1, "10.1.0.3", Profile())
    with pytest.raises(InputError, match="2 machines are to train together, and the network is local"):
        check_machines(2, "127.0.0.1", Profile())
