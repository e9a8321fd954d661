"""Pages of what carries one of very many tokens, in the order of the tokens: what a chain over thousands of resources selects.

The index of terms gives what carries one token in the order of places. Up to some two hundred tokens the database merges
these rows into one order; beyond, it would read every match and sort. So here the tokens themselves are the order: a page
walks from one to the next, a chunk of them at a time, and starts after `(token, place)`. What carries several of them comes
at its first one only, so nothing is doubled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from domain.search import PageKey
from storage.mongo.client import Document

MOST_MERGED = 200
"""Tokens whose rows the database merges by itself (`internalQueryMaxScansToExplode`)."""
CHUNK = 5_000
"""Tokens of one find: 130 KB."""


class Position(NamedTuple):
    """Where the walk is: a token, and the place of a resource that carries it."""

    token: bytes
    place: int


class TokenWalk:
    """The walk along these tokens."""

    def __init__(self, tokens: Iterable[bytes]) -> None:
        self.tokens = sorted(set(tokens))
        self._selected = frozenset(self.tokens)

    def clauses(self, after: Position | None) -> Iterator[Document]:
        """What is still to give, one find after the other."""
        start = 0
        if after is not None:
            start = bisect_right(self.tokens, after.token)
            yield {"terms": after.token, "place": {"$gt": after.place}}
        for at in range(start, len(self.tokens), CHUNK):
            yield {"terms": {"$in": self.tokens[at : at + CHUNK]}}

    def position(self, document: Mapping[str, Any], clause: Document) -> Position | None:
        """Where a resource stands that a find of this clause gave; `None` when an earlier token has given it already."""
        first = min(self._selected.intersection(document["terms"]))
        wanted = clause["terms"]
        here = first >= wanted["$in"][0] if isinstance(wanted, dict) else first == wanted
        return Position(first, int(document["place"])) if here else None


def read(after: PageKey | None) -> Position | None:
    """The position of a page key; `None` on a first page."""
    if after is None:
        return None
    token, place = after.values
    return Position(bytes.fromhex(str(token)), int(place or 0))


def written(position: Position) -> tuple[str | int | None, ...]:
    """A position as a page key holds it."""
    return (position.token.hex(), position.place)
