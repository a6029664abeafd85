"""The provenance of a run on the page: whole, and without a path of the machine."""

from __future__ import annotations

from pathlib import Path

import yaml

from nerkd_local.evidence.run import open_run
from nerkd_local.evidence.sections.provenance import section
from nerkd_local.report.parts import Table, Text
from tests.evidence.runs import write_run


def test_nothing_of_the_machine_is_told(tmp_path: Path) -> None:
    settings = write_run(tmp_path, regimens=("original_only", "simple_mix"), sizes=(10,), seeds=(0, 1))
    made = section(open_run(settings.output))
    told = str(made)
    assert str(tmp_path) not in told
    assert str(Path.home()) not in told
    assert not any(word.startswith("/") for part in made.parts if isinstance(part, Text) for word in part.text.split())
    tables = {part.name: part for part in made.parts if isinstance(part, Table)}
    assert list(tables) == ["corpora", "annotations", "made_with", "students"]
    assert len(tables["students"].records) == 4
    codes = [part.text for part in made.parts if isinstance(part, Text) and part.code]
    assert yaml.safe_load(codes[-1])["data_root"] == f"{tmp_path.name}/data"
    assert section(open_run(settings.output)) == made
