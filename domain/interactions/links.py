"""Conditions on other resources, solved before the search that holds them: chains, `_has`, `_list`.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has

Innermost first: what a chain selects becomes reference terms of the outer query, what `_has` selects becomes ids. Every
inner query is narrowed by access like any other search: nobody can ask through a chain about what they may not see.
Each step selects at most a stated number of resources; more is refused, never cut. Only names are held, and what takes
too long is refused by the store.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.access import Caller
from domain.candidates import MAX_OPENED, needs_opening
from domain.errors import TooCostly
from domain.interactions.by_url import named_by, names_of
from domain.interactions.code_sets import codes_in
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Parts
from domain.revision import Stored
from domain.search import (
    AnyTerm,
    CodesOf,
    Condition,
    Having,
    IdIn,
    Inclusion,
    IndexTerm,
    Linked,
    Listed,
    SearchQuery,
    reference_term,
)

CHAIN_LIMIT = 100_000
"""How many resources a chain may select, and how many targets `_has` and `_list` may give."""
FEW = 20
"""Up to so many resources a chain is rarer than a code."""
MANY = 1_000
"""From here on it selects so much that an order that was asked for is better walked."""
OPENED_LIMIT = 1_000
"""How many resources `_has` opens to see what they point at; of more, the index is asked what they point at."""
INNER_LIMIT = 200
"""How many queries the chains of one search may stand for."""
_UNSOLVED = (Linked, Having, Listed, CodesOf)


async def solve_links(parts: Parts, caller: Caller, query: SearchQuery) -> SearchQuery:
    """The query with every condition on other resources replaced by what it selects.

    Raises `TooCostly` over a limit, `Forbidden` when the caller may search none of the types a chain leads through.
    """
    if not any(isinstance(condition, _UNSOLVED) for condition in query.conditions):
        return query
    if _inner(query) > INNER_LIMIT:
        raise TooCostly(f"The chains of this search lead through more than {INNER_LIMIT} types: name the types")
    plain = tuple(condition for condition in query.conditions if not isinstance(condition, _UNSOLVED))
    outer = SearchQuery(query.type, plain, total="none")
    solved = [await _solved(parts, caller, outer, condition) for condition in query.conditions]
    return msgspec.structs.replace(query, conditions=parts.search.together(query.type, solved))


def _inner(query: SearchQuery) -> int:
    """How many queries the conditions of this one stand for."""
    count = 0
    for condition in query.conditions:
        if isinstance(condition, Linked):
            count += sum(1 + _inner(target) for target in condition.targets)
        elif isinstance(condition, Having):
            count += 1 + _inner(condition.source)
    return count


async def _solved(parts: Parts, caller: Caller, outer: SearchQuery, condition: Condition) -> Condition:
    """The condition by what it selects; `outer` is the search that holds it, without conditions of this kind."""
    match condition:
        case Linked():
            return await _linked(parts, caller, condition)
        case Having():
            return IdIn(await _pointed_at(parts, caller, outer, condition))
        case Listed():
            return IdIn(await _listed(parts, caller, outer.type, condition))
        case CodesOf():
            return await codes_in(parts, caller, outer.type, condition)
    return condition


async def _linked(parts: Parts, caller: Caller, link: Linked) -> Condition:
    queries = [access.narrow(caller, target) for target in link.targets if caller.may("s", target.type)]
    if not queries:
        types = [target.type for target in link.targets]
        raise access.refusal(caller, "s", types, f"to search what '{link.parameter}' points at")
    solved = await side_by_side(lambda query: solve_links(parts, caller, query), queries, at_once=8)
    if link.by_url:
        names = await names_of(parts, solved, link.parameter)
        return AnyTerm(tuple(reference_term(link.parameter, name) for name in names), rank=4)
    keys = await parts.store.keys(solved, limit=CHAIN_LIMIT + 1)
    if len(keys) > CHAIN_LIMIT:
        raise _too_many(link.parameter, CHAIN_LIMIT)
    # Measured on 88,000 observations: what hundreds of patients have is slower to go through than what a code selects.
    rank = 2 if len(keys) <= FEW else 6 if len(keys) <= MANY else 7
    return AnyTerm(tuple(reference_term(link.parameter, key) for key in keys), rank=rank)


async def _pointed_at(parts: Parts, caller: Caller, outer: SearchQuery, having: Having) -> tuple[str, ...]:
    """The ids of the resources that `having` selects."""
    source = await solve_links(parts, caller, access.narrow(caller, having.source))
    found: dict[str, None] = {}
    if having.owned is not None:
        owners = await parts.store.owners(_about_patients(parts, source, having.owned), limit=CHAIN_LIMIT + 1)
        found.update(dict.fromkeys(owners.patients))
        stored: Sequence[Stored] = owners.unowned
    else:
        most = MAX_OPENED if needs_opening(source) else OPENED_LIMIT
        page = await parts.store.find(msgspec.structs.replace(source, count=most, total="none", sort="place"))
        stored = page.matches
        if page.next is not None:
            return await _pointed_at_by_many(parts, outer, source, having)
    wanted = Inclusion(source.type, (having.parameter,), outer.type)
    urls: dict[str, None] = {}
    for content in await parts.store.open(stored):
        if isinstance(content, bytes):
            found.update((key.id, None) for key in parts.reading.references(content, [wanted]))
            urls.update(dict.fromkeys(parts.reading.canonicals(content, [wanted]) if having.by_url else ()))
    if urls:
        keys = await parts.store.keys([named_by(outer.type, list(urls))], limit=CHAIN_LIMIT + 1)
        found.update((key.id, None) for key in keys)
    if len(found) > CHAIN_LIMIT:
        raise _too_many("_has", CHAIN_LIMIT)
    return tuple(found)


async def _pointed_at_by_many(parts: Parts, outer: SearchQuery, source: SearchQuery, having: Having) -> tuple[str, ...]:
    """What more resources than are opened point at: of what else is asked for, whatever one of them has a reference to."""
    if needs_opening(source) or having.by_url:
        raise _too_many("_has", OPENED_LIMIT if having.by_url else MAX_OPENED)
    found = await parts.store.pointed_at(outer, source, having.parameter, limit=CHAIN_LIMIT + 1)
    if len(found) > CHAIN_LIMIT:
        raise _too_many("_has", CHAIN_LIMIT)
    return tuple(found)


async def _listed(parts: Parts, caller: Caller, resource_type: str, listed: Listed) -> tuple[str, ...]:
    """The ids of the listed resources of the type; none when there is no such List for this caller."""
    query = access.narrow(caller, SearchQuery("List", (IdIn((listed.id,)),), count=1, total="none"))
    page = await parts.store.find(query)
    wanted = Inclusion("List", ("item",), resource_type)
    found: dict[str, None] = {}
    for content in await parts.store.open(page.matches):
        if isinstance(content, bytes):
            found.update((key.id, None) for key in parts.reading.references(content, [wanted]))
    if len(found) > CHAIN_LIMIT:
        raise _too_many("_list", CHAIN_LIMIT)
    return tuple(found)


def _about_patients(parts: Parts, source: SearchQuery, owned: IndexTerm) -> SearchQuery:
    """The same search, of resources that say by `owned` that their owner is whom they are about."""
    conditions = parts.search.together(source.type, source.conditions, anybody=True)
    if conditions == source.conditions:
        conditions = (*conditions, AnyTerm((owned,), rank=9, shelf="marks"))
    return msgspec.structs.replace(source, conditions=conditions)


def _too_many(name: str, limit: int) -> TooCostly:
    return TooCostly(f"'{name}' leads through more than {limit} resources: make it more precise", expression=name)
