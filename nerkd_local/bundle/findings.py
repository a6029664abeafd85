"""What does not fit in a bundle, and the refusals that say it: all of it, as far as a screen goes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nerkd_local.bundle.manifest import Base, Manifest
from nerkd_local.bundle.ranges import shorten
from nerkd_local.bundle.refusals import Corrupt, Incomplete
from nerkd_local.bundle.space import readable

_SHOWN = 20
DAMAGED = "the medium or the copy damaged it, or somebody altered it"


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as the manifest says.

    `number` is the volume's, if it is one that the bundle carries. `where` and `next_step` are for what lies elsewhere
    than the bundle.
    """

    name: str
    expected: str
    found: str
    likely: str = DAMAGED
    number: int | None = None
    where: Path | None = None
    next_step: str = "take away what does not belong, or copy the folder again from the sender's medium"


def shown(name: str) -> str:
    """A name from a medium as it may go to a terminal: escaped if anything in it is not plain."""
    return name if name.isascii() and name.isprintable() else ascii(name)


def corrupt(findings: Sequence[Finding], manifest: Manifest, where: Path, missing: Collection[int] = ()) -> Corrupt:
    """The refusal for these findings, at least one; `missing` volumes are named along with those to be sent again."""
    again = {finding.number for finding in findings if finding.number is not None} | set(missing)
    steps = list(dict.fromkeys(finding.next_step for finding in findings if finding.number is None))
    if again:
        steps.append(f"on the sending side: {resend_command(manifest, again)}; then receive that medium")
    next_step = "; ".join(steps)
    if len(findings) == 1:
        (only,) = findings
        return Corrupt(
            "a file of the bundle is not what was sent",
            where=f"{(only.where or where) / shown(only.name)}{_number(only)}",
            expected=only.expected,
            found=only.found,
            likely=only.likely,
            next_step=next_step,
        )
    lines = [
        f"{_name(finding)}{_number(finding)}: {finding.found} (expected: {finding.expected})"
        for finding in findings[:_SHOWN]
    ]
    if len(findings) > _SHOWN:
        lines.append(f"and {len(findings) - _SHOWN:,} more")
    return Corrupt(
        f"{len(findings):,} files of the bundle are not what was sent",
        where=where,
        found="\n            ".join(lines),
        likely="; ".join(dict.fromkeys(finding.likely for finding in findings[:_SHOWN])),
        next_step=next_step,
    )


def incomplete(
    manifest: Manifest, numbers: Collection[int], where: Path, *, files: Sequence[str] = (), base: int = 0
) -> Incomplete:
    """The refusal for volumes (by number), files beside the manifest, and `base` volumes of the earlier bundle that
    are not there, while all that is there is good.
    """
    volumes, numbers = manifest.numbered(), set(numbers)
    gone = []
    if numbers:
        size = sum(volume.size for number, _, volume in volumes if number in numbers)
        gone.append(f"the volumes {missing_list(manifest, numbers)} are missing ({readable(size)})")
    if files:
        gone.append(f"{', '.join(files)} missing")
    steps = []
    if base and manifest.base is not None:
        gone.append(f"{base:,} volumes of the earlier bundle are not here")
        steps.append(receive_base(manifest.base, "first"))
    if numbers or files:
        steps.append(
            f"receive the other media; or on the sending side: {resend_command(manifest, numbers)}, and receive that"
        )
    return Incomplete(
        "the bundle is not whole; everything that is here is good",
        where=where,
        expected=f"{len(volumes):,} volumes",
        found="; ".join(gone),
        likely="the copy was broken off, or there is another medium",
        next_step="; ".join(steps),
    )


def missing_list(manifest: Manifest, numbers: Collection[int]) -> str:
    """The numbers as they are copied by hand: `3 7-12 of 240`."""
    return f"{shorten(numbers)} of {len(manifest.numbered())}"


def resend_command(manifest: Manifest, numbers: Collection[int]) -> str:
    """What somebody types on the sending side to have these volumes on a medium of their own."""
    return f'nerkd bundle resend BUNDLE "{missing_list(manifest, numbers)}" MEDIUM'


def receive_base(base: Base, when: str) -> str:
    """What to do for the volumes of the earlier bundle, `first` or `again`."""
    return f"receive the bundle with sequence {base.sequence} {when} ({base.root_hash})"


def _name(finding: Finding) -> str:
    return shown(finding.name) if finding.where is None else f"{finding.where / shown(finding.name)}"


def _number(finding: Finding) -> str:
    return "" if finding.number is None else f" (volume {finding.number})"
