"""The signing keys as one process uses them: sign with the current one, believe the others, publish all.

Access tokens are signed with Ed25519 (30 us); identity tokens with RS256, which OpenID Connect requires of everybody
(https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata). The keys are read again every few seconds, well
within the time a new one is published before it signs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from api.thumbprints import thumbprint
from domain.errors import Unavailable
from domain.signing import PUBLISHED_BEFORE, USES, KeyRow, SigningKeys, Use, believed, next_number, signing_now

Private: TypeAlias = Ed25519PrivateKey | rsa.RSAPrivateKey

ALGORITHMS: Mapping[Use, str] = {"access": "EdDSA", "id": "RS256"}
REFRESH_SECONDS = 10.0
_RSA_BITS = 2048


class Signatures:
    """Signs, and knows the public keys; `start` before use, then `refresh` again and again."""

    def __init__(self, keys: SigningKeys, clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._clock = clock
        self._rows: list[KeyRow] = []
        self._private: dict[str, Private] = {}
        self._read = float("-inf")

    def __repr__(self) -> str:
        return f"Signatures({len(self._private)} keys)"

    async def start(self) -> None:
        """Read the keys, and make the one that signs access tokens if it is missing or too old. Raises `Unavailable`."""
        await self._read_keys(("access",))

    async def refresh(self) -> None:
        """Read the keys again, and make those that are missing or too old, unless that was a moment ago."""
        if time.monotonic() - self._read > REFRESH_SECONDS:
            await self._read_keys(USES)

    async def ensure(self, use: Use) -> None:
        """Return once there is a key that signs for this use: making the first RSA key takes a moment."""
        if signing_now(self._rows, use, self._clock()) is None:
            await self._read_keys((use,))

    async def revoke(self) -> int:
        """Believe nothing that was signed so far; new keys are made at once. Returns how many were revoked."""
        revoked = await self._keys.revoke(self._clock())
        await self.start()
        return revoked

    async def _read_keys(self, uses: Sequence[Use]) -> None:
        rows = list(await self._keys.all())
        now = self._clock()
        for use in uses:
            number = next_number(rows, use, now)
            if number is not None:
                alone = signing_now(rows, use, now) is None
                await self._keys.add(await asyncio.to_thread(_new_key, use, number, now, at_once=alone))
                rows = list(await self._keys.all())
        self._rows = rows
        self._private = {row.id: self._private.get(row.id) or _opened(row) for row in rows if row.revoked is None}
        self._read = time.monotonic()

    def sign(self, use: Use, claims: Mapping[str, Any], *, kind: str) -> str:
        """A compact JWT of type `kind` with these claims. Raises `Unavailable` when no key can sign."""
        row = signing_now(self._rows, use, self._clock())
        if row is None or row.id not in self._private:
            raise Unavailable("There is no key to sign with")
        headers = {"typ": kind, "kid": row.id}
        return jwt.encode(dict(claims), self._private[row.id], algorithm=row.algorithm, headers=headers)

    def public(self, use: Use, key_id: str) -> Any | None:
        """The public key of that id while its signatures are believed; `None` for any other."""
        for row in believed(self._rows, self._clock()):
            if row.id == key_id and row.use == use and row.id in self._private:
                return self._private[row.id].public_key()
        return None

    def key_set(self) -> dict[str, Any]:
        """The public keys as a JWK set: https://www.rfc-editor.org/rfc/rfc7517#section-5"""
        known = [row for row in believed(self._rows, self._clock()) if row.id in self._private]
        return {"keys": [_public_jwk(row, self._private[row.id]) for row in known]}


def _new_key(use: Use, number: int, now: datetime, *, at_once: bool) -> KeyRow:
    """`at_once`: nothing can be signed until this key signs, so it does not wait to be known."""
    private: Private
    private = Ed25519PrivateKey.generate() if use == "access" else rsa.generate_private_key(65537, _RSA_BITS)
    return KeyRow(
        use=use,
        number=number,
        id=thumbprint(private.public_key()),
        algorithm=ALGORITHMS[use],
        private=private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        since=now if at_once else now + PUBLISHED_BEFORE,
    )


def _opened(row: KeyRow) -> Private:
    private = load_der_private_key(row.private, password=None)
    assert isinstance(private, Ed25519PrivateKey | rsa.RSAPrivateKey)  # noqa: S101 - we made it
    return private


def _public_jwk(row: KeyRow, private: Private) -> dict[str, Any]:
    algorithm = jwt.get_algorithm_by_name(row.algorithm)
    jwk: dict[str, Any] = msgspec.json.decode(algorithm.to_jwk(private.public_key()))
    return {**jwk, "kid": row.id, "alg": row.algorithm, "use": "sig"}
