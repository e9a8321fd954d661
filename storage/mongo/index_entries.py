"""The index entries of a resource: its description as the database keeps it, and its place in the store's order.

Tokens are sorted: in the order of extraction, neighbours and constant tokens would tell which parameter each belongs to.
Whatever describes again (a write, `verify`, a new search parameter) makes entries here and nowhere else.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from decimal import Decimal
from typing import Any

import msgspec
from bson.decimal128 import Decimal128

from domain.identity import FhirJson
from domain.revision import Description, Range
from domain.ties import Tie
from storage.crypto.blind_index import TokenMaker
from storage.mongo.reaches import UNDATED, reach_of

FIELDS = ("terms", "marks", "scoped", "reach", "low", "high", "ranges", "words", "ties")
"""What index entries a `resources` document may hold."""
_EPOCH_MS = 1_577_836_800_000
"""2020: 41 bits of milliseconds from here last until 2089."""
_process = int.from_bytes(os.urandom(2)) & 0x3FF
_numbers = itertools.count()


def index_entries(resource_type: str, described: Description, tokens: TokenMaker) -> dict[str, Any]:
    """The fields that searches of a resource use. Empty ones are left out: an absent array has no index entry."""
    entries: dict[str, Any] = {"terms": sorted(tokens.tokens(resource_type, described.terms))}
    if described.marks:
        entries["marks"] = sorted(tokens.tokens(resource_type, described.marks))
    if described.scoped:
        entries["scoped"] = sorted(tokens.tokens(resource_type, described.scoped))
    entries["reach"] = UNDATED
    if described.moment is not None:
        entries["reach"] = reach_of(*described.moment).number
        entries["low"], entries["high"] = low_end(described.moment[0]), high_end(described.moment[1])
    if described.ranges:
        entries["ranges"] = [_range(resource_type, each, tokens) for each in described.ranges]
    if described.words:
        entries["words"] = tokens.sieve(described.words)
    if described.ties:
        entries["ties"] = ties(described)
    return entries


def _range(resource_type: str, found: Range, tokens: TokenMaker) -> FhirJson:
    # Only times have no unit.
    path = found.path if found.keys else reach_of(found.low, found.high).mark + found.path
    entry: FhirJson = {"p": path, "l": low_end(found.low), "h": high_end(found.high)}
    if found.keys:
        entry["k"] = sorted(tokens.tokens(resource_type, found.keys))
    return entry


def ties(described: Description) -> list[FhirJson]:
    """The relations it states, as stored."""
    return [_tie(each) for each in described.ties]


def _tie(found: Tie) -> FhirJson:
    entry: FhirJson = {"a": found.actor, "b": found.bond, "p": found.about}
    entry |= {"l": low_end(found.low), "h": high_end(found.high)}
    if found.rule is not None:
        entry["c"] = msgspec.to_builtins(found.rule)
    return entry


def low_end(number: int | Decimal | None) -> Any:
    """A low end as stored; numbers of all BSON kinds compare with each other, infinity included."""
    return -math.inf if number is None else bound(number)


def high_end(number: int | Decimal | None) -> Any:
    return math.inf if number is None else bound(number)


def bound(number: int | Decimal) -> Any:
    return Decimal128(number) if isinstance(number, Decimal) else number


def new_place() -> int:
    """A place after all others: 41 bits of time, 10 of the process, 12 that count; unique, and cheap to index."""
    milliseconds = time.time_ns() // 1_000_000 - _EPOCH_MS
    return milliseconds << 22 | _process << 12 | next(_numbers) & 0xFFF
