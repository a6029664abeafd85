"""A model's entry in words."""

from __future__ import annotations

from nerkd_local.models.manifest import Model
from nerkd_local.models.problems import printable


def describe_model(name: str, model: Model) -> list[str]:
    """What it is, where it is from, and its hash, a line each. What nobody said is `unknown`."""
    files = "1 file" if len(model.files) == 1 else f"{len(model.files)} files"
    what = ", ".join([model.role, *model.architectures, f"{model.size / 2**20:,.1f} MiB in {files}"])
    revision = f", revision {model.revision}" if model.revision else ""
    lines = [
        f"{name}: {what}",
        f"  licence  {model.licence or 'unknown (nerkd models add --licence)'}",
        f"  origin   {model.origin or 'unknown (nerkd models add --origin)'}{revision}",
        f"  sha256   {model.sha256}",
    ]
    lines += [f"  without  {', '.join(model.left_out)}"] if model.left_out else []
    return [printable(line) for line in lines]
