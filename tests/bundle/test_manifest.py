from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nerkd_local.bundle.manifest import (
    MAX_VOLUME,
    RESERVED,
    Base,
    Beside,
    File,
    Manifest,
    Object,
    Target,
    Volume,
    read_manifest,
)
from nerkd_local.bundle.refusals import Corrupt


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


TARGET = Target(os="linux", arch="x86_64", glibc="2.28", python="cp311", accelerator="cpu")
SMALL = Object(sha("small"), 5, (Volume(sha("small"), 5),))
LARGE = Object(sha("large"), 30, (Volume(sha("la"), 20), Volume(sha("rge"), 10)))
LEFT_OUT = Object(sha("left"), 7, (Volume(sha("left"), 7),), carried=False)
OBJECTS = tuple(sorted((SMALL, LARGE, LEFT_OUT), key=lambda each: each.sha256))
MANIFEST = Manifest(
    kind="toolkit",
    name="sample",
    sequence=3,
    created="2026-01-02T03:04:05Z",
    tool={"nerkd-local": "1.0", "commit": None},
    target=TARGET,
    installed_bytes=100,
    text=None,
    objects=OBJECTS,
    files=(
        File("data/a", LARGE.sha256, 30, "data", "CC0", "made up", None),
        File("data/b", SMALL.sha256, 5, "data"),
        File("wheels/c.whl", LEFT_OUT.sha256, 7, "wheel"),
        File("wheels/d.whl", SMALL.sha256, 5, "wheel"),
    ),
    beside=(Beside("START-HERE.txt", sha("start"), 9),),
    base=Base(sha("base"), 2),
)
RESULTS = replace(MANIFEST, kind="results", target=None, text="hashes")


@pytest.mark.parametrize("manifest", [MANIFEST, RESULTS, replace(MANIFEST, beside=())])
def test_a_manifest_reads_back_and_its_hash_is_that_of_its_bytes(manifest: Manifest) -> None:
    assert read_manifest(manifest.content) == manifest
    assert manifest.root_hash == hashlib.sha256(manifest.content).hexdigest()
    assert manifest.version == f"000003-{manifest.root_hash[:12]}"


def test_volumes_are_numbered_in_the_order_of_hashes_without_what_is_left_out() -> None:
    expected = [
        (f"objects/{each.sha256}.{number:03}", volume)
        for each in OBJECTS
        if each.carried
        for number, volume in enumerate(each.volumes)
    ]
    assert MANIFEST.numbered() == [(number, *rest) for number, rest in enumerate(expected, start=1)]
    assert len(expected) == 3


def test_files_are_found_by_kind() -> None:
    assert [file.path for file in MANIFEST.of_kind("wheel")] == ["wheels/c.whl", "wheels/d.whl"]
    assert MANIFEST.of_kind("model") == []


def changed(index: int, **fields: Any) -> Manifest:
    files = list(MANIFEST.files)
    files[index] = replace(files[index], **fields)
    return replace(MANIFEST, files=tuple(files))


