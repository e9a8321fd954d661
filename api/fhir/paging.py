"""Page links: the query a search or history continues and the place where its next page starts, as sealed text
(`api/sealed_tokens.py`). Nothing is kept on the server: https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec

from api.sealed_tokens import SealedTokens
from domain.history_query import HistoryKey
from domain.interactions.across import Place
from domain.search import PageKey


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


_Place = TypeVar("_Place", SearchPlace, AcrossPlace, NamePlace, HistoryPlace)


class PageLinks:
    """Writes and reads page links with one secret of 32 bytes, shared by all processes."""

    def __init__(self, secret: bytes) -> None:
        self._tokens = SealedTokens(secret, "page link")

    def write(self, place: AnyPlace, *, path: str, subject: str) -> str:
        """The token for `place`, usable by `subject` on `path` for an hour."""
        return self._tokens.write(msgspec.msgpack.encode(place), place=path, subject=subject)

    def read(self, token: str, kind: type[_Place], *, path: str, subject: str) -> _Place:
        """The place a token names. Raises `InvalidRequest` for anything not written for this path and subject, `Gone`
        for an expired one."""
        try:
            return msgspec.msgpack.decode(self._tokens.read(token, place=path, subject=subject), type=kind)
        except msgspec.MsgspecError as error:  # a place of another kind
            raise self._tokens.foreign() from error
