from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nerkd_local.bundle import signature as module
from nerkd_local.bundle.refusals import BadSignature
from nerkd_local.bundle.signature import check_signature, read_public_key, sign
from nerkd_local.errors import InputError
from tests.bundle.samples import Keys, openssl

CONTENT = b'{"a":1}\n'


def verify_signature(content: bytes, signature: bytes, key: Path) -> None:
    check_signature(content, signature, read_public_key(key))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=3000))
def test_what_was_signed_is_verified_here_and_by_openssl_by_hand(keys: Keys, tmp_path: Path, content: bytes) -> None:
    made = sign(content, keys.private)
    assert len(made) == 64
    verify_signature(content, made, keys.public)
    (tmp_path / "bundle.json").write_bytes(content)
    (tmp_path / "bundle.sig").write_bytes(made)
    openssl(
        "pkeyutl", "-verify", "-rawin", "-inkey", str(keys.public), "-pubin",
        "-in", str(tmp_path / "bundle.json"), "-sigfile", str(tmp_path / "bundle.sig"),
    )  # fmt: skip


@settings(max_examples=40)
@given(st.integers(0, 64 * 8 - 1))
def test_no_flipped_bit_of_a_signature_is_accepted(keys: Keys, bit: int) -> None:
    spoilt = bytearray(sign(CONTENT, keys.private))
    spoilt[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        verify_signature(CONTENT, bytes(spoilt), keys.public)


@pytest.mark.parametrize("content", [b"", CONTENT + b" ", CONTENT[:-1], CONTENT.replace(b"1", b"2")])
def test_other_bytes_are_not_what_was_signed(keys: Keys, content: bytes) -> None:
    with pytest.raises(BadSignature, match="not signed by the key"):
        verify_signature(content, sign(CONTENT, keys.private), keys.public)


@pytest.mark.parametrize("change", [lambda s: b"", lambda s: s[:-1], lambda s: s + b"\0", lambda s: s.hex().encode()])
def test_a_signature_of_another_length_is_refused_before_openssl_sees_it(
    keys: Keys, change: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = change(sign(CONTENT, keys.private))  # type: ignore[operator]
    monkeypatch.setattr(module, "_openssl", None)
    with pytest.raises(BadSignature, match="64"):
        check_signature(CONTENT, spoilt, read_public_key(keys.public))


def test_another_key_is_refused_and_the_expected_one_named(keys: Keys, tmp_path: Path) -> None:
    other = Keys(tmp_path, "other")
    with pytest.raises(BadSignature) as caught:
        verify_signature(CONTENT, sign(CONTENT, other.private), keys.public)
    assert read_public_key(keys.public).fingerprint in str(caught.value)


def test_the_fingerprint_is_what_openssl_and_sha256sum_print(keys: Keys) -> None:
    der = openssl("pkey", "-pubin", "-in", str(keys.public), "-outform", "DER")
    assert read_public_key(keys.public).fingerprint == hashlib.sha256(der).hexdigest()
    assert read_public_key(keys.public).pem == keys.public.read_bytes()


def test_a_key_file_with_line_ends_of_windows_is_the_same_key(keys: Keys, tmp_path: Path) -> None:
    converted = tmp_path / "key.pem"
    converted.write_bytes(keys.public.read_bytes().replace(b"\n", b"\r\n"))
    assert read_public_key(converted) == read_public_key(keys.public)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-algorithm", "ed448"],
        ["-algorithm", "x25519"],
        ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ],
)
def test_keys_of_other_kinds_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    openssl("genpkey", *arguments, "-out", str(private))
    openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    with pytest.raises(InputError, match="no ed25519 private key"):
        sign(CONTENT, private)
    with pytest.raises(InputError, match="no ed25519 public key"):
        read_public_key(public)


def test_what_is_no_key_is_refused_with_the_command_that_makes_one(keys: Keys, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="private key; give the public one"):
        read_public_key(keys.private)
    with pytest.raises(InputError, match="cannot be read"):
        read_public_key(tmp_path / "none.pem")
    with pytest.raises(InputError, match="openssl genpkey"):
        sign(CONTENT, tmp_path / "none.pem")
    pem = keys.public.read_bytes()
    for number, content in enumerate([b"", b"hello", pem + pem, pem[:-40], pem.replace(b"MCow", b"MCox")]):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(content)
        with pytest.raises(InputError, match="openssl pkey"):
            read_public_key(path)
    with pytest.raises(InputError, match="openssl genpkey"):
        sign(CONTENT, keys.public)


def test_a_key_whose_name_looks_like_an_option_or_an_address_is_a_file(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-help", "file:key", "pkcs11:key"):
        Path(name).write_bytes(keys.private.read_bytes())
        verify_signature(CONTENT, sign(CONTENT, Path(name)), keys.public)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "cannot be started"),
        ("echo OpenSSL 1.1.1k  25 Mar 2021", "OpenSSL 1.1.1k"),
        ("echo LibreSSL 3.9.0", "LibreSSL"),
        ("exit 3", "exit code 3"),
    ],
)
def test_without_openssl_3_the_error_says_so(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    made = sign(CONTENT, keys.private)
    if script is not None:
        fake = tmp_path / "openssl"
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=said) as caught:
        verify_signature(CONTENT, made, keys.public)
    assert "3.0 or later" in str(caught.value)


@pytest.mark.parametrize("ending", ["exit 0", "echo trouble >&2; exit 1", "kill -9 $$"])
def test_an_openssl_that_does_not_say_yes_in_words_is_no_yes(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    fake = tmp_path / "openssl"
    fake.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo OpenSSL 3.1.0 && exit 0\n{ending}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError, match="could not check"):
        verify_signature(CONTENT, bytes(64), keys.public)


@pytest.mark.parametrize("before", [".:", ":", "medium:"])
def test_an_openssl_on_the_medium_that_the_user_stands_in_is_not_the_machines(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    for fake in (tmp_path / "openssl", tmp_path / "medium" / "openssl"):
        fake.parent.mkdir(exist_ok=True)
        fake.write_text("#!/bin/sh\n[ $1 = version ] && echo OpenSSL 3.0.0 || echo Signature Verified Successfully\n")
        fake.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", before + os.environ["PATH"])
    with pytest.raises(BadSignature):
        verify_signature(CONTENT, bytes(64), keys.public)


def test_a_manifest_that_was_cut_to_nothing_is_said_to_be_cut(keys: Keys) -> None:
    with pytest.raises(BadSignature, match="cut short"):
        verify_signature(b"", sign(CONTENT, keys.private), keys.public)


def test_a_key_whose_passphrase_is_not_known_is_not_called_another_kind(tmp_path: Path, keys: Keys) -> None:
    locked = tmp_path / "locked.pem"
    openssl(
        "pkey", "-in", str(keys.private), "-aes256", "-passout", "pass:secret", "-out", str(locked)
    )  # fmt: skip
    answered = module._openssl
    with pytest.MonkeyPatch.context() as patch:  # no terminal to ask on, and nobody to answer
        patch.setattr(
            module, "_openssl", lambda *words: answered(*words, *["-passin", "pass:wrong"] * ("pkey" in words))
        )
        with pytest.raises(InputError, match="cannot be opened with that passphrase"):
            sign(CONTENT, locked)
