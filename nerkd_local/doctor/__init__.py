"""A look at the machine: is what the stages need here, and is the way to the network shut?"""

from nerkd_local.doctor.examination import examine
from nerkd_local.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "examine"]
