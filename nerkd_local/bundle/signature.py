"""Detached ed25519 signatures, made and checked by the machine's own openssl: 3.0 or later.

The files are what openssl makes by itself, so that nobody has to trust this module to check a bundle:

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem
    openssl pkeyutl -sign   -rawin -inkey private.pem        -in bundle.json -out bundle.sig
    openssl pkeyutl -verify -rawin -inkey public.pem -pubin  -in bundle.json -sigfile bundle.sig
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.errors import InputError

SIGNATURE_BYTES = 64
_MAX_KEY_FILE = 1 << 16
_DER_PREFIX = bytes.fromhex("302a300506032b6570032100")  # a SubjectPublicKeyInfo of ed25519, before its 32 bytes
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PUBLIC KEY-----\s*")
_VERSION = re.compile(r"OpenSSL (\d+)\.")


@dataclass(frozen=True)
class PublicKey:
    """An ed25519 public key: its 44 bytes of DER."""

    der: bytes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the DER: `openssl pkey -pubin -in KEY -outform DER | sha256sum`."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> bytes:
        """The file that openssl writes for it."""
        return b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(self.der) + b"\n-----END PUBLIC KEY-----\n"


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file. Raises InputError for anything but one ed25519 public key."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_KEY_FILE + 1)
    except OSError as error:
        raise InputError(f"the public key cannot be read: {error.strerror}", path=path) from None
    if b"PRIVATE KEY" in content:
        raise InputError(
            "is a private key; give the public one (openssl pkey -in PRIVATE -pubout -out PUBLIC)", path=path
        )
    key = _public_key(content)
    if key is None:
        raise InputError(
            "is no ed25519 public key in PEM (one comes from: openssl pkey -in PRIVATE -pubout -out PUBLIC)", path=path
        )
    return key


def _public_key(pem: bytes) -> PublicKey | None:
    found = _PEM.fullmatch(pem)
    if found is None:
        return None
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True)
    except binascii.Error:
        return None
    return PublicKey(der) if der.startswith(_DER_PREFIX) and len(der) == len(_DER_PREFIX) + 32 else None


def sign(content: bytes, key: Path) -> bytes:
    """The signature (64 bytes) of the content (not empty) by the ed25519 private key in a PEM file.

    openssl asks for the passphrase if the key has one.
    Raises InputError if the key cannot be read or is of another kind, and if there is no openssl 3.
    """
    _check_openssl()
    if not key.is_file():
        raise InputError("no such private key (make one: openssl genpkey -algorithm ed25519 -out KEY)", path=key)
    absolute = str(key.absolute())  # never taken for an option or for a URI
    made = _openssl("pkey", "-in", absolute, "-pubout")
    public = _public_key(made.stdout)
    if made.returncode and b"ENCRYPTED" in key.read_bytes()[:_MAX_KEY_FILE]:
        raise InputError(f"cannot be opened with that passphrase: {_last_line(made)}", path=key)
    if made.returncode or public is None:
        raise InputError(
            "is no ed25519 private key in PEM (make one: openssl genpkey -algorithm ed25519 -out KEY)", path=key
        )
    with tempfile.TemporaryDirectory(prefix="nerkd-sign-") as name:
        folder = Path(name)
        (folder / "content").write_bytes(content)
        done = _openssl(
            "pkeyutl", "-sign", "-rawin", "-inkey", absolute,
            "-in", str(folder / "content"), "-out", str(folder / "signature"),
        )  # fmt: skip
        if done.returncode:
            raise InputError(f"openssl cannot sign with it: {_last_line(done)}", path=key)
        signature = (folder / "signature").read_bytes()
    check_signature(content, signature, public)
    return signature


def check_signature(content: bytes, signature: bytes, key: PublicKey, where: object = "bundle.sig") -> None:
    """Raise BadSignature, naming `where`, unless the signature is the key's over exactly these bytes; InputError
    without openssl 3.
    """
    if len(signature) != SIGNATURE_BYTES:
        size = f"more than {SIGNATURE_BYTES}" if len(signature) > SIGNATURE_BYTES else len(signature)
        raise _bad(key, f"{size} bytes, where a signature has {SIGNATURE_BYTES}", where)
    if not content:  # openssl 3.0 cannot take it
        raise _bad(key, "a signature over nothing", where)
    _check_openssl()
    # openssl needs the size of what it signs beforehand: files, not a pipe
    with tempfile.TemporaryDirectory(prefix="nerkd-verify-") as name:
        folder = Path(name)
        (folder / "content").write_bytes(content)
        (folder / "signature").write_bytes(signature)
        (folder / "key.pem").write_bytes(key.pem)
        done = _openssl(
            "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(folder / "key.pem"),
            "-in", str(folder / "content"), "-sigfile", str(folder / "signature"),
        )  # fmt: skip
    if done.returncode == 0 and b"Signature Verified Successfully" in done.stdout:
        return
    if b"Signature Verification Failure" in done.stdout + done.stderr:
        raise _bad(key, "a signature that does not match", where)
    raise InputError(f"openssl could not check the signature: {_last_line(done)}")


def _bad(key: PublicKey, found: str, where: object) -> BadSignature:
    return BadSignature(
        "the manifest is not signed by the key",
        where=where,
        expected=f"a signature by the key with fingerprint {key.fingerprint}",
        found=found,
        likely="the manifest or its signature was cut short or altered on the way, or the sender used another key",
        next_step="install nothing from it; compare the key's fingerprint with the sender by telephone: "
        "openssl pkey -pubin -in KEY -outform DER | sha256sum",
    )


def _check_openssl() -> None:
    _check_openssl_in(os.environ.get("PATH"))


@cache
def _check_openssl_in(path: str | None) -> None:
    done = _openssl("version")
    seen = done.stdout.decode("utf-8", "replace").strip()
    version = _VERSION.match(seen)
    if done.returncode or version is None or int(version[1]) < 3:
        raise InputError(f"openssl 3.0 or later is needed for the signature; here is {seen or _last_line(done)!r}")


def _openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        # from the top: where PATH or LD_LIBRARY_PATH has a relative or an empty part, a medium that the user stands in
        # would bring its own openssl, which says yes to everything
        return subprocess.run(["openssl", *arguments], capture_output=True, check=False, cwd="/")
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(
            f"openssl cannot be started ({error.strerror}); the signature is checked by openssl 3.0 or later: "
            "install the system's package"
        ) from None


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else f"exit code {done.returncode}"
