"""A search request to a searchset Bundle: https://hl7.org/fhir/R4/search.html, paging https://hl7.org/fhir/R4/http.html#paging

The self link states the parameters that took effect, and only those; parameters that are not known are named in an
outcome entry, or refused when the client prefers strict handling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote, urlencode

import msgspec

from api.fhir.exchange import Reply
from api.fhir.headers import preference
from api.fhir.paging import SearchPlace
from api.fhir.responses import bundle_reply, cut, subset_of
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest, Issue
from domain.identity import FhirJson
from domain.interactions.including import INCLUDE_LIMIT, Entry
from domain.interactions.search import Found
from domain.interactions.search import search as find
from domain.search import ParsedSearch
from fhir_mapping.bundle import FoundEntry, searchset
from fhir_mapping.outcome import advisory

PAGE = "_page"


async def search_pairs(service: Service, call: Call, pairs: Sequence[tuple[str, str]]) -> Reply:
    """Answer a search given by its parameters, or the next page of one."""
    subject = call.occasion.caller.subject
    token = dict(pairs).get(PAGE)
    after = None
    if token is not None:
        place = service.pages.read(token, SearchPlace, path=call.type, subject=subject)
        pairs, after = place.pairs, place.after
    parsed = service.parts.search.parse(call.type, pairs, strict=preference(call.exchange).strict)
    counting = dict(pairs).get("_summary") == "count"
    query = msgspec.structs.replace(parsed.query, after=after, count=0 if counting else parsed.query.count)
    if parsed.inclusions and dict(pairs).get("_summary") == "text":
        raise InvalidRequest("'_summary=text' cannot be combined with inclusions", expression="_summary")
    inclusions = () if counting else parsed.inclusions
    found = await find(service.parts, call.occasion, query, inclusions)
    next_url = None
    if found.next is not None:
        written = service.pages.write(SearchPlace(tuple(pairs), found.next), path=call.type, subject=subject)
        next_url = f"{call.exchange.base_url}/{call.type}?{PAGE}={written}"
    reply = bundle_reply(call.exchange, _bundle(call, parsed, found, next_url))
    heads = [entry.head for entry in (*found.matches, *found.included.entries)]
    reply.targets = tuple(str(head.key) for head in heads)
    reply.patients = tuple(dict.fromkeys(head.patient for head in heads if head.patient))
    return reply


def _bundle(call: Call, parsed: ParsedSearch, found: Found, next_url: str | None) -> bytes:
    base = call.exchange.base_url
    entries = [_row(entry, "match", call) for entry in found.matches]
    entries += [_row(entry, "include", call) for entry in found.included.entries]
    return searchset(
        base,
        self_url(f"{base}/{call.type}", parsed.applied),
        entries,
        total=found.total,
        next_url=next_url,
        outcome=_remarks(parsed, found),
    )


def _row(entry: Entry, mode: Literal["match", "include"], call: Call) -> FoundEntry:
    subset, content = subset_of(call.exchange), entry.content
    if subset is not None and isinstance(content, bytes):
        content = cut(subset, content)
    return FoundEntry(entry.head.key, content, mode)


def self_url(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    """`path` with the parameters that took effect."""
    return f"{path}?{urlencode(pairs, safe=':|,$/', quote_via=quote)}" if pairs else path


def _remarks(parsed: ParsedSearch, found: Found) -> FhirJson | None:
    """What the client should know about this answer: parameters without effect, and what did not come along."""
    issues = [
        Issue("not-supported", f"The parameter {name[:64]!r} is not known and was ignored", severity="warning")
        for name in parsed.ignored
    ]
    if found.included.cut:
        limit = f"Only the first {INCLUDE_LIMIT} included resources are here; ask for smaller pages with '_count'"
        issues.append(Issue("too-costly", limit, severity="warning"))
    return advisory(issues) if issues else None
