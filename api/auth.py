"""Bearer token to `Caller`: strict JWT verification, and a cache so that it costs a request almost nothing.

RFC 6750 (https://www.rfc-editor.org/rfc/rfc6750), RFC 9068, RFC 8725 (https://www.rfc-editor.org/rfc/rfc8725).
Invariants: the key decides the algorithm, never the token; `jku`, `jwk` and `x5u` are never looked at, so a token
cannot bring its own key; a token without expiry, audience, issuer, subject or id proves nothing. Every refusal is
`Unauthenticated` and tells at most that the token has expired.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from api.settings import Settings, UnusableSettings
from api.tokens import ALGORITHM, signing_key
from domain.access import Caller, parse_scopes
from domain.errors import Unauthenticated

LEEWAY_SECONDS = 60
MAX_TOKEN_CHARACTERS = 8192
_REQUIRED = ["exp", "iat", "aud", "iss", "sub", "jti"]
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_ASYMMETRIC = frozenset({"EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"})
_LEAST_RSA_BITS = 2048


class VerifyingKey(NamedTuple):
    """A public key, whose tokens it verifies, for whom and how."""

    key: Any
    algorithm: str
    issuer: str
    audience: str


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the file `CHARTVAULT_TOKEN_ISSUERS`. `keys` is a JWK set's list; each key needs a `kid`."""

    issuer: str
    algorithm: str
    keys: list[dict[str, Any]]
    audience: str | None = None


class Authenticator:
    """Verifies tokens. Verified ones are remembered by digest until they expire, at most `cache_size` of them."""

    def __init__(
        self, keys: Mapping[str, VerifyingKey], *, cache_size: int = 10_000, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = dict(keys)
        self._cache: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._cache_size = cache_size
        self._clock = clock

    def authenticate(self, header: str | None, network: str | None) -> Caller:
        """The caller behind an Authorization header; `network` is the peer's address. Raises `Unauthenticated`."""
        if header is None or header[:7].lower() != "bearer ":
            raise Unauthenticated("A bearer token is required")
        token = header[7:]
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise Unauthenticated("The bearer token is not valid")
        digest = hashlib.sha256(token.encode()).digest()
        entry = self._cache.get(digest)
        if entry is not None and entry[0] > self._clock():
            self._cache.move_to_end(digest)
            caller = entry[1]
            return caller if caller.network == network else msgspec.structs.replace(caller, network=network)
        claims = self._verified(token)
        caller = _caller(claims, network)
        self._remember(digest, int(claims["exp"]) + LEEWAY_SECONDS, caller)
        return caller

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            trusted = self._keys.get(header.get("kid", ""))
            if trusted is None or str(header.get("typ", "")).lower() not in _TYPES:
                raise Unauthenticated("The bearer token is not valid")
            claims: dict[str, Any] = jwt.decode(
                token,
                trusted.key,
                algorithms=[trusted.algorithm],
                audience=trusted.audience,
                issuer=trusted.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The bearer token has expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):  # without the cause: it may quote the token
            raise Unauthenticated("The bearer token is not valid") from None
        if not (claims["sub"] and claims["jti"]):  # the audit names both
            raise Unauthenticated("The bearer token is not valid")
        return claims

    def _remember(self, digest: bytes, until: float, caller: Caller) -> None:
        self._cache[digest] = (until, caller)
        self._cache.move_to_end(digest)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def authenticator(settings: Settings) -> Authenticator:
    """The verifier for the tokens of this installation and of the issuers it was told to trust.

    Raises `UnusableSettings` for a key or an issuer file that cannot be used.
    """
    own = signing_key(settings.token_key_path)
    keys = {own.id: VerifyingKey(own.public, ALGORITHM, settings.token_issuer, settings.token_audience)}
    for issuer in _other_issuers(settings):
        for name, key in _keys_of(issuer, settings.token_audience):
            if name in keys:
                raise UnusableSettings(f"CHARTVAULT_TOKEN_ISSUERS: two keys are called {name}")
            keys[name] = key
    return Authenticator(keys)


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


def _caller(claims: Mapping[str, Any], network: str | None) -> Caller:
    scope = claims.get("scope", "")
    client = claims.get("client_id", claims["sub"])
    return Caller(
        subject=claims["sub"],
        client=client if isinstance(client, str) else claims["sub"],
        token_id=claims["jti"],
        rights=parse_scopes(scope) if isinstance(scope, str) else {},
        network=network,
    )
