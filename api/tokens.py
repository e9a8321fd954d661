"""Access tokens of this installation: the key that signs them, and minting.

RFC 9068 (JWT profile for access tokens, https://www.rfc-editor.org/rfc/rfc9068), signed with Ed25519. Tokens of people and
partners are signed with the keys all processes share (`signatures.py`). `chartvault token` signs with a key of its own, a 0600
file, made on first use; whoever can read it can be anybody, so it is refused when others can.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from pathlib import Path
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from api.settings import Settings, UnusableSettings
from api.signatures import Signatures
from api.thumbprints import thumbprint

ALGORITHM = "EdDSA"
TYPE = "at+jwt"


class SigningKey(NamedTuple):
    """A private key and the `kid` under which its public half is known."""

    id: str
    private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"

    @property
    def public(self) -> Ed25519PublicKey:
        return self.private.public_key()


def signing_key(path: Path) -> SigningKey:
    """The key in the PEM file `path`, made first if there is none. Of processes that make it at once, one wins.

    Raises `UnusableSettings` when the file is open to others or holds no Ed25519 key.
    """
    if not path.exists():
        _create(path)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise UnusableSettings(f"The token key {path} is open to others: chmod 600 it")
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, UnusableSettings):
            raise
        raise UnusableSettings(f"The token key {path} cannot be read as a PEM private key") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise UnusableSettings(f"The token key {path} is not an Ed25519 key")
    return SigningKey(thumbprint(private.public_key()), private)


def mint(
    settings: Settings, *, scopes: str, lifetime_seconds: float, subject: str = "cli", client: str = "chartvault-cli"
) -> str:
    """A signed token of no session, for scripts and tries."""
    key = signing_key(settings.token_key_path)
    claims = access_claims(settings, subject=subject, client=client, scopes=scopes, lifetime_seconds=lifetime_seconds)
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.id})


class AccessTokens:
    """Makes the access tokens of people and of partners. Everything they say of a person they say by naming the session."""

    def __init__(self, settings: Settings, signatures: Signatures) -> None:
        self._settings = settings
        self._signatures = signatures

    def make(
        self, *, subject: str, client: str, scopes: str, lifetime_seconds: float, session: str | None = None
    ) -> str:
        """A signed token that grants `scopes` (space-separated) for `lifetime_seconds` from now."""
        claims = access_claims(
            self._settings, subject=subject, client=client, scopes=scopes, lifetime_seconds=lifetime_seconds
        )
        if session is not None:
            claims["sid"] = session
        return self._signatures.sign("access", claims, kind=TYPE)


def access_claims(
    settings: Settings, *, subject: str, client: str, scopes: str, lifetime_seconds: float
) -> dict[str, str | int]:
    """What every access token says: https://www.rfc-editor.org/rfc/rfc9068#section-2.2"""
    now = int(time.time())
    return {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "sub": subject,
        "client_id": client,
        "scope": scopes,
        "iat": now,
        "exp": now + int(lifetime_seconds),
        "jti": secrets.token_urlsafe(16),
    }


def _create(path: Path) -> None:
    """Written whole under another name, then linked: nobody ever reads half a key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
