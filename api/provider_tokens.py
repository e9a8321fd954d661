"""Proving to a provider who we are: name and password, a token that was given to us, or one that is fetched for us.

RFC 7617, RFC 6750, RFC 6749 section 4.4. A fetched token is used until shortly before it expires, by every session of this
process; the secrets it was fetched with are known here only by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlencode

import msgspec

from api.provider_wire import Lines
from domain.clinic.provider_ports import Auth, ProviderTrouble

DEFAULT_SECONDS, EARLY_SECONDS, LONGEST_SECONDS = 300.0, 30.0, 86_400.0
_ANSWER_BYTES = 64 * 1024
_MOST = 1_000


class _Granted(msgspec.Struct, frozen=True):
    """https://www.rfc-editor.org/rfc/rfc6749#section-5.1"""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: float | None = None


class _Kept(NamedTuple):
    token: str
    until: float


class Tokens:
    """The header that each kind of proof needs, and the tokens that were fetched."""

    def __init__(self, lines: Lines, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines = lines
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    def __repr__(self) -> str:
        return "Tokens(…)"

    async def header(self, auth: Auth) -> str | None:
        """The value of `Authorization`; `None` for none. Raises `ProviderTrouble` when no token is to be had."""
        if auth.kind == "BASIC":
            return _basic(auth.name, auth.secret)
        if auth.kind == "BEARER":
            return f"Bearer {auth.secret}"
        if auth.kind == "CLIENT_CREDENTIALS":
            return f"Bearer {await self._token(auth)}"
        return None

    def forget(self, auth: Auth) -> bool:
        """The provider does not take this token: whether another one may be fetched."""
        return auth.kind == "CLIENT_CREDENTIALS" and self._kept.pop(_name(auth), None) is not None

    async def _token(self, auth: Auth) -> str:
        name = _name(auth)
        kept = self._kept.get(name)
        if kept is None or self._clock() >= kept.until:
            kept = self._kept[name] = await self._fetched(auth)
            if len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return kept.token

    async def _fetched(self, auth: Auth) -> _Kept:
        asked = self._clock()
        form = {"grant_type": "client_credentials", **({"scope": auth.scope} if auth.scope else {})}
        fields = {
            "Authorization": _basic(quote_plus(auth.name), quote_plus(auth.secret)),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "Chartvault",
            "Connection": "close",
        }
        wire = await self._lines.open(auth.token_url)
        try:
            body = urlencode(form, quote_via=quote).encode()
            head = await wire.ask("POST", auth.token_url, fields, body)
            if head.status in (400, 401, 403):
                raise ProviderTrouble("unauthorized")
            if head.status != 200:
                raise ProviderTrouble("provider_error" if head.status >= 500 else "bad_content")
            granted = msgspec.json.decode(await wire.whole(head, _ANSWER_BYTES), type=_Granted, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderTrouble("bad_content") from None
        finally:
            wire.close()
        if granted.token_type.lower() != "bearer":
            raise ProviderTrouble("bad_content")
        lasts = DEFAULT_SECONDS if granted.expires_in is None else min(granted.expires_in, LONGEST_SECONDS)
        return _Kept(granted.access_token, asked + lasts - EARLY_SECONDS)


def _basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def _name(auth: Auth) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode(auth)).digest()
