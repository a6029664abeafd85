"""Settings come from YAML with every problem named where it stands."""

from pathlib import Path
from typing import Self

import pytest
from pydantic import model_validator

from nerkd_local.config.experiment import load_experiment
from nerkd_local.errors import InputError
from nerkd_local.settings import Settings, load_settings, save_settings

CONFIGS = Path(__file__).parents[1] / "configs"


class Inner(Settings):
    size: int = 1
    path: Path


class Several(Settings):
    inners: dict[str, Inner]


class Outer(Settings):
    inner: Inner
    names: tuple[str, ...] = ()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_overrides_are_laid_over_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "inner: {path: a}\nnames: [x, y]\n")
    loaded = load_settings(Outer, path, ["inner.size=2", "inner.size=3", "names.1=z"])
    assert loaded == Outer(inner=Inner(size=3, path=Path("a")), names=("x", "z"))


def test_saved_settings_load_to_an_equal_object(tmp_path: Path) -> None:
    settings = Outer(inner=Inner(path=Path("ä b")), names=("no", "1e3", "null"))
    save_settings(settings, tmp_path / "s.yaml")
    assert load_settings(Outer, tmp_path / "s.yaml") == settings


def test_all_problems_are_told_each_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "inner:\n  size: many\n  pth: 3\nnames: [a]\ncolour: red\n")
    with pytest.raises(InputError) as caught:
        load_settings(Outer, path, ["names.0=[]"])
    assert str(caught.value).splitlines() == [
        f"{path}:2: 'inner.size': input should be a valid integer, unable to parse string as an integer (seen: 'many')",
        f"{path}:1: 'inner.path' is missing",
        f"{path}:3: unknown key 'inner.pth' (did you mean 'path'?)",
        "--set names.0: 'names.0': input should be a valid string (seen: [])",
        f"{path}:5: unknown key 'colour' (known: inner, names)",
    ]


class Pair(Settings):
    low: int
    high: int

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Pairs(Settings):
    pair: Pair


def test_keys_that_do_not_go_together_are_one_short_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", "low: 2\nhigh: 1\n")
    with pytest.raises(InputError) as caught:
        load_settings(Pair, path)
    assert str(caught.value) == f"{path}: low is above high"
    write(path, "pair:\n  low: 2\n  high: 1\n")
    with pytest.raises(InputError) as caught:
        load_settings(Pairs, path)
    assert str(caught.value) == f"{path}:1: 'pair': low is above high"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("inner: [\n", r"s\.yaml:1: not valid YAML"),
        ("inner: {path: a}\ninner: {path: b}\n", r"s\.yaml:2: 'inner' is given twice"),
        ("just words\n", r"s\.yaml: holds no settings"),
        ("", r"s\.yaml: holds no settings"),
        ("inner: !!python/object:os.system {}\n", r"s\.yaml:1: not valid YAML"),
    ],
)
def test_files_that_are_no_settings(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        load_settings(Outer, write(tmp_path / "s.yaml", text))


@pytest.mark.parametrize("override", ["inner", "=3", "names.7=x", "names.x.y=1"])
def test_overrides_that_lead_nowhere(tmp_path: Path, override: str) -> None:
    path = write(tmp_path / "s.yaml", "inner: {path: a}\nnames: [x]\n")
    with pytest.raises(InputError, match="--set"):
        load_settings(Outer, path, [override])


def test_a_name_brings_the_settings_of_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "inners"
    folder.mkdir()
    write(folder / "one.yaml", "path: from one\n")
    write(folder / "two.yaml", "path: from two\nsiz: 3\n")
    path = write(tmp_path / "s.yaml", "inner: one\n")
    named = {"inner": folder}
    assert load_settings(Outer, path, ["inner.size=5"], named=named).inner == Inner(size=5, path=Path("from one"))
    several = write(tmp_path / "m.yaml", "inners: {a: one, b: {size: 1, path: p}}\n")
    loaded = load_settings(Several, several, ["inners.a.size=7"], named={"inners.*": folder})
    assert loaded.inners == {"a": Inner(size=7, path=Path("from one")), "b": Inner(size=1, path=Path("p"))}
    with pytest.raises(InputError, match=r"two\.yaml:2: unknown key 'inner\.siz' \(did you mean 'size'\?\)"):
        load_settings(Outer, path, ["inner=two"], named=named)
    with pytest.raises(InputError, match=r"no settings are called 'onn' in inners/ \(did you mean 'one'\?\)"):
        load_settings(Outer, path, ["inner=onn"], named=named)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_shipped_file_loads_and_begins_with_its_command(path: Path) -> None:
    from nerkd_local.annotate.settings import AnnotatorSettings
    from nerkd_local.bundle.create.spec import BundleSettings
    from nerkd_local.loop.settings import load_loop
    from nerkd_local.regimen.catalog import load_regimen
    from nerkd_local.select.settings import PolicyFile
    from nerkd_local.train.launch import read_launcher_config
    from nerkd_local.tune.settings import load_tune

    kind = path.relative_to(CONFIGS).parts[0]
    if kind == "annotators":
        load_settings(AnnotatorSettings, path)
    elif kind == "experiments":
        settings = load_experiment(path)
        for regimen in settings.regimens:
            load_regimen(regimen, CONFIGS / "regimens")
    elif kind == "selection":
        load_settings(PolicyFile, path)
    elif kind == "regimens":
        load_regimen(path.stem, CONFIGS / "regimens")
    elif kind == "loop":
        load_loop(path)
    elif kind == "tune":
        load_tune(path)
    elif kind == "bundles":
        load_settings(BundleSettings, path)
    else:
        assert kind == "accelerate"
        read_launcher_config(path)
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any("nerkd " in line for line in header)
