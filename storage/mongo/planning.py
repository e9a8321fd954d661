"""Which index answers a search, in which order, and where its next page starts.

The database would try several plans and keep the one that looked best for somebody else's values. So one index is named
for each query, by the condition thought to be the rarest; all others only filter. Where the client asks for no order,
the index decides it, and a page reads what it shows. A page starts strictly after a key, never at an offset: nothing is
doubled or left out while others write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from domain.matching import Decider
from domain.ranges import MOMENT, meet
from domain.ranking import FEW_PATIENTS, in_order, rank_of
from domain.search import (
    AllOf,
    AnyOf,
    AnyTerm,
    Condition,
    IdIn,
    InRange,
    OfPatients,
    PageKey,
    PatientIn,
    SearchQuery,
    Updated,
)
from storage.crypto.blind_index import TokenMaker
from storage.mongo.clauses import clause, moments
from storage.mongo.client import Document
from storage.mongo.held import part_of
from storage.mongo.range_walk import Walk
from storage.mongo.short_finds import ShortFind
from storage.mongo.token_walk import MOST_MERGED, TokenWalk

Index: TypeAlias = Literal["_id_", "terms", "scoped", "moment", "ranges", "compartments", "updated"]
Order: TypeAlias = Literal["_id", "-_id", "updated", "-updated", "low", "-low", "patient", "place"]
MOST_MEETINGS = 100
"""Alternatives that two conditions on one time may become."""
COMMON = 7
"""From this rank on a condition selects so much that walking an index in the order asked for is better."""
FEW_TERMS = 8
_OWN_ORDER: dict[Index, Order] = {
    **dict.fromkeys(("_id_", "compartments"), "_id"),
    **dict.fromkeys(("terms", "ranges"), "place"),
    **dict.fromkeys(("scoped", "moment"), "-low"),
    "updated": "updated",
}
_ASKED: dict[str, tuple[Order, Index]] = {
    "_id": ("_id", "_id_"),
    "-_id": ("-_id", "_id_"),
    "_lastUpdated": ("updated", "updated"),
    "-_lastUpdated": ("-updated", "updated"),
    "moment": ("low", "moment"),
    "-moment": ("-low", "moment"),
}


class Sieved(NamedTuple):
    """A find, and what must allow each head that it finds."""

    find: ShortFind
    allows: Sequence[Decider]


class Plan(NamedTuple):
    """The filter of all pages and that of this one, their order, and the index that leads.

    With a `walk`, the pages are in the order of its numbers or tokens, and `rest` is the filter without them. `short` is this
    page once more where it is found soon: by a few rare terms or by nothing but terms, in the index's own order. `sieved` is
    the same without what the plain part of a resource decides: who may see it, mostly. The patients of a practitioner are a
    list of 20 KB, which costs the database more than the find; so the few documents found are held to it here.
    """

    filter: Document
    page: Document
    sort: list[tuple[str, int]]
    lead: Index
    walk: Walk | TokenWalk | None = None
    rest: Sequence[Document] = ()
    short: ShortFind | None = None
    sieved: Sieved | None = None


def plan_of(query: SearchQuery, tokens: TokenMaker) -> Plan:
    """How to answer a query whose chains are solved and which needs nothing opened."""
    conditions = in_order(_met(_flat(query.conditions)))
    leader, index = _leader_of(conditions)
    order: Order = "patient" if _is_of_several(leader) else _OWN_ORDER[index]
    if query.sort != "place":
        order, sorted_index = _ASKED[query.sort]
        if leader is None or rank_of(leader) >= COMMON:
            index, leader = sorted_index, None
    parts = [part_of(each, query.type, tokens) for each in conditions if each is not leader]
    clauses = [part.clause for part in parts]
    if index == "_id_":
        # "0" is the character after "/": the range is exactly the names "Type/…".
        clauses.append({"_id": {"$gte": f"{query.type}/", "$lt": f"{query.type}0"}})
    if index not in ("terms", "scoped", "moment"):  # Tokens hold the type, and only live resources have them.
        clauses.append({"type": query.type, "deleted": False})
    rest = [each for each in clauses if each]
    if index == "moment":
        tests = leader.tests if isinstance(leader, InRange) else None
        filter_, page = (_every(moments(tests, query.type, start), *rest) for start in ([], _start(query, order)))
        return Plan(filter_, page, _sort(order), index)
    if index == "terms" and query.sort == "place" and isinstance(leader, AnyTerm) and len(leader.terms) > MOST_MERGED:
        along = TokenWalk(tokens.tokens(query.type, leader.terms))
        filter_ = _every({"terms": {"$in": along.tokens}}, *rest)
        return Plan(filter_, filter_, [], index, along, rest)
    first = [] if leader is None else [clause(leader, query.type, tokens)]
    filter_ = _every(*first, *rest)
    if index == "ranges" and query.sort == "place" and isinstance(leader, InRange):
        return Plan(filter_, filter_, [], index, Walk(leader, query.type, tokens), rest)
    start = _start(query, order)
    short = sieved = None
    if order == _OWN_ORDER[index] and leader is not None and _is_short(leader, alone=not rest):
        short = ShortFind.of(leader, first[0], start, rest)
        held = [part.allows for part in parts if part.allows is not None]
        if short is not None and held:
            # Short finds are led by an index that holds type and life, so the clauses are those of the conditions.
            index_only = [part.clause for part in parts if part.clause and part.allows is None]
            sieved = Sieved(short._replace(rest=index_only), held)
    page = _every(*first, *rest, *start)
    return Plan(filter_, page, _sort(order), index, short=short, sieved=sieved)


def _every(*clauses: Document) -> Document:
    return {"$and": [each for each in clauses if each]}


def filtering(query: SearchQuery, tokens: TokenMaker) -> list[Document]:
    """The clauses of a query that something else leads: none of them is fit for an index."""
    conditions = in_order(_met(_flat(query.conditions)))
    return [clause(each, query.type, tokens, leads=False) for each in conditions] + [{"deleted": False}]


def filter_of(query: SearchQuery, tokens: TokenMaker) -> Document:
    """The filter of a query without its page: `{"$and": [...]}`, live resources of the type."""
    return plan_of(query, tokens).filter


def _flat(conditions: Sequence[Condition]) -> Sequence[Condition]:
    if not [each for each in conditions if isinstance(each, AllOf)]:
        return conditions
    found: list[Condition] = []
    for condition in conditions:
        found += _flat(condition.conditions) if isinstance(condition, AllOf) else [condition]
    return found


def _met(conditions: Sequence[Condition]) -> list[Condition]:
    """Conditions on the one time of a resource (`date=ge2020&date=lt2021`) as one: both its bounds lead the index."""
    if len([each for each in conditions if isinstance(each, InRange)]) < 2:
        return list(conditions)
    found: list[Condition] = []
    for condition in conditions:
        at, both = next(((at, both) for at, each in enumerate(found) if (both := _both(each, condition))), (None, None))
        if at is None or both is None:
            found.append(condition)
        else:
            found[at] = both
    return found


def _both(one: Condition, other: Condition) -> InRange | None:
    """Two ranges of one element that has one value; `None` for anything else."""
    if not (isinstance(one, InRange) and isinstance(other, InRange) and one.single and other.single):
        return None
    if {test.paths for test in one.tests} != {test.paths for test in other.tests}:
        return None
    if len(one.tests) * len(other.tests) > MOST_MEETINGS:
        return None
    pairs = [(test, meet(test.box, each.box)) for test in one.tests for each in other.tests]
    tests = tuple(msgspec.structs.replace(test, box=box) for test, box in pairs if box is not None)
    return msgspec.structs.replace(one, tests=tests)


def _leader_of(conditions: Sequence[Condition]) -> tuple[Condition | None, Index]:
    """The first condition that can lead an index, and that index."""
    for condition in conditions:
        index = _index_of(condition)
        if index is not None:
            return condition, index
    return None, "_id_"


def _index_of(condition: Condition) -> Index | None:
    """The index a condition can lead; `None` for one that can only filter."""
    match condition:
        case AnyTerm(_, negated):
            return None if negated or condition.shelf == "marks" else condition.shelf
        case OfPatients():
            return "scoped"
        case InRange(tests):
            moments = {test.paths == (MOMENT,) for test in tests}
            return "moment" if moments == {True} else "ranges" if moments == {False} else None
        case AllOf(conditions):
            # Inside an alternative: its first condition leads, see `clause`.
            return "terms" if conditions and _index_of(conditions[0]) == "terms" else None
        case AnyOf(conditions):
            indexes = {_index_of(each) for each in conditions}
            return "terms" if indexes == {"terms"} else None
        case IdIn(_, negated):
            return None if negated else "_id_"
        case PatientIn(patients):
            # More than a few would have to be put in order again: rather the type is walked in the order there is.
            return "compartments" if len(patients) <= FEW_PATIENTS else None
        case Updated():
            return None if condition.outside else "updated"
    return None


def _is_of_several(leader: Condition | None) -> bool:
    """Whether the index goes through the resources of one patient after the other."""
    return isinstance(leader, OfPatients) and (leader.patients is None or len(leader.patients) > 1)


def _is_short(leader: Condition, *, alone: bool) -> bool:
    """Whether a page led by this condition reads little more than it shows."""
    match leader:
        case AnyTerm(terms):
            return len(terms) <= FEW_TERMS and (alone or leader.rank < 5)
        case OfPatients(patients, terms):
            return patients is not None and len(patients) == 1 and len(terms) <= FEW_TERMS
    return False


def _sort(order: Order) -> list[tuple[str, int]]:
    direction = -1 if order.startswith("-") else 1
    match order.lstrip("-"):
        case "updated":
            return [("updated", direction), ("_id", direction)]
        case "low":
            return [("low", direction), ("place", -direction)]
        case "patient":
            return [("patient", 1), ("low", -1), ("place", 1)]
        case "place":
            return [("place", 1)]
    return [("_id", direction)]


def _start(query: SearchQuery, order: Order) -> list[Document]:
    """Clauses that start strictly after the page key; none on a first page."""
    after = query.after
    if after is None:
        return []
    name = f"{query.type}/{after.id}"
    beyond = "$lt" if order.startswith("-") else "$gt"
    match order.lstrip("-"):
        case "updated":
            later: dict[str, Any] = {"updated": {beyond: after.updated}}
            # The first clause is implied by the second; it gives the index its bound.
            tied = {"updated": after.updated, "_id": {beyond: name}}
            return [{"updated": {f"{beyond}e": after.updated}}, {"$or": [later, tied]}]
        case "low":
            return _start_low(after, descending=order.startswith("-"))
        case "patient":
            same = {"$and": _start_low(after, descending=True)}
            return [{"patient": {"$gte": after.patient}}, {"$or": [{"patient": {"$ne": after.patient}}, same]}]
        case "place":
            return [{"place": {"$gt": after.place}}]
    return [{"_id": {beyond: name}}]


def _start_low(after: PageKey, *, descending: bool) -> list[Document]:
    """In the order of the leading date; resources without one come last when descending, first when ascending."""
    place = {"place": {"$gt" if descending else "$lt": after.place}}
    if after.low is None:
        return [{"low": None}, place] if descending else [{"$or": [{"low": {"$ne": None}}, place]}]
    reached: Document = {"low": {"$not": {"$gt": after.low}}} if descending else {"low": {"$gte": after.low}}
    return [reached, {"$or": [{"low": {"$ne": after.low}}, place]}]
