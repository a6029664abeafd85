"""Random mutations of a signed bundle, each of which `verify` and `receive` must refuse.

    python scripts/reliability/bundle_mutations.py --count 10000 --seed 0

A mutation changes one copy of a small bundle: its manifest, its signature, the files beside it, its volumes, their
names and kinds, or the manifest signed anew, by a stranger or by the sender's own key with contents that cannot be.
It counts as accepted if `verify` lets it pass, if `receive` does, or if the store verifies as a bundle afterwards.
That each did change something is checked, and that the bundle is accepted as long as nothing did.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from nerkd_local.bundle.create.volumes import Header, Source, write_bundle
from nerkd_local.bundle.manifest import MANIFEST, OBJECTS, SIGNATURE, Base, File, Manifest, Target, read_manifest
from nerkd_local.bundle.receive import receive
from nerkd_local.bundle.refusals import Refused
from nerkd_local.bundle.root import Root
from nerkd_local.bundle.signature import sign
from nerkd_local.bundle.verify import verify, verify_received

BESIDE = {"START-HERE.txt": b"Read me first.\n", "nerkd-bundle.pyz": b"not run here\n" * 20}
TARGET = Target(os="linux", arch="x86_64", glibc="2.28", python="cp311", accelerator="cpu")
HOSTILE_PATHS = (
    "../escape", "a/../../escape", "/etc/cron.d/escape", "a//b", "./a", "a/.", "a\\b", "..\\escape", "a\x00b", "a\nb",
    "a\x1b[2Jb", "e\u0301.txt", "a.", "a ", "a./b", "", "a/", "\ud800", "x" * 201, "a:b", "C:x", "\u202e/../..",
)  # fmt: skip


@dataclass(slots=True)
class Bundle:
    """The bundle before any mutation, and what its maker and others have."""

    folder: Path
    private: Path
    public: Path
    stranger: Path
    manifest: Manifest
    other: Path
    """Another bundle of the same sender."""


def make_bundle(folder: Path, draw: random.Random) -> Bundle:
    """A bundle of 20 files in some 40 volumes of at most 500 bytes."""
    keys = []
    for name in ("sender", "stranger"):
        private, public = folder / f"{name}.pem", folder / f"{name}-public.pem"
        _openssl("genpkey", "-algorithm", "ed25519", "-out", str(private))
        _openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
        keys.append((private, public))
    for number, name in enumerate(("sent", "other"), start=1):
        contents = {f"data/part-{index}/Text.txt": draw.randbytes(draw.randrange(0, 1600)) for index in range(20)}
        contents["data/empty"] = b""
        write_bundle(
            Header("toolkit", "sample", number, "2026-01-02T03:04:05Z", TARGET),
            {path: Source(content, "data") for path, content in contents.items()},
            folder / name,
            keys[0][0],
            beside=BESIDE,
            max_volume=500,
        )
    manifest = read_manifest((folder / "sent" / MANIFEST).read_bytes())
    return Bundle(folder / "sent", *keys[0], keys[1][0], manifest, folder / "other")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


Mutation = Callable[[Path, Bundle, random.Random], None]
MUTATIONS: dict[str, Mutation] = {}


def mutation(function: Mutation) -> Mutation:
    """List a mutation under its function's name."""
    MUTATIONS[function.__name__] = function  # type: ignore[attr-defined]
    return function


def a_file(folder: Path, draw: random.Random, *, filled: bool = False) -> Path:
    """One of the bundle's files: half the time a volume, else one of the few others."""
    top = [folder / name for name in (MANIFEST, SIGNATURE, *BESIDE)]
    volumes = sorted((folder / OBJECTS).iterdir())
    while True:
        path = draw.choice(volumes if draw.random() < 0.5 else top)
        if not filled or path.stat().st_size:
            return path


@mutation
def flip(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw, filled=True)
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 1, 2, 8))):
        bit = draw.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@mutation
def truncate(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw, filled=True)
    os.truncate(path, draw.choice((0, path.stat().st_size - 1, draw.randrange(path.stat().st_size))))


