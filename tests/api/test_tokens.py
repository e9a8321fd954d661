"""The signing key and minting: `api/tokens.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.environment import load_settings
from api.settings import UnusableSettings
from api.tokens import mint, signing_key


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token-key.pem"
    with ThreadPoolExecutor(8) as pool:
        ids = {key.id for key in pool.map(signing_key, [path] * 16)}
    assert ids == {signing_key(path).id}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token-key.pem"
    signing_key(path)
    path.chmod(0o644)
    with pytest.raises(UnusableSettings, match="chmod 600"):
        signing_key(path)


@pytest.mark.parametrize("content", [b"", b"not a key"])
def test_a_file_that_is_no_key_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token-key.pem"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(UnusableSettings, match="cannot be read"):
        signing_key(path)
    assert path.read_bytes() == content


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token-key.pem"
    path.touch(0o600)
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UnusableSettings, match="not an Ed25519 key"):
        signing_key(path)


def test_a_minted_token_says_who_what_for_whom_and_until_when(tmp_path: Path) -> None:
    settings = load_settings({}, data_dir=tmp_path, token_audience="records")
    token = mint(settings, scopes="system/*.rs", lifetime_seconds=60, subject="ana", client="app")
    key = signing_key(settings.token_key_path)
    claims = jwt.decode(token, key.public, algorithms=["EdDSA"], audience="records", issuer="chartvault")
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("ana", "app", "system/*.rs")
    assert claims["exp"] - claims["iat"] == 60
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "at+jwt", "kid": key.id}
    assert mint(settings, scopes="", lifetime_seconds=60) != mint(settings, scopes="", lifetime_seconds=60)


def test_a_printed_key_shows_only_its_name(tmp_path: Path) -> None:
    key = signing_key(tmp_path / "token-key.pem")
    assert repr(key) == f"SigningKey({key.id})"
