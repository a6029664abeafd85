"""One thing that the doctor looked at: what was seen, whether that will do, and how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail", "unknown"]
"""`ok` will do. `warn` works, with a risk or a loss that is named. `fail` must be mended. `unknown` could not be
checked here, which is said and never taken for good."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `seen` is what was found, `fix` what to do, a command where there is one.

    Every finding that is not `ok` has a fix.
    """

    check: str
    status: Status
    seen: str
    fix: str | None = None

    def __post_init__(self) -> None:
        if self.status != "ok" and not self.fix:
            raise ValueError(f"the finding {self.check!r} is {self.status} and names no fix")

    def as_json(self) -> dict[str, Any]:
        """The finding as plain JSON."""
        return asdict(self)