@mutation
def extend(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    with a_file(folder, draw).open("ab") as stream:
        stream.write(draw.choice((b"\0", b"\n", b" ", draw.randbytes(draw.randrange(1, 600)))))


@mutation
def insert(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw, filled=True)
    content = path.read_bytes()
    at = draw.randrange(len(content))
    path.write_bytes(content[:at] + draw.randbytes(1) + content[at:])


@mutation
def overwrite(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw, filled=True)
    path.write_bytes(draw.randbytes(path.stat().st_size))


@mutation
def add(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    some = draw.choice(sorted((folder / OBJECTS).iterdir())).name
    name = draw.choice((
        "extra", ".hidden", "autorun.inf", "bundle.json~", "bundle.sig.bak", "setup.py", "a\nb", "\x1b[2J", "e\u0301",
        f"{OBJECTS}/extra", f"{OBJECTS}/.nfs0001", f"{OBJECTS}/{some}.part", f"{OBJECTS}/{some[:-3]}999",
        f"{OBJECTS}/{'0' * 64}.000", some, f"{draw.randrange(10**9)}",
    ))  # fmt: skip
    (folder / name).write_bytes(draw.choice((b"", b"x", bytes(64))))


@mutation
def add_folder(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    (folder / draw.choice(("extra", f"{OBJECTS}/extra", "lost+found", "objects2"))).mkdir()


@mutation
def add_special(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = folder / draw.choice(("extra", f"{OBJECTS}/extra"))
    if draw.random() < 0.5:
        os.mkfifo(path)
    else:
        path.symlink_to(draw.choice(("bundle.json", "/etc/passwd", "nowhere", "..", ".")))


@mutation
def delete(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 2, 5))):
        a_file(folder, draw).unlink(missing_ok=True)


@mutation
def delete_objects(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    shutil.rmtree(folder / OBJECTS)


@mutation
def rename(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw)
    name = draw.choice((
        f"{path.name}~", path.name.swapcase(), path.name[:-1], f" {path.name}", f"{path.name} ", f"{path.name}.",
        path.name.replace("0", "o", 1), path.name.replace("a", "а", 1), f".{path.name}",  # a Cyrillic a
    ))  # fmt: skip
    path.rename(path.with_name(name if name not in ("", path.name) else f"{path.name}~"))


@mutation
def move(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw)
    path.rename(folder / path.name if path.parent.name == OBJECTS else folder / OBJECTS / path.name)


@mutation
def swap(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    one, other = a_file(folder, draw), a_file(folder, draw)
    while one.read_bytes() == other.read_bytes():
        other = a_file(folder, draw)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


@mutation
def symlink(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """The same content, through a link: to a file outside, inside, or to itself."""
    path = a_file(folder, draw)
    outside = folder.parent / "outside"
    path.rename(outside)
    path.symlink_to(draw.choice((outside, f"../{'../' * (path.parent.name == OBJECTS)}outside", path.name)))


@mutation
def symlink_folder(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    outside = folder.parent / "outside"
    (folder / OBJECTS).rename(outside)
    (folder / OBJECTS).symlink_to(draw.choice((outside, "../outside")))


@mutation
def replace_by_special(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    path = a_file(folder, draw)
    path.unlink()
    if draw.random() < 0.5:
        path.mkdir()
    else:
        os.mkfifo(path)


@mutation
def transplant(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """Files of another bundle that the same key signed: its signature, its manifest, both, or a volume."""
    names = draw.choice(((SIGNATURE,), (MANIFEST,), (MANIFEST, SIGNATURE)))
    for name in names:
        shutil.copyfile(bundle.other / name, folder / name)


@mutation
def forge(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """A signature that a stranger makes, over the manifest as it is or with another sequence; or no real one."""
    content = (folder / MANIFEST).read_bytes()
    if draw.random() < 0.5:
        content = replace(bundle.manifest, sequence=draw.randrange(2, 1000)).content
        (folder / MANIFEST).write_bytes(content)
    signature = (folder / SIGNATURE).read_bytes()
    made = draw.choice((
        lambda: sign(content, bundle.stranger), lambda: b"", lambda: bytes(64), lambda: b"\xff" * 64,
        lambda: signature.hex().encode(), lambda: signature[::-1], lambda: signature + signature,
        lambda: signature[:32] + bytes(32), lambda: bytes(32) + signature[32:], lambda: _plus_order(signature),
    ))()  # fmt: skip
    (folder / SIGNATURE).write_bytes(made)


def _plus_order(signature: bytes) -> bytes:
    """The same signature in another spelling: its second half plus the order of the group."""
    order = 2**252 + 27742317777372353535851937790883648493
    return signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")


def signed(folder: Path, bundle: Bundle, content: bytes) -> None:
    """Put a manifest in that the sender's own key has signed."""
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sign(content, bundle.private))


def _with_file(manifest: Manifest, old: File, path: str) -> Manifest:
    files = tuple(replace(file, path=path) if file == old else file for file in manifest.files)
    return replace(manifest, files=tuple(sorted(files, key=lambda file: file.path)))


@mutation
def traversal(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """A path that leads elsewhere, in a file or beside the manifest, signed by the sender's key."""
    path = draw.choice(HOSTILE_PATHS)
    manifest = bundle.manifest
    if draw.random() < 0.7:
        manifest = _with_file(manifest, draw.choice(manifest.files), path)
    else:
        beside = (replace(manifest.beside[0], path=path), *manifest.beside[1:])
        manifest = replace(manifest, beside=tuple(sorted(beside, key=lambda each: each.path)))
    signed(folder, bundle, _content(manifest))


def _content(manifest: Manifest) -> bytes:
    """Its bytes, half characters spelled out as JSON can."""
    try:
        return manifest.content
    except UnicodeEncodeError:
        return json.dumps(asdict(manifest), sort_keys=True, separators=(",", ":")).encode() + b"\n"


@mutation
def collide(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """Two paths that are one where case does not count, or a file where a folder is; signed by the sender's key."""
    old, other = draw.sample(bundle.manifest.files, 2)
    path = draw.choice((
        other.path.upper(), other.path.swapcase(), other.path, f"{other.path}/inside", other.path.replace("t", "T", 1),
        other.path.rpartition("/")[0], other.path.replace("s", "ſ", 1) if "s" in other.path else other.path.upper(),
    ))  # fmt: skip
    signed(folder, bundle, _content(_with_file(bundle.manifest, old, path)))


@mutation
def contradict(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """A manifest whose parts do not fit each other or the volumes, signed by the sender's key."""
    manifest = bundle.manifest
    index = draw.randrange(len(manifest.objects))
    each = manifest.objects[index]
    first = each.volumes[0]

    def changed(**fields: object) -> Manifest:
        objects = list(manifest.objects)
        objects[index] = replace(each, **fields)  # type: ignore[arg-type]
        return replace(manifest, objects=tuple(objects))

    made = draw.choice((
        lambda: changed(size=each.size + 1),
        lambda: changed(volumes=(replace(first, size=first.size + 1), *each.volumes[1:])),
        lambda: changed(volumes=(replace(first, sha256=draw.randbytes(32).hex()), *each.volumes[1:])),
        lambda: changed(volumes=(*each.volumes, replace(first, size=0))),
        lambda: changed(volumes=()),
        lambda: changed(sha256=draw.randbytes(32).hex()),
        lambda: changed(sha256=each.sha256.upper() if each.sha256.upper() != each.sha256 else "A" * 64),
        lambda: changed(carried=False),
        lambda: replace(manifest, objects=manifest.objects[:index] + manifest.objects[index + 1 :]),
        lambda: replace(manifest, objects=manifest.objects[::-1]),
        lambda: replace(manifest, objects=(*manifest.objects, manifest.objects[-1])),
        lambda: replace(manifest, files=manifest.files[::-1]),
        lambda: replace(manifest, files=()),
        lambda: replace(manifest, files=(replace(manifest.files[0], size=-1), *manifest.files[1:])),
        lambda: replace(manifest, beside=manifest.beside[1:]),
        lambda: replace(manifest, beside=(replace(manifest.beside[0], path=MANIFEST), *manifest.beside[1:])),
        lambda: replace(manifest, beside=(replace(manifest.beside[0], path="Objects"), *manifest.beside[1:])),
        lambda: replace(manifest, base=Base("0" * 64, manifest.sequence)),
        lambda: replace(manifest, sequence=0),
        lambda: replace(manifest, schema=2),
        lambda: replace(manifest, kind="results"),
        lambda: replace(manifest, target=None),
        lambda: replace(manifest, installed_bytes=-1),
        lambda: replace(manifest, name="../sample"),
        lambda: replace(manifest, created="yesterday"),
    ))()  # fmt: skip
    signed(folder, bundle, made.content)


@mutation
def respell(folder: Path, bundle: Bundle, draw: random.Random) -> None:
    """The same manifest in other bytes, or no JSON at all, signed by the sender's key."""
    content = bundle.manifest.content
    value = json.loads(content)
    made = draw.choice((
        lambda: content[:-1],
        lambda: content + b"\n",
        lambda: b"\xef\xbb\xbf" + content,
        lambda: json.dumps(value, sort_keys=True).encode() + b"\n",
        lambda: json.dumps(value, indent=1, sort_keys=True).encode() + b"\n",
        lambda: json.dumps(dict(reversed(value.items())), separators=(",", ":")).encode() + b"\n",
        lambda: content.replace(b'"schema":1', b'"schema":1,"schema":1'),
        lambda: content.replace(b'"sequence":1', b'"sequence":9,"sequence":1'),
        lambda: content.replace(b'"sequence":1', b'"sequence":1.0'),
        lambda: content.replace(b'"sequence":1', b'"sequence":true'),
        lambda: content.replace(b'"sequence":1', b'"sequence":NaN'),
        lambda: content.replace(b'"sequence":1', b'"sequence":1' + b"0" * 5000),
        lambda: content.replace(b'"name":"sample"', b'"name":"s\\u0061mple"'),
        lambda: content.replace(b'"name":"sample"', b'"name":"sample","more":1'),
        lambda: content.replace(b'"name":"sample",', b""),
        lambda: content.replace(b"sample", b"s\xe9mple"),
        lambda: content.decode().encode("utf-16"),
        lambda: b"[" * 50_000,
        lambda: b"null\n",
        lambda: b"[]\n",
        lambda: b"{}\n",
        lambda: b"\0" * len(content),
    ))()  # fmt: skip
    signed(folder, bundle, made)


@dataclass(slots=True)
class Outcome:
    """How the mutations of each kind ended: `accepted` has to be empty."""

    codes: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    accepted: list[str] = field(default_factory=list)


def state(folder: Path) -> dict[str, object]:
    """Everything in a folder: names, kinds, contents, and where links lead."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[name] = path.read_bytes() if path.is_file() else path.stat().st_mode
    return found


def refused(attempt: Callable[[], object]) -> int:
    """The exit code that the attempt is refused with; 0 if it is not. Anything but a refusal is a bug, and raised."""
    try:
        attempt()
    except Refused as error:
        return error.exit_code
    return 0


def try_one(folder: Path, root: Root, bundle: Bundle) -> tuple[int, int, bool]:
    """The codes of `verify` and of `receive` for a bundle's folder, and whether the store holds a good one then."""
    root.path.mkdir()
    shutil.copyfile(bundle.public, root.key)
    codes = [refused(lambda: verify(folder, bundle.public)), refused(lambda: receive(folder, root))]
    stored = any(
        not refused(lambda version=version: verify_received(root, version))  # type: ignore[misc]
        for version in root.received_versions()
    )
    return codes[0], codes[1], stored


def mutate(count: int, seed: int, say: Callable[[str], None] = lambda line: None) -> Outcome:
    """So many mutations, every kind in turn."""
    draw, outcome, kinds = random.Random(seed), Outcome(), sorted(MUTATIONS)
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        bundle = make_bundle(top, draw)
        before = state(bundle.folder)
        if try_one(bundle.folder, Root(top / "root"), bundle) != (0, 0, True):
            raise SystemExit("the bundle is not accepted as it was made: the mutations would say nothing")
        for number in range(count):
            kind = kinds[number % len(kinds)]
            work = top / "work"
            work.mkdir()
            shutil.copytree(bundle.folder, work / "bundle")
            MUTATIONS[kind](work / "bundle", bundle, draw)
            after = state(work / "bundle")
            if after == before:
                raise SystemExit(f"{kind}, number {number}, changed nothing")
            by_verify, by_receive, stored = try_one(work / "bundle", Root(work / "root"), bundle)
            # what is beside the manifest is not stored: without it, everything that is received is what was signed
            harmless = after.items() <= before.items() and before.keys() - after.keys() <= BESIDE.keys()
            outcome.codes[kind][by_verify] += 1
            if not by_verify or ((not by_receive or stored) and not harmless):
                outcome.accepted.append(f"{kind}, number {number} (verify {by_verify}, receive {by_receive}, {stored})")
            shutil.rmtree(work)
            if (number + 1) % 500 == 0:
                say(f"{number + 1:,} mutations, {len(outcome.accepted)} accepted")
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    outcome = mutate(arguments.count, arguments.seed, lambda line: print(line, flush=True))
    print("\n| mutation | 10 incomplete | 11 corrupt | 12 bad signature |")
    print("|---|---|---|---|")
    for kind, codes in outcome.codes.items():
        print(f"| {kind} | {codes[10]} | {codes[11]} | {codes[12]} |")
    print(f"\n{arguments.count:,} mutations of {len(outcome.codes)} kinds: {len(outcome.accepted)} accepted")
    for line in outcome.accepted:
        print(f"  {line}")
    if outcome.accepted:
        raise SystemExit(4)


if __name__ == "__main__":
    main()
