from __future__ import annotations

import json
from pathlib import Path

import pytest

from nerkd_local.errors import InputError
from nerkd_local.student.windows import Windows, load_windows, save_windows, usual_windows


def test_sizes_come_back_as_they_were_saved(tmp_path: Path) -> None:
    assert load_windows(tmp_path) is None
    save_windows(Windows(max_tokens=100, stride=0), tmp_path)
    assert json.loads((tmp_path / "nerkd.json").read_text()) == {"max_tokens": 100, "stride": 0}
    assert load_windows(tmp_path) == Windows(max_tokens=100, stride=0)


@pytest.mark.parametrize("content", ['{"max_tokens": 100}', '{"max_tokens": 0, "stride": 8}', "[]", '{"max_tok'])
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "nerkd.json").write_text(content)
    with pytest.raises(InputError, match=r"nerkd\.json"):
        load_windows(tmp_path)


@pytest.mark.parametrize(("positions", "sizes"), [(None, (256, 64)), (512, (256, 64)), (64, (64, 16)), (8, (8, 2))])
def test_the_usual_sizes_fit_the_positions(positions: int | None, sizes: tuple[int, int]) -> None:
    assert usual_windows(positions) == Windows(max_tokens=sizes[0], stride=sizes[1])
