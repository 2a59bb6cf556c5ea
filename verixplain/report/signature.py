"""Detached Ed25519 signatures (RFC 8032): 64 bytes beside a file that say who stands behind it.

They are raw, so other programs verify them too: `openssl pkeyutl -verify -rawin -pubin
-inkey KEY.pub -in FILE -sigfile FILE.sig`. A signature says who issued a file, never that it is
true.
"""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from verixplain.errors import InputError, OutputError


def make_key(path: str | Path) -> tuple[Path, Path]:
    """Write a new private key (readable by its owner alone) and its public one, `PATH.pub`.

    Raises:
        OutputError: one of the files is there already, or cannot be written.
    """
    private, public = Path(path), Path(f"{path}.pub")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for file, data, mode in ((private, secret, 0o600), (public, shown, 0o644)):
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            raise OutputError(
                f"cannot write the key {str(file)!r}: {error.strerror}; no key is ever replaced"
            ) from error
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
    return private, public


def sign(path: str | Path, key: str | Path, signature: str | Path | None = None) -> Path:
    """Sign the bytes of a file; the signature is `PATH.sig` unless said otherwise.

    Raises:
        InputError: no private Ed25519 key.
        OutputError: a file cannot be read or written.
    """
    secret = _read(key)
    try:
        private = load_pem_private_key(secret, password=None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{str(key)!r} is no private key without a password: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(f"{str(key)!r} is a {type(private).__name__}, not an Ed25519 key")
    target = Path(signature or f"{path}.sig")
    data = private.sign(_read(path))
    try:
        target.write_bytes(data)
    except OSError as error:
        raise OutputError(f"cannot write {str(target)!r}: {error.strerror}") from error
    return target


def verified(path: str | Path, key: str | Path, signature: str | Path | None = None) -> bool:
    """Whether the signature of a file is by the owner of a public key.

    Raises:
        InputError: no public Ed25519 key.
        OutputError: a file cannot be read.
    """
    try:
        public = load_pem_public_key(_read(key))
    except ValueError as error:
        raise InputError(f"{str(key)!r} is no public key: {error}") from error
    if not isinstance(public, Ed25519PublicKey):
        raise InputError(f"{str(key)!r} is a {type(public).__name__}, not an Ed25519 key")
    try:
        public.verify(_read(signature or f"{path}.sig"), _read(path))
    except InvalidSignature:
        return False
    return True


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OutputError(f"cannot read {str(path)!r}: {error.strerror}") from error
