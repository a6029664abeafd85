"""Sealed by construction: the one place that turns every known road to the network off.

`switches` (what the libraries read), `profile` (local, or a cluster of named peers), `guard` (refuses sockets outside
the profile in this process). Every entry point calls `seal` first, before it imports anything but this package.
"""

from nerkd_local.offline.profile import NETWORK, Profile
from nerkd_local.offline.switches import is_sealed, network, seal, users_environment

__all__ = ["NETWORK", "Profile", "is_sealed", "network", "seal", "users_environment"]
