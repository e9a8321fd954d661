"""A search request to a searchset Bundle: https://hl7.org/fhir/R4/search.html, paging https://hl7.org/fhir/R4/http.html#paging

The self link states the parameters that took effect, and only those; parameters that are not known are named in an
outcome entry, or refused when the client (`Prefer: handling=strict`) or the setting asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from api.fhir.exchange import Reply
from api.fhir.headers import preference
from api.fhir.paging import AcrossPlace, SearchPlace
from api.fhir.responses import bundle_reply, cut, subset_of
from api.fhir.scopes import SearchScope
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest, Issue
from domain.identity import FhirJson
from domain.interactions.across import search_across
from domain.interactions.including import INCLUDE_LIMIT, Entry, Included
from domain.interactions.search import search as find
from domain.search import ParsedSearch
from fhir_mapping.bundle import FoundEntry, searchset
from fhir_mapping.outcome import advisory

PAGE = "_page"
_PLAIN = re.compile(r"[A-Za-z0-9_.~:|,$/=&-]*")
Pairs = Sequence[tuple[str, str]]


class Results(msgspec.Struct, frozen=True):
    """A page of matches, what comes along, what the client should know, and the link to the next page."""

    matches: Sequence[Entry]
    included: Included
    total: int | None
    next_url: str | None
    parsed: ParsedSearch


async def search_pairs(service: Service, call: Call, scope: SearchScope, pairs: Pairs) -> Reply:
    """Answer a search given by its parameters, or the next page of one."""
    results = await (_several if scope.several else _one_type)(service, call, scope, pairs)
    reply = bundle_reply(call.exchange, _bundle(call, scope, results))
    heads = [entry.head for entry in (*results.matches, *results.included.entries)]
    reply.targets = tuple([str(head.key) for head in heads])
    reply.patients = tuple(dict.fromkeys([head.patient for head in heads if head.patient]))
    return reply


async def _one_type(service: Service, call: Call, scope: SearchScope, pairs: Pairs) -> Results:
    subject, after = call.occasion.caller.subject, None
    token = dict(pairs).get(PAGE)
    if token is not None:
        place = service.pages.read(token, SearchPlace, path=scope.path, subject=subject)
        pairs, after = place.pairs, place.after
    parsed = _parsed(service, call, scope, scope.types[0], pairs)
    query = parsed.query if after is None else msgspec.structs.replace(parsed.query, after=after)
    found = await find(service.parts, call.occasion, query, parsed.inclusions)
    next_place = None if found.next is None else SearchPlace(tuple(pairs), found.next)
    next_url = _next_url(service, call, scope, next_place)
    return Results(found.matches, found.included, found.total, next_url, parsed)


async def _several(service: Service, call: Call, scope: SearchScope, pairs: Pairs) -> Results:
    token = dict(pairs).get(PAGE)
    places = dict.fromkeys(scope.types)
    if token is not None:
        place = service.pages.read(token, AcrossPlace, path=scope.path, subject=call.occasion.caller.subject)
        pairs, places = place.pairs, {each.type: each.after for each in place.places}
    own = [pair for pair in pairs if pair[0] != "_type"]
    by_type = {name: _parsed(service, call, scope, name, own) for name in places}
    parsed = _in_common(list(by_type.values()), [pair for pair in pairs if pair[0] == "_type"])
    sorted_by = dict(parsed.applied).get("_sort")
    queries = [
        msgspec.structs.replace(each.query, after=places[name], sort=each.query.sort if sorted_by else "_id")
        for name, each in by_type.items()
    ]
    found = await search_across(service.parts, call.occasion, queries, parsed.inclusions, sorted_by=sorted_by)
    next_place = AcrossPlace(tuple(pairs), found.rest) if found.rest else None
    return Results(found.matches, found.included, found.total, _next_url(service, call, scope, next_place), parsed)


def _parsed(service: Service, call: Call, scope: SearchScope, resource_type: str, pairs: Pairs) -> ParsedSearch:
    """The query of one type, within the compartment. Counting asks for no resources."""
    search = service.parts.search
    strict = service.limits.strict_search or preference(call.exchange).strict
    parsed = search.parse(resource_type, pairs, strict=strict)
    query, inclusions = parsed.query, parsed.inclusions
    names = dict(pairs)
    count = min(query.count if "_count" in names else service.limits.page, service.limits.largest_page)
    summary = names.get("_summary")
    if summary == "count":
        count, inclusions = 0, ()
    if summary == "text" and inclusions:
        raise InvalidRequest("'_summary=text' cannot be combined with inclusions", expression="_summary")
    # Without a page the number is all that was asked for.
    changes: dict[str, Any] = {"count": count} if count else {"count": count, "total": "accurate"}
    if scope.compartment is not None:
        changes["conditions"] = (search.within(scope.compartment, resource_type), *query.conditions)
    return ParsedSearch(msgspec.structs.replace(query, **changes), parsed.applied, parsed.ignored, inclusions)


def _in_common(parsed: Sequence[ParsedSearch], types: Pairs) -> ParsedSearch:
    """What a search over several types did with its parameters. One that only some types know would select all of the
    others: it is refused, not ignored."""
    ignored = {name for each in parsed for name in each.ignored}
    unequal = next((name for name in ignored if any(name not in each.ignored for each in parsed)), None)
    if unequal is not None:
        raise InvalidRequest("Not every type of this search has this parameter", expression=unequal)
    first = parsed[0]
    return msgspec.structs.replace(first, applied=(*types, *first.applied))


def _next_url(service: Service, call: Call, scope: SearchScope, place: SearchPlace | AcrossPlace | None) -> str | None:
    if place is None:
        return None
    written = service.pages.write(place, path=scope.path, subject=call.occasion.caller.subject)
    return f"{call.exchange.base_url}/{scope.path}?{PAGE}={written}"


def _bundle(call: Call, scope: SearchScope, results: Results) -> bytes:
    base = call.exchange.base_url
    entries = _rows(call, results.matches, "match")
    if results.included.entries:
        entries += _rows(call, results.included.entries, "include")
    return searchset(
        base,
        self_url(f"{base}/{scope.path}", results.parsed.applied),
        entries,
        total=results.total,
        next_url=results.next_url,
        outcome=_remarks(results),
    )


def _rows(call: Call, entries: Sequence[Entry], mode: Literal["match", "include"]) -> list[FoundEntry]:
    subset = subset_of(call.exchange)
    if subset is None:
        return [FoundEntry(entry.head.key, entry.content, mode) for entry in entries]
    return [
        FoundEntry(
            entry.head.key, cut(subset, entry.content) if isinstance(entry.content, bytes) else entry.content, mode
        )
        for entry in entries
    ]


def self_url(path: str, pairs: Pairs) -> str:
    """`path` with the parameters that took effect."""
    if not pairs:
        return path
    plain = "&".join([f"{name}={value}" for name, value in pairs])
    # Most queries need no escapes, and looking for what does is a tenth of the work.
    alone = plain.count("=") == len(pairs) > plain.count("&")
    return f"{path}?{plain if alone and _PLAIN.fullmatch(plain) else _escaped(pairs)}"


def _escaped(pairs: Pairs) -> str:
    return urlencode(pairs, safe=":|,$/", quote_via=quote)


def _remarks(results: Results) -> FhirJson | None:
    """What the client should know about this answer: parameters without effect, and what did not come along."""
    issues = [
        Issue("not-supported", f"The parameter {name[:64]!r} is not known and was ignored", severity="warning")
        for name in results.parsed.ignored
    ]
    if results.included.cut:
        limit = f"Only the first {INCLUDE_LIMIT} included resources are here; ask for smaller pages with '_count'"
        issues.append(Issue("too-costly", limit, severity="warning"))
    return advisory(issues) if issues else None
