"""The shipped regimens are what their names say, and a wrong file is named with its problem."""

from pathlib import Path

import numpy as np
import pytest

from nerkd_local.errors import InputError
from nerkd_local.regimen.catalog import load_regimen
from nerkd_local.regimen.exposure import resolve

SHIPPED = Path(__file__).parents[2] / "configs" / "regimens"

# w(t) at the first and last of 100 steps, and the mean share, with 100 original and 300 distilled sentences
EXPECTED = {
    "original_only": (0.0, 0.0, 0.0),
    "distilled_only": (1.0, 1.0, 1.0),
    "mixed": (0.75, 0.75, 0.75),
    "simple_mix": (1.0, 0.0, 0.5),
    "reverse": (0.0, 1.0, 0.5),
    "linear": (0.995, 0.005, 0.5),
    "cosine": (1.0, 0.0, 0.5),
    "exponential": (0.975, 0.0, 0.193),
    "sigmoid_decay": (1.0, 0.0, 0.5),
    "power_decay": (0.990, 0.0, 0.333),
    "power_decay_complement": (1.0, 0.01, 0.667),
    "adaptive": (0.995, 0.005, 0.5),  # its prior's, as long as there is no evidence
}


def test_the_shipped_regimens_are_the_expected_ones():
    assert sorted(path.stem for path in SHIPPED.glob("*.yaml")) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_shipped_regimen_moves_as_its_name_says(name):
    share = resolve(load_regimen(name, SHIPPED), 100, 300, 100).shares(100)
    np.testing.assert_allclose([share[0], share[-1], share.mean()], EXPECTED[name], atol=1e-3)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_shipped_regimen_opens_with_its_launch_command(name):
    header = [line for line in (SHIPPED / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    assert header[-1].split() == f"# nerkd run configs/experiments/first_light.yaml --set 'regimens=[{name}]'".split()


def test_a_path_is_loaded_from_anywhere():
    assert load_regimen(str(SHIPPED / "linear.yaml"), Path("nowhere")) == load_regimen("linear", SHIPPED)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"no settings are called 'liner' in regimens/ \(did you mean 'linear'\?\)"):
        load_regimen("liner", SHIPPED)


@pytest.mark.parametrize("missing", ["gone.yaml", "./gone.yml"])
def test_a_path_that_does_not_exist_is_named(missing):
    with pytest.raises(InputError, match=r"gone.*: no such file"):
        load_regimen(missing, SHIPPED)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: mine\nschedule: {shape: zigzag}\n", r"mine\.yaml:2: 'schedule': .*'zigzag'"),
        ("name: mine\nschedule: {shape: linear, tau: 1}\n", r"mine\.yaml:2: unknown key 'schedule\.tau'"),
        ("name: mine\n", r"mine\.yaml: 'schedule' is missing"),
        ("name: other\nschedule: {shape: linear}\n", r"is named 'other' inside"),
        ("", r"mine\.yaml: holds no settings"),
        ("name: mine\nname: mine\n", r"mine\.yaml:2: 'name' is given twice"),
        ("name: mine\nschedule:\n  shape: step\n  tau: 1\n  tau: 0\n", r"mine\.yaml:5: 'tau' is given twice"),
        ("name: mine\nschedule: {shape: linear\n", r"mine\.yaml:2: not valid YAML"),
        ("name: !!python/name:os.system\n", r"mine\.yaml:1: not valid YAML"),
        ("name: \x01\n", r"mine\.yaml: not valid YAML"),
    ],
)
def test_a_file_that_is_no_regimen_is_refused_with_its_problem(tmp_path, text, problem):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        load_regimen("mine", tmp_path)
