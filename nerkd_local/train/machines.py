"""Whether the network profile has the machines that a run is to span."""

from __future__ import annotations

from nerkd_local.errors import InputError
from nerkd_local.offline import NETWORK, Profile


def check_machines(machines: int, meeting: str | None, profile: Profile) -> None:
    """Raise InputError where ranks on so many machines could not meet, at that address of one of them.

    They would wait for each other, not fail: nothing that listens within another profile is found by them.
    """
    if machines == 1:
        return
    if profile.is_local:
        raise InputError(
            f"{machines} machines are to train together, and the network is local, this machine only; name their "
            f"interface and addresses: --network 'cluster interface=NAME peers=ADDRESS[,ADDRESS...]' ({NETWORK})"
        )
    if meeting is not None and not profile.allows(meeting):
        raise InputError(f"the ranks are to meet at {meeting}, which is none of the network's peers ({profile})")
