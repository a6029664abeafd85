"""The spec of a bundle: YAML that says what is to go in, and for which system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from nerkd_local.bundle.manifest import Target
from nerkd_local.bundle.paths import path_problem
from nerkd_local.settings import Settings


def _part(name: str) -> str:
    problem = path_problem(name) or ("holds a slash" if "/" in name else None)
    if problem is not None:
        raise ValueError(f"{name!r} {problem}; a plain name is needed")
    return name


PartName = Annotated[str, AfterValidator(_part)]
"""The name of a folder below models/ or data/ on the closed side."""

Version = Annotated[str, Field(pattern=r"^\d+(\.\d+)+$")]


class TargetSettings(Settings):
    """The system on the closed side; each number is the least that will do."""

    os: Literal["linux"] = "linux"
    arch: Literal["x86_64", "aarch64"] = "x86_64"
    glibc: Annotated[str, Field(pattern=r"^2\.\d+$")] = "2.31"
    python: Annotated[str, Field(pattern=r"^cp3\d+$")] = "cp311"
    """An ABI tag."""
    accelerator: Literal["cpu", "cuda"]
    cuda: Version | None = None
    """The CUDA runtime that the packages bring along."""
    driver: Version | None = None
    capability: Version | None = None

    @model_validator(mode="after")
    def _cuda_only_where_there_is_one(self) -> Self:
        given = [name for name in ("cuda", "driver", "capability") if getattr(self, name) is not None]
        if self.accelerator == "cpu" and given:
            raise ValueError(f"{', '.join(given)} cannot be asked of a target without an accelerator")
        if self.accelerator == "cuda" and len(given) < 3:
            raise ValueError("a target with CUDA needs cuda, driver and capability")
        return self

    def target(self) -> Target:
        """As the manifest has it."""
        return Target(**self.model_dump())


class PartSettings(Settings):
    """A folder or file that goes in under a name, with where it is from."""

    path: Path
    name: PartName | None = None
    """Where not given: the last part of its path."""
    licence: str | None = None
    origin: str | None = None
    revision: str | None = None

    @property
    def folder(self) -> str:
        """Its name on the closed side."""
        return self.name or self.path.absolute().name


class BundleSettings(Settings):
    """What `nerkd bundle create` makes. Paths are relative to the folder that the command runs in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    """Bundles of one name follow each other by their sequence; the closed side keeps to the first one's name."""
    sequence: Annotated[int, Field(ge=1, le=999_999)] | None = None
    """Where not given: one more than the bundle that it comes after, or 1."""
    created: AwareDatetime | None = None
    """A time with its zone. Where not given: SOURCE_DATE_EPOCH, or the time of the toolkit's commit, or of its wheel's
    newest file."""
    toolkit: Path
    """A checkout, or a wheel."""
    lock: Path
    build_lock: Path
    build: tuple[str, ...] = ()
    """Packages of the lock that are published as source only; they are built here."""
    wheels: tuple[Path, ...] = ()
    """Folders of ready wheels, looked into before anything is fetched."""
    target: TargetSettings
    imports: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")], ...] = ()
    """Modules that the self-test imports on the closed side."""
    models: tuple[PartSettings, ...] = ()
    data: tuple[PartSettings, ...] = ()
    configs: tuple[Path, ...] = ()
    """Settings of your own, as files or folders; the shipped ones are in the toolkit's wheel."""
    documents: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _one_name_each(self) -> Self:
        for kind in ("models", "data"):
            names = [part.folder.casefold() for part in getattr(self, kind)]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind}: {', '.join(twice)} would be one folder twice; give `name`")
        return self
