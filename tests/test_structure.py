"""The shape of the package: what may import what, and how little an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "nerkd_local"

LAYERS = [
    {"errors", "records", "threads", "memory", "machine", "software", "stopping", "quoting"},
    {"fingerprints", "files", "offline", "energy"},
    {"settings"},
    {"store"},
    {"corpus"},
    {"demo"},
    {"student"},
    {"annotate", "regimen", "evaluate", "stats", "report"},
    {"train", "select", "models"},
    {"config"},
    {"experiment", "doctor"},
    {"pipeline", "tune", "audit"},
    {"loop", "evidence"},
    {"bundle"},
    {"cli"},
]
"""From the bottom up. A part imports from lower layers and from itself; `train` may read plans (`regimen`)."""

LEVEL = {part: number for number, layer in enumerate(LAYERS) for part in layer}


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    for name in imports(path):
        package, _, rest = name.partition(".")
        if package != "nerkd_local":
            continue
        other = rest.split(".")[0]
        if other in LEVEL and other != part:
            assert LEVEL[other] < LEVEL[part], f"{part} imports {name}"


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("vllm", "annotate/engines/vllm_"),
        ("openai", "annotate/engines/openai_http.py"),
        ("tenacity", "annotate/engines/openai_http.py"),
        ("accelerate", "train"),
        ("matplotlib", "report/"),
        ("pyarrow", "annotate/exports.py"),
        ("scipy", "regimen/exposure.py"),
        ("pynvml", "energy.py"),
        ("cyclonedx", "bundle/create/sbom.py"),
        ("packageurl", "bundle/create/sbom.py"),
        ("packaging", "bundle/create/"),
        ("sklearn", "evaluate/calibration.py"),
    ],
)
def test_a_heavy_library_is_imported_in_one_place(library: str, home: str) -> None:
    users = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if any(name == library or name.startswith(f"{library}.") for name in imports(path))
    }
    assert users
    assert all(user.startswith(home) for user in users)


def loaded_after(code: str) -> set[str]:
    command = f"{code}\nimport sys; print(*(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    loaded = loaded_after("from nerkd_local.cli.main import nerkd\nnerkd.main(['--help'], standalone_mode=False)")
    assert "click" in loaded
    assert not loaded & {"torch", "transformers", "vllm", "accelerate", "openai", "numpy", "pydantic", "jinja2", "yaml"}


def test_reading_aligning_and_scoring_need_neither_torch_nor_vllm() -> None:
    loaded = loaded_after(
        "import nerkd_local.corpus.readers, nerkd_local.annotate.folder, nerkd_local.regimen.plan\n"
        "import nerkd_local.evaluate.metrics, nerkd_local.stats.bootstrap, nerkd_local.report.tables"
    )
    assert "numpy" in loaded
    assert not loaded & {"torch", "transformers", "vllm", "accelerate", "openai", "matplotlib", "scipy"}


def test_importing_the_package_changes_no_environment() -> None:
    code = "import os; before = dict(os.environ)\nimport nerkd_local, nerkd_local.pipeline, nerkd_local.cli.main\n"
    subprocess.run([sys.executable, "-c", f"{code}assert dict(os.environ) == before"], check=True)


CLOSED_SIDE = sorted((PACKAGE / "bundle").glob("*.py"))


@pytest.mark.parametrize("path", CLOSED_SIDE, ids=lambda path: path.name)
def test_the_closed_side_needs_the_standard_library_alone(path: Path) -> None:
    """What receives, verifies and installs a bundle runs before anything of the bundle is installed."""
    ours = {"nerkd_local", "nerkd_local.errors", *(f"nerkd_local.bundle.{module.stem}" for module in CLOSED_SIDE)}
    tree = ast.parse(path.read_text())
    if path.name == "selftest.py":  # runs in what was installed, and says in a line of its own what cannot be imported
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                node.body = [ast.Pass()]
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [str(node.module)]
            if node.module == "nerkd_local.bundle":
                names = [f"nerkd_local.bundle.{alias.name}" for alias in node.names]
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names or name in ours, f"{path.name} imports {name}"


def test_the_closed_side_loads_without_site_packages() -> None:
    modules = [f"nerkd_local.bundle.{path.stem}" for path in CLOSED_SIDE if path.stem != "__init__"]
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); import {', '.join(modules)}"
    subprocess.run([sys.executable, "-I", "-S", "-W", "error", "-c", code], check=True)
