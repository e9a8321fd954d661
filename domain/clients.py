"""Programs that may ask for tokens: apps of people, and systems of partners.

RFC 6749 section 2, RFC 7591, SMART App Launch 2.2. A client gets at most what it was registered for: its scopes, its grants,
its redirect URIs to the letter, its one way to prove who it is. What is unsound is refused when it is registered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

import msgspec

from domain.errors import InvalidRequest
from domain.scopes import is_scope

Proof: TypeAlias = Literal["none", "private_key_jwt", "client_secret_basic", "client_secret_post"]
"""How a client proves who it is; `none` is an app that cannot keep a secret."""
GrantType: TypeAlias = Literal["authorization_code", "refresh_token", "client_credentials"]

SECRET_PROOFS: frozenset[Proof] = frozenset({"client_secret_basic", "client_secret_post"})
_MOST_URIS, _MOST_KEYS, _LONGEST = 20, 20, 2_000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One registered client. `scope` is the most it may be granted; `keys` are JWKs, `jwks_uri` is where they are."""

    id: str
    name: str
    proof: Proof
    grants: tuple[GrantType, ...]
    scope: str
    created: datetime
    created_by: str
    redirect_uris: tuple[str, ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()
    jwks_uri: str | None = None

    def __repr__(self) -> str:
        return f"Client({self.id})"


class Clients(Protocol):
    """Implemented by `storage.mongo.clients`."""

    async def find(self, client_id: str) -> Client | None: ...

    async def all(self) -> Sequence[Client]:
        """Every client, in the order of their ids; there are few."""
        ...

    async def add(self, client: Client, secret: str | None) -> None:
        """Store a new client; of its secret only a hash."""
        ...

    async def remove(self, client_id: str) -> bool:
        """Remove a client and end every session opened for it. Whether there was one."""
        ...

    async def knows_secret(self, client_id: str, secret: str) -> bool:
        """Whether this is the client's secret; takes the same time for every wrong one."""
        ...


class UnsoundClient(InvalidRequest):
    """A registration that would not be safe; `reason` is the error code of RFC 7591 section 3.2.2."""


def require_sound(client: Client) -> None:
    """Raise `UnsoundClient`, saying what is wrong."""
    if not 1 <= len(client.name) <= 200 or not client.name.isprintable():
        raise _unsound("client_name: 1 to 200 printable characters are expected")
    if not client.grants:
        raise _unsound("grant_types: at least one is needed")
    _require_scopes(client)
    _require_keys(client)
    if "client_credentials" in client.grants and client.proof != "private_key_jwt":
        raise _unsound("client_credentials needs token_endpoint_auth_method private_key_jwt")
    if "authorization_code" in client.grants and not client.redirect_uris:
        raise _unsound("redirect_uris: at least one is needed", "invalid_redirect_uri")
    if len(client.redirect_uris) > _MOST_URIS or not all(map(_is_safe_redirect, client.redirect_uris)):
        text = "redirect_uris: up to 20 https URIs, http on this machine, or an app's own scheme, without fragments"
        raise _unsound(text, "invalid_redirect_uri")


def _require_scopes(client: Client) -> None:
    unknown = [scope for scope in client.scope.split() if not is_scope(scope)]
    if unknown or not client.scope.split():
        raise _unsound(f"scope: {unknown[0][:80] if unknown else 'nothing'} cannot be granted")
    if "client_credentials" not in client.grants and "system/" in client.scope:
        raise _unsound("scope: system scopes are for the grant client_credentials")


def _require_keys(client: Client) -> None:
    if client.proof != "private_key_jwt":
        if client.keys or client.jwks_uri is not None:
            raise _unsound("Keys are for token_endpoint_auth_method private_key_jwt")
        return
    if bool(client.keys) == (client.jwks_uri is not None):
        raise _unsound("Either jwks or jwks_uri is needed")
    if client.jwks_uri is not None and not is_public_https(client.jwks_uri):
        raise _unsound("jwks_uri: an https URL without user, fragment or address literal is expected")
    ids = [key.get("kid") for key in client.keys]
    if len(ids) > _MOST_KEYS or len(set(ids)) < len(ids) or not all(isinstance(kid, str) and kid for kid in ids):
        raise _unsound("jwks: up to 20 keys, each with a kid of its own, are expected")
    if any(not _PRIVATE_MEMBERS.isdisjoint(key) or key.get("kty") not in ("RSA", "EC") for key in client.keys):
        raise _unsound("jwks: public RSA or EC keys are expected, and nothing private")


def is_public_https(text: str) -> bool:
    """An https URL that names a host; whether the host is public is decided when it is called."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return False
    named = host is not None and "." in host and ":" not in host and not host.replace(".", "").isdigit()
    plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= _LONGEST
    return url.scheme == "https" and named and plain and "@" not in url.netloc and not url.fragment and port != 0


def _is_safe_redirect(text: str) -> bool:
    """RFC 9700 section 2.1, RFC 8252 section 7: https; http to the very machine; a private scheme with a dot in it."""
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        return False
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return False
    if "@" in url.netloc:
        return False
    if url.scheme in ("https", "http"):
        return host is not None and (url.scheme == "https" or host in _LOOPBACK)
    return "." in url.scheme and bool(url.path or host)


def _unsound(message: str, reason: str = "invalid_client_metadata") -> UnsoundClient:
    return UnsoundClient(message, code="value", reason=reason)
