"""The closed side's tool as one file: a zip archive of these modules that any Python from 3.11 on runs.

python3 -I -S nerkd-bundle.pyz verify FOLDER --key PUBLIC.pem
"""

from __future__ import annotations

import io
import zipfile
from importlib import resources
from pathlib import Path

NAME = "nerkd-bundle.pyz"

_MAIN = """\
import sys

if sys.version_info < (3, 11):
    sys.exit("nerkd-bundle: Python 3.11 or later is needed; %s is %s" % (sys.executable, sys.version.split()[0]))

from nerkd_local.bundle.tool import main

sys.exit(main())
"""


def write_pyz(target: Path) -> None:
    """Write the tool to that file; the same modules give the same bytes."""
    target.write_bytes(pyz_content())
    target.chmod(0o755)


def pyz_content() -> bytes:
    """The bytes of the tool."""
    package = resources.files("nerkd_local")
    members = {"__main__.py": _MAIN.encode("ascii")}
    for name in ("__init__.py", "errors.py"):
        members[f"nerkd_local/{name}"] = (package / name).read_bytes()
    for module in (package / "bundle").iterdir():
        if module.name.endswith(".py"):
            members[f"nerkd_local/bundle/{module.name}"] = module.read_bytes()
    content = io.BytesIO()
    content.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(content, "a", zipfile.ZIP_STORED) as archive:
        for name, source in sorted(members.items()):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # Unix, wherever it is made
            archive.writestr(entry, source)
    return content.getvalue()
