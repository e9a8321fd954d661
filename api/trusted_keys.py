"""Whose tokens are believed: ours, and those of the issuers in the file `CHARTVAULT_TOKEN_ISSUERS`.

A key is known by its `kid` and decides algorithm, issuer and audience (RFC 8725 section 3.1): a token chooses none of them.
Symmetric, private and short keys are refused when the program starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.settings import Settings, UnusableSettings
from api.signatures import ALGORITHMS, Signatures
from api.tokens import ALGORITHM, signing_key

_ASYMMETRIC = frozenset({"EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"})
_LEAST_RSA_BITS = 2048


class VerifyingKey(NamedTuple):
    """A public key, whose tokens it verifies, for whom and how. Only our `own` tokens may name a session of ours."""

    key: Any
    algorithm: str
    issuer: str
    audience: str
    own: bool = False


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file `CHARTVAULT_TOKEN_ISSUERS`. `keys` is a JWK set's list; each key needs a `kid`."""

    issuer: str
    algorithm: str
    keys: list[dict[str, Any]]
    audience: str | None = None


class TrustedKeys:
    """Every key that is trusted now, by `kid`.

    Raises `UnusableSettings` for a key or an issuer file that cannot be used.
    """

    def __init__(self, settings: Settings, signatures: Signatures | None) -> None:
        self._settings = settings
        self._signatures = signatures
        self._fixed = _fixed_keys(settings)

    def find(self, key_id: str) -> VerifyingKey | None:
        """The key of that id while it is trusted."""
        fixed = self._fixed.get(key_id)
        if fixed is not None or self._signatures is None:
            return fixed
        public = self._signatures.public("access", key_id)
        if public is None:
            return None
        settings = self._settings
        return VerifyingKey(public, ALGORITHMS["access"], settings.token_issuer, settings.token_audience, own=True)


def _fixed_keys(settings: Settings) -> dict[str, VerifyingKey]:
    own = signing_key(settings.token_key_path)
    keys = {own.id: VerifyingKey(own.public, ALGORITHM, settings.token_issuer, settings.token_audience)}
    for issuer in _other_issuers(settings):
        for name, key in _keys_of(issuer, settings.token_audience):
            if name in keys:
                raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: two keys are called {name}")
            keys[name] = key
    return keys


def _other_issuers(settings: Settings) -> list[Issuer]:
    if settings.token_issuers is None:
        return []
    try:
        return msgspec.json.decode(settings.token_issuers.read_bytes(), type=list[Issuer])
    except (OSError, msgspec.DecodeError) as error:
        raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS cannot be read: {error}") from None


def _keys_of(issuer: Issuer, audience: str) -> Iterable[tuple[str, VerifyingKey]]:
    if issuer.algorithm not in _ASYMMETRIC:
        raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: {issuer.algorithm} is not an asymmetric signature")
    for jwk in issuer.keys:
        try:
            name, key = jwk["kid"], jwt.PyJWK(jwk, algorithm=issuer.algorithm).key
        except (jwt.PyJWTError, KeyError):
            raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: a key of {issuer.issuer} is not usable") from None
        if hasattr(key, "private_bytes") or isinstance(key, bytes):
            raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: a key of {issuer.issuer} is not a public key")
        if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: a key of {issuer.issuer} is too short")
        yield name, VerifyingKey(key, issuer.algorithm, issuer.issuer, issuer.audience or audience)
