"""The points that an installation passes, each after something that a power cut would leave behind.

Nothing happens at them. A test replaces `reached` by something that kills the process at one of them, for each.
"""

from __future__ import annotations


def reached(step: str) -> None:
    """Say that the work has come to this step."""