def with_object(old: Object, **fields: Any) -> Manifest:
    return replace(MANIFEST, objects=tuple(replace(each, **fields) if each == old else each for each in OBJECTS))


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (replace(MANIFEST, schema=2), "schema 2"),
        (replace(MANIFEST, schema=True), "schema True"),
        (replace(MANIFEST, kind="tool"), "unknown kind"),  # type: ignore[arg-type]
        (replace(MANIFEST, name="Sample"), "the name"),
        (replace(MANIFEST, name="../x"), "the name"),
        (replace(MANIFEST, name=""), "the name"),
        (replace(MANIFEST, sequence=0), "the sequence 0"),
        (replace(MANIFEST, sequence=1_000_000), "the sequence 1000000"),
        (replace(MANIFEST, sequence=3.0), "the sequence 3.0"),  # type: ignore[arg-type]
        (replace(MANIFEST, created="2026-01-02 03:04:05"), "was created"),
        (replace(MANIFEST, created="2026-01-02T03:04:05Z\n"), "was created"),
        (replace(MANIFEST, installed_bytes=-1), "installed_bytes"),
        (replace(MANIFEST, installed_bytes=10**400), "installed_bytes"),
        (replace(MANIFEST, tool={"a": 1}), "its tool"),  # type: ignore[dict-item]
        (replace(MANIFEST, target=None), "without a target"),
        (replace(RESULTS, target=TARGET), "with a target"),
        (replace(MANIFEST, target=replace(TARGET, glibc="")), "a target that cannot"),
        (replace(MANIFEST, target=replace(TARGET, accelerator="tpu")), "a target that cannot"),
        (replace(MANIFEST, text="none"), "text treated as 'none'"),
        (replace(RESULTS, text=None), "text treated as None"),
        (replace(RESULTS, text="some"), "text treated as 'some'"),  # type: ignore[arg-type]
        (replace(MANIFEST, base=Base(sha("base"), 3)), "cannot be an earlier"),
        (replace(MANIFEST, base=Base("0", 2)), "cannot be an earlier"),
        (replace(MANIFEST, base=None), "goes on from no earlier bundle"),
        (with_object(SMALL, sha256=SMALL.sha256.upper()), "an object that cannot be read"),
        (with_object(SMALL, carried=1), "an object that cannot be read"),
        (with_object(SMALL, volumes=()), "in 0 volumes"),
        (with_object(SMALL, volumes=(Volume(sha("other"), 5),)), "one volume of another hash"),
        (with_object(SMALL, size=6), "do not add up"),
        (with_object(LARGE, volumes=(*LARGE.volumes, Volume(sha(""), 0))), "an empty volume"),
        (with_object(LARGE, size=MAX_VOLUME + 11, volumes=(Volume(sha("la"), MAX_VOLUME + 1), LARGE.volumes[1])),
         "a volume that cannot be read"),
        (with_object(LARGE, volumes=(LARGE.volumes[0],) * 1000), "in 1000 volumes"),
        (replace(MANIFEST, objects=OBJECTS[::-1]), "out of order"),
        (replace(MANIFEST, objects=(OBJECTS[0], *OBJECTS)), "repeated"),
        (replace(MANIFEST, files=MANIFEST.files[::-1]), "out of order"),
        (replace(MANIFEST, files=MANIFEST.files[1:]), "no file has as its content"),
        (replace(MANIFEST, objects=OBJECTS[1:]), "without its content"),
        (changed(0, size=31), "without its content"),
        (changed(0, kind="code"), "unknown kind"),
        (changed(0, licence=3), "licence or origin"),
        (changed(0, path="../a"), "holds the part '..'"),
        (changed(0, path="DATA/B"), "where case does not count"),
        (changed(0, path=3), "is no text"),
        *((changed(3, path=f"{name}/x"), "where the installation puts") for name in sorted(RESERVED)
          if f"{name}/x" > "wheels/c.whl"),
        *((changed(0, path=f"{name}/x"), "where the installation puts") for name in sorted(RESERVED)
          if f"{name}/x" < "data/b"),
        (replace(MANIFEST, beside=(Beside("Objects", sha("x"), 1),)), "takes the place of another"),
        (replace(MANIFEST, beside=(Beside("bundle.json", sha("x"), 1),)), "takes the place of another"),
        (replace(MANIFEST, beside=(Beside("a/b", sha("x"), 1),)), "takes the place of another"),
        (replace(MANIFEST, beside=(Beside("a", sha("x"), 1), Beside("A", sha("x"), 1))), "out of order"),
        (replace(MANIFEST, beside=(Beside("A", sha("x"), 1), Beside("a", sha("x"), 1))), "case does not count"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_the_reason(manifest: Manifest, said: str) -> None:
    with pytest.raises(Corrupt) as caught:
        read_manifest(manifest.content)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\n",
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: b"\xff" + content,
        lambda content: b"[" * 100_000,
        lambda content: b"null\n",
        lambda content: content.replace(b'"name":"sample"', b'"name":"sample","name":"sample"'),
        lambda content: content.replace(b'"name":"sample"', b'"name":"s\\u0061mple"'),
        lambda content: content.replace(b'"sequence":3', b'"sequence":3e0'),
        lambda content: content.replace(b'"sequence":3', b'"sequence":NaN'),
        lambda content: content.replace(b'"sequence":3', b'"sequence":3' + b"0" * 5000),
        lambda content: content.replace(b'"origin":"made up"', b'"origin":"\\ud800"'),
        lambda content: content.replace(b",", b", ", 1),
    ],
)
def test_bytes_that_are_not_the_canonical_ones_are_refused(change: Callable[[bytes], bytes]) -> None:
    content = change(MANIFEST.content)
    assert content != MANIFEST.content
    with pytest.raises(Corrupt, match="the manifest"):
        read_manifest(content)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is something in a JSON value."""
    found = [path] if path else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        found += places(below, (*path, key))
    return found


PLACES = places(json.loads(MANIFEST.content))
HOSTILE = st.sampled_from(
    [None, True, False, -1, 0, 1 << 70, 1.5, "", "..", "\ud800", "\x00", "a" * 300, [], {}, [[]], [None], {"a": {}}]
)


@given(where=st.sampled_from(PLACES), value=HOSTILE, remove=st.booleans())
@example(where=("tool",), value={"\ud800": None}, remove=False)
def test_nothing_in_any_place_is_more_than_refused(where: tuple[Any, ...], value: Any, remove: bool) -> None:
    """A value of a wrong kind is Corrupt, never a traceback; what is read is what its bytes say."""
    whole = copy.deepcopy(json.loads(MANIFEST.content))
    parent = whole
    for key in where[:-1]:
        parent = parent[key]
    if remove:
        del parent[where[-1]]
    else:
        parent[where[-1]] = value
    for ascii_only in (True, False):
        text = json.dumps(whole, sort_keys=True, ensure_ascii=ascii_only, separators=(",", ":")) + "\n"
        content = text.encode("utf-8", "surrogatepass")
        try:
            manifest = read_manifest(content)
        except Corrupt as refusal:
            str(refusal).encode("utf-8", "backslashreplace")
        else:
            assert manifest.content == content
