"""Proof that nothing tries to leave this machine.

`strace` (calls), `black_hole` (packets, and what waiting for answers costs), `leak` (planted leaks, which both have to
catch), `jobs` (the toolkit's commands), `prove` (one beside the other), `check` (the doctor's short version).
"""

from nerkd_local.doctor.egress.check import check

__all__ = ["check"]
