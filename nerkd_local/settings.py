"""Settings: frozen objects, and YAML with every problem named by file and line.

Each stage declares its own settings beside the code that uses them; `config` gathers them for whole programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from nerkd_local.errors import InputError, nearest
from nerkd_local.files import read_json, read_text, write_text


def _entity_type(name: str) -> str:
    if not name or name in ("O", "NONE") or name != name.strip("-") or any(letter.isspace() for letter in name):
        raise ValueError(
            f"{name!r} cannot name an entity type: IOB2 tags and answers cannot carry white space, a hyphen at "
            "one end, O or NONE"
        )
    return name


EntityType = Annotated[str, AfterValidator(_entity_type)]
"""A label such as PER."""


class Settings(BaseModel):
    """Frozen, and closed: a key nobody reads is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=BaseModel)


def load_settings(
    cls: type[S], path: Path, overrides: Sequence[str] = (), *, named: Mapping[str, Path] | None = None
) -> S:
    """The settings in a YAML file, with `key.sub=value` overrides (values in YAML syntax) laid over it in order.

    `named` maps a top-level key to a folder: where that key holds a string, it is the name of a YAML file in
    the folder (or a path to one), and the file's settings stand in its place, open to later overrides. `key.*`
    stands for every value of a mapping.
    Relative paths inside stay as written: they are relative to the folder the command runs in.
    Raises InputError that lists all problems, one a line, each with file and line (or the override).
    """
    value, places = _read_yaml(path)
    _expand(value, places, named or {})
    for override in overrides:
        key = _apply(value, override)
        places[key] = f"--set {override.partition('=')[0].strip()}"
        _expand(value, places, named or {})
    try:
        return cls.model_validate(value)
    except ValidationError as error:
        raise InputError("\n".join(_explain(cls, path, places, error))) from None


def make_settings(cls: type[S], **values: Any) -> S:
    """The settings object of these values. Raises InputError, in one line, where they are not allowed."""
    try:
        return cls(**values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {_reason(item)}" for item in error.errors(include_url=False)]
        raise InputError("; ".join(problems)) from None


def override_settings(cls: type[S], overrides: Sequence[str], **values: Any) -> S:
    """As `make_settings`, with `key.sub=value` overrides laid over the values in order (see `load_settings`)."""
    for override in overrides:
        _apply(values, override)
    return make_settings(cls, **values)


def load_json_settings(cls: type[S], path: Path) -> S:
    """The settings object in a JSON file. Raises InputError, in one line with the file, where it is none."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"a JSON {type(value).__name__}; an object is needed", path=path)
    try:
        return make_settings(cls, **value)
    except InputError as error:
        raise InputError(error.problem, path=path) from None


def find_named(name: str, folder: Path) -> Path:
    """The YAML file a name stands for: `folder/name.yaml`, or the path itself if it ends in .yaml.

    Raises InputError naming the nearest of the folder's names.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in folder.glob("*.yaml")]
        raise InputError(f"no settings are called {name!r} in {folder.name}/{nearest(name, known)}")
    return path


def save_settings(settings: BaseModel, path: Path) -> None:
    """Write the resolved settings as YAML that `load_settings` reads back to an equal object."""
    write_text(path, dump_settings(settings))


def dump_settings(settings: BaseModel) -> str:
    """The resolved settings as YAML text."""
    return yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


Location = tuple[str | int, ...]
Places = dict[Location, str]
"""Where each key was written: `file:line`, or the override."""


def _read_yaml(path: Path) -> tuple[dict[str, Any], Places]:
    text = read_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(f"not valid YAML: {error.problem}", path=path, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise InputError(f"not valid YAML: {' '.join(str(error).split())}", path=path) from None
    if not isinstance(value, dict):
        raise InputError("holds no settings; `key: value` lines are needed", path=path)
    places: Places = {}
    _note_places(path, node, (), places)
    return value, places


def _expand(value: dict[str, Any], places: Places, named: Mapping[str, Path]) -> None:
    """Put the settings of a named file in the place of its name."""
    for key, folder in named.items():
        section, _, every = key.partition(".")
        holder = value.get(section) if every else value
        for name in list(holder) if every and isinstance(holder, dict) else [section]:
            if isinstance(holder, dict) and isinstance(holder.get(name), str):
                holder[name], inner = _read_yaml(find_named(holder[name], folder))
                at = (section, name) if every else (section,)
                places.update({(*at, *location): place for location, place in inner.items()})


def _note_places(path: Path, node: yaml.Node | None, at: Location, places: Places) -> None:
    """Where each key and list item stands; a key given twice is refused (YAML readers keep the last one)."""
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*at, key.value)
            if here in places:
                raise InputError(f"{key.value!r} is given twice", path=path, line=key.start_mark.line + 1)
            places[here] = f"{path}:{key.start_mark.line + 1}"
            _note_places(path, child, here, places)
    elif isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            places[(*at, number)] = f"{path}:{child.start_mark.line + 1}"
            _note_places(path, child, (*at, number), places)


def _override_key(override: str) -> Location:
    return tuple(int(part) if part.isdigit() else part for part in override.partition("=")[0].strip().split("."))


def _apply(value: dict[str, Any], override: str) -> Location:
    """Lay one `key.sub=value` over the mapping and return its key; a number in the key picks a list item."""
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise InputError(f"--set {override!r}: write it as key=value or key.sub=value")
    try:
        new = yaml.safe_load(text)
    except yaml.YAMLError:
        new = text
    key = _override_key(override)
    *way, last = key
    here: Any = value
    for part in way:
        if isinstance(here, dict):
            here = here.setdefault(part, {})
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            raise InputError(f"--set {override!r}: {part!r} is not a section of the settings")
    in_list = isinstance(here, list) and isinstance(last, int) and last < len(here)
    if not in_list and not isinstance(here, dict):
        raise InputError(f"--set {override!r}: {last!r} is not a key there")
    here[last] = new
    return key


def _explain(cls: type[BaseModel], path: Path, places: Places, error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors(include_url=False):
        # pydantic puts the tag of a chosen alternative into the location; only what was written counts
        written: Location = ()
        for part in item["loc"]:
            if (*written, part) in places:
                written = (*written, part)
        tail = () if written[-1:] == item["loc"][-1:] else item["loc"][-1:]
        name = ".".join(str(part) for part in (*written, *tail))
        if item["type"] == "extra_forbidden":
            problem = f"unknown key {name!r}{nearest(str(item['loc'][-1]), _known_keys(cls, item['loc']))}"
        elif item["type"] == "missing":
            problem = f"{name!r} is missing"
        else:
            problem = f"{name!r}: {_reason(item)}" if name else _reason(item)
        problems.append(f"{places.get(written, path)}: {problem}")
    return problems


def _reason(item: Mapping[str, Any]) -> str:
    message = item["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}"
    if item["type"] == "value_error" and isinstance(item["input"], Mapping):
        return message  # of keys that do not go together: it names them, and the whole section would hide them
    return f"{message} (seen: {repr(item['input'])[:80]})"


def _known_keys(cls: type[BaseModel], location: Location) -> list[str]:
    """The keys that the section holding `location` has; empty where the section's type is not a plain one."""
    section: Any = cls
    for part in location[:-1]:
        fields = getattr(section, "model_fields", {})
        section = fields[part].annotation if part in fields else None
    return list(getattr(section, "model_fields", {}))
