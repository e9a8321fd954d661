"""Page links: opaque, encrypted, stateless, bound to one caller, expiring.

A link holds the query it continues and the place where the next page starts; nothing is kept on the server and nothing can
be read from, or changed in, a link. An altered or foreign link is 400, an expired one 410, never another result.
"""

from __future__ import annotations

import base64
import os
import time
from typing import TypeAlias, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import Gone, InvalidRequest
from domain.history_query import HistoryKey
from domain.interactions.across import Place
from domain.search import PageKey

LIFETIME_SECONDS = 3600
_CONTEXT = b"chartvault/page/1|"


class SearchPlace(msgspec.Struct, frozen=True, array_like=True):
    """A search and where its next page starts."""

    pairs: tuple[tuple[str, str], ...]
    after: PageKey


class AcrossPlace(msgspec.Struct, frozen=True, array_like=True):
    """A search over several types, and where in each of those that are left its next page starts."""

    pairs: tuple[tuple[str, str], ...]
    places: tuple[Place, ...]


class NamePlace(msgspec.Struct, frozen=True, array_like=True):
    """An answer in the order of names (`Type/id`), and after which one its next page starts."""

    pairs: tuple[tuple[str, str], ...]
    after: str


class HistoryPlace(msgspec.Struct, frozen=True, array_like=True):
    """A history and where its next page starts."""

    pairs: tuple[tuple[str, str], ...]
    after: HistoryKey


AnyPlace: TypeAlias = SearchPlace | AcrossPlace | NamePlace | HistoryPlace


class _Sealed(msgspec.Struct, array_like=True):
    subject: str
    expires: int
    place: msgspec.Raw


_Place = TypeVar("_Place", SearchPlace, AcrossPlace, NamePlace, HistoryPlace)


class PageLinks:
    """Writes and reads page links with one secret of 32 bytes, shared by all processes."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)

    def write(self, place: AnyPlace, *, path: str, subject: str) -> str:
        """The token for `place`, usable by `subject` on `path` for an hour."""
        expires = int(time.time()) + LIFETIME_SECONDS
        plain = msgspec.msgpack.encode(_Sealed(subject, expires, msgspec.Raw(msgspec.msgpack.encode(place))))
        nonce = os.urandom(12)
        sealed = nonce + self._cipher.encrypt(nonce, plain, _CONTEXT + path.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, token: str, kind: type[_Place], *, path: str, subject: str) -> _Place:
        """The place a token names. Raises `InvalidRequest` for anything not written for this path and subject, `Gone`
        for an expired one."""
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], _CONTEXT + path.encode())
            state = msgspec.msgpack.decode(plain, type=_Sealed)
            place = msgspec.msgpack.decode(state.place, type=kind)
        except (ValueError, InvalidTag, msgspec.MsgspecError) as error:
            raise InvalidRequest(
                "This page link was not written by this server for this request", code="value"
            ) from error
        if state.subject != subject:
            raise InvalidRequest("This page link was not written by this server for this request", code="value")
        if state.expires < time.time():
            raise Gone("This page link has expired; start the search again")
        return place
