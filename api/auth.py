"""Bearer token to `Caller`: strict JWT verification, and a cache so that it costs a request almost nothing.

RFC 6750 (https://www.rfc-editor.org/rfc/rfc6750), RFC 9068, RFC 8725 (https://www.rfc-editor.org/rfc/rfc8725).
A token of a person names a session: that, and the account behind it, are looked up at every request, so that whoever has
logged out, or may no longer do something, is refused by every process at once. The cache saves only the signature.
Invariants: the key decides the algorithm, never the token; `jku`, `jwk` and `x5u` are never looked at, so a token
cannot bring its own key; a token without expiry, audience, issuer, subject or id proves nothing. Every refusal is
`Unauthenticated` and tells at most that the token has expired.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import jwt
import msgspec

from api.trusted_keys import VerifyingKey
from domain.access import Caller, conditional_scopes, parse_scopes
from domain.errors import Unauthenticated
from domain.grounds import Grounds
from domain.sessions import Present

LEEWAY_SECONDS = 60
REMEMBERED_SECONDS = 60
"""How long a signature is not checked again: a key that was revoked is believed no longer than this."""
MAX_TOKEN_CHARACTERS = 8192
_REQUIRED = ["exp", "iat", "aud", "iss", "sub", "jti"]
_TYPES = frozenset({"at+jwt", "application/at+jwt"})


FindKey = Callable[[str], VerifyingKey | None]
"""Key id to the key, while it is trusted."""
FindSession = Callable[[str, str, Grounds | None], Awaitable[Present | None]]
"""Session and account to what is known of them now; see `domain.sessions.Sessions.present`."""


class Verified(NamedTuple):
    """What a token proves by itself until it expires; `caller` is complete unless a session has to be looked up."""

    until: float
    caller: Caller
    session: str | None


class Authenticator:
    """Verifies tokens. Verified ones are remembered by digest until they expire, at most `cache_size` of them."""

    def __init__(
        self,
        find_key: FindKey,
        find_session: FindSession,
        *,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._find_key = find_key
        self._find_session = find_session
        self._cache: OrderedDict[bytes, Verified] = OrderedDict()
        self._cache_size = cache_size
        self._clock = clock

    async def authenticate(self, header: str | None, network: str | None, grounds: Grounds | None = None) -> Caller:
        """The caller behind an Authorization header; `network` is the peer's address. `grounds` get what a person rests on.

        Raises `Unauthenticated`, and `Unavailable` when the session of a token cannot be looked up.
        """
        if header is None or header[:7].lower() != "bearer ":
            raise Unauthenticated("A bearer token is required")
        verified = self._known(header[7:], network)
        caller = verified.caller
        if verified.session is None:
            return caller if caller.network == network else msgspec.structs.replace(caller, network=network)
        present = await self._find_session(verified.session, caller.subject, grounds)
        if present is None:
            raise _refused("The bearer token is of a session that has ended")
        if grounds is not None:
            grounds.end(verified.until)
            grounds.said("who")
        return _with_session(caller, present, network)

    def _known(self, token: str, network: str | None) -> Verified:
        """What the token proves, from memory (as asked from the network it first came from) or by its signature."""
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise _refused()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(digest)
        if known is not None and known.until > self._clock():
            self._cache.move_to_end(digest)
            return known
        claims, key = self._verified(token)
        session = claims.get("sid") if key.own else None
        if not isinstance(session, str | None):
            raise _refused()
        until = min(int(claims["exp"]) + LEEWAY_SECONDS, self._clock() + REMEMBERED_SECONDS)
        verified = Verified(until, _caller(claims, network), session)
        self._remember(digest, verified)
        return verified

    def _verified(self, token: str) -> tuple[dict[str, Any], VerifyingKey]:
        try:
            header = jwt.get_unverified_header(token)
            trusted = self._find_key(header.get("kid", ""))
            if trusted is None or str(header.get("typ", "")).lower() not in _TYPES:
                raise _refused()
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
            raise _refused("The bearer token has expired", "token_expired") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):  # without the cause: it may quote the token
            raise _refused() from None
        if not (claims["sub"] and claims["jti"]):  # the audit names both
            raise _refused()
        return claims, trusted

    def _remember(self, digest: bytes, verified: Verified) -> None:
        self._cache[digest] = verified
        self._cache.move_to_end(digest)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def _refused(message: str = "The bearer token is not valid", reason: str = "invalid_token") -> Unauthenticated:
    """A token was shown and proves nothing; without one there is no reason (RFC 6750 section 3.1)."""
    return Unauthenticated(message, reason=reason)


def _caller(claims: Mapping[str, Any], network: str | None) -> Caller:
    """Who the token speaks of. What a person is and may do is not in it, see `_with_session`."""
    scope = claims.get("scope", "")
    client = claims.get("client_id", claims["sub"])
    return Caller(
        subject=claims["sub"],
        client=client if isinstance(client, str) else claims["sub"],
        token_id=claims["jti"],
        rights=parse_scopes(scope) if isinstance(scope, str) else {},
        scopes=conditional_scopes(scope) if isinstance(scope, str) else (),
        network=network,
    )


def _with_session(caller: Caller, present: Present, network: str | None) -> Caller:
    """The person behind a session, as their account stands now."""
    session, standing = present
    return msgspec.structs.replace(
        caller,
        network=network,
        account=standing.id,
        session=session.id,
        roles=standing.roles,
        profiles=standing.profiles,
        organizations=standing.organizations,
        patient=session.login.patient,
        authenticated_at=session.login.authenticated_at,
        second_factor_at=session.login.second_factor_at,
    )
