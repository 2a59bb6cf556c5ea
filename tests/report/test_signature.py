"""Detached signatures: 64 bytes that other programs understand too."""

import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from verixplain.errors import InputError, OutputError
from verixplain.report.signature import make_key, sign, verified


@pytest.fixture
def keys(tmp_path):
    return make_key(tmp_path / "key")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(b"{}")
    return path


def test_what_was_signed_is_verified(keys, file):
    private, public = keys
    signature = sign(file, private)
    assert signature.name == "report.json.sig"
    assert len(signature.read_bytes()) == 64
    assert verified(file, public)


def test_the_private_key_is_its_owners_alone_and_never_replaced(keys, tmp_path):
    private, _ = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    with pytest.raises(OutputError, match="no key is ever replaced"):
        make_key(tmp_path / "key")
    assert private.read_bytes() == before


def test_any_change_is_noticed(keys, file, tmp_path):
    private, public = keys
    signature = sign(file, private)
    file.write_bytes(b"{ }")
    assert not verified(file, public)
    file.write_bytes(b"{}")
    good = signature.read_bytes()
    for place in range(64):
        signature.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert not verified(file, public)
    signature.write_bytes(good[:-1])
    assert not verified(file, public)
    signature.write_bytes(good)
    _, other = make_key(tmp_path / "other")
    assert not verified(file, other)


def test_the_test_vector_of_the_standard_holds():
    """RFC 8032, section 7.1, test 2."""
    public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    key.verify(bytes.fromhex(signature), bytes.fromhex("72"))


def test_other_keys_are_refused_by_name(keys, file, tmp_path):
    other = generate_private_key(65537, 2048)
    secret = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "rsa").write_bytes(secret)
    (tmp_path / "rsa.pub").write_bytes(shown)
    sign(file, keys[0])
    with pytest.raises(InputError, match="not an Ed25519 key"):
        sign(file, tmp_path / "rsa")
    with pytest.raises(InputError, match="not an Ed25519 key"):
        verified(file, tmp_path / "rsa.pub")
    with pytest.raises(InputError, match="no private key"):
        sign(file, file)
    with pytest.raises(InputError, match="no public key"):
        verified(file, file)
    with pytest.raises(OutputError, match="cannot read"):
        verified(tmp_path / "nothing", keys[1])
