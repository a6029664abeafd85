"""Why a bundle, or what was to be done with one, is refused: one class and one exit code for each cause.

NerkdError
└── Refused
    ├── Incomplete      10  volumes are missing; those that are here are good
    ├── Corrupt         11  something is not what was sent, or does not belong
    ├── BadSignature    12  the manifest is not signed by the pinned key
    ├── WrongPlatform   13  made for another system than this one
    ├── NoSpace         14  the disk has no room for it
    ├── LowerSequence   15  older than what has been installed before
    ├── SelfTestFailed  16  installed, but it does not compute what it must; not activated
    └── InstallFailed   17  the Python environment could not be made; not activated
"""

from __future__ import annotations

from nerkd_local.errors import NerkdError


class Refused(NerkdError):
    """An ending with everything that the person in front of the machine needs, a line each.

    `what` is a sentence; the others are None where there is nothing to say. `next_step` is a command, or what to do by
    hand before it.
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        found: object = None,
        likely: str | None = None,
        next_step: str | None = None,
    ) -> None:
        self.what, self.where, self.expected, self.found = what, where, expected, found
        self.likely, self.next_step = likely, next_step
        details = {"where": where, "expected": expected, "found": found, "likely": likely, "next": next_step}
        super().__init__(
            "\n".join([what, *(f"  {name:<9} {value}" for name, value in details.items() if value is not None)])
        )


class Incomplete(Refused):
    """Volumes are missing."""

    exit_code = 10


class Corrupt(Refused):
    """A file is not what the manifest says, the manifest contradicts itself, or a file does not belong."""

    exit_code = 11


class BadSignature(Refused):
    """The signature is missing, or not that of the pinned key over these bytes."""

    exit_code = 12


class WrongPlatform(Refused):
    """The bundle is for another system, C library, Python or accelerator."""

    exit_code = 13


class NoSpace(Refused):
    """Not enough room, found before anything is written."""

    exit_code = 14


class LowerSequence(Refused):
    """An older bundle than one that was installed here: a way to bring back what was mended."""

    exit_code = 15


class SelfTestFailed(Refused):
    """The new environment does not pass the test vectors that came with the bundle."""

    exit_code = 16


class InstallFailed(Refused):
    """venv or pip did not come to an end with what was in the bundle."""

    exit_code = 17
