from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.train.conftest import SettingsMaker


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": ["A B"]}, "white space"),
        ({"labels": ["-A"]}, "hyphen at one end"),
        ({"labels": ["A", "A"]}, "named twice"),
        ({"labels": []}, "at least 1"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"dropout": 1.5}, "less than or equal to 1"),
        ({"epochs": 3}, "Extra inputs"),
        ({"max_tokens": 64, "stride": 62}, "nothing new to read"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    make_settings: SettingsMaker, change: dict[str, object], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        make_settings(**change)
