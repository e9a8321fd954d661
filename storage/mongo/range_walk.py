"""Pages of a search that starts from numbers, in the order of the numbers.

The index of ranges has several entries per resource, so the database would sort by nothing in it without reading every
match first. But it gives resources in the order of their first matching entry, and that order is as good as any other for
a client who asked for none. Each alternative of a search is one stretch of the index (path, key, bounds); stretches are
walked one after the other. A page starts after `(stretch, low, high, place)` and leaves out what an earlier stretch, or an
earlier entry of the same, has given already, so nothing is doubled or left out while others write.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from bson.decimal128 import Decimal128

from domain.ranges import MOMENT
from domain.search import InRange, PageKey, RangeTest
from storage.crypto.blind_index import TokenMaker
from storage.mongo.clauses import range_clause
from storage.mongo.client import Document
from storage.mongo.reaches import places_of


class Position(NamedTuple):
    """Where the walk is: the stretch, the ends of the entry there, the place of the resource."""

    stretch: int
    low: Any
    high: Any
    place: int


class Walk:
    """The stretches of one condition."""

    def __init__(self, condition: InRange, resource_type: str, tokens: TokenMaker) -> None:
        self._type = resource_type
        self._tokens = tokens
        self._stretches = [
            (test, place)
            for test in condition.tests
            for path in test.paths
            if path != MOMENT
            for place in places_of(test, path)
        ]
        self._keys = {id(test): tokens.tokens(resource_type, test.keys) for test in condition.tests}

    def __len__(self) -> int:
        return len(self._stretches)

    def clauses(self, number: int, after: Position | None) -> list[Document]:
        """What one stretch still has to give."""
        given = [self._clause(each) for each in range(number)]
        if after is None or after.stretch < number:
            return [self._clause(number), *([{"$nor": given}] if given else [])]
        reached = {"l": {"$gte": after.low}}
        given += [self._clause(number, {"l": {"$lt": after.low}})]
        given += [self._clause(number, {"l": after.low, "h": {"$lt": after.high}})]
        tied = self._clause(number, {"l": after.low, "h": after.high})
        return [
            self._clause(number, reached),
            {"$nor": given},
            {"$or": [{"$nor": [tied]}, {"place": {"$gt": after.place}}]},
        ]

    def _clause(self, number: int, *more: Document) -> Document:
        test, place = self._stretches[number]
        return range_clause(test, place, self._type, self._tokens, *more)

    def position(self, number: int, document: Mapping[str, Any]) -> Position:
        """Where a resource stands in a stretch: at its first entry there."""
        test, (path, _) = self._stretches[number]
        keys = set(self._keys[id(test)])
        found = [
            (_number(each["l"]), _number(each["h"]))
            for each in document["ranges"]
            if each["p"] == path and keys <= set(each.get("k", ())) and _holds(test, each)
        ]
        low, high = min(found)
        # A long of the database is an `Int64`, which page links cannot hold.
        return Position(number, _stored(low), _stored(high), int(document["place"]))


def _holds(test: RangeTest, entry: Mapping[str, Any]) -> bool:
    low, high = _number(entry["l"]), _number(entry["h"])
    return test.box.holds(None if low == -math.inf else low, None if high == math.inf else high)


def _number(stored: Any) -> Any:
    return stored.to_decimal() if isinstance(stored, Decimal128) else stored


def _stored(number: Any) -> Any:
    return Decimal128(number) if isinstance(number, Decimal) else number


def written(position: Position) -> tuple[str | int | None, ...]:
    """A position as a page key holds it."""
    return (position.stretch, _text(position.low), _text(position.high), position.place)


def read(after: PageKey | None) -> Position | None:
    """The position of a page key; `None` on a first page."""
    if after is None:
        return None
    stretch, low, high, place = after.values
    return Position(int(stretch or 0), _value(str(low)), _value(str(high)), int(place or 0))


def _text(number: Any) -> str:
    return (
        f"d{number}" if isinstance(number, Decimal128) else f"f{number}" if isinstance(number, float) else f"i{number}"
    )


def _value(text: str) -> Any:
    kinds: Mapping[str, Any] = {"d": Decimal128, "f": float, "i": int}
    return kinds[text[:1]](text[1:])


def stretches_after(walk: Walk, after: Position | None) -> Sequence[int]:
    """The stretches that are not done yet."""
    return range(after.stretch if after else 0, len(walk))
