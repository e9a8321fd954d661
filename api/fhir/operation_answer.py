"""How operations answer with resources: a searchset, cut as the client asks, with its audit targets."""

from __future__ import annotations

from collections.abc import Sequence

from api.fhir.exchange import Reply
from api.fhir.responses import bundle_reply, cut, subset_of
from api.fhir.service import Call
from domain.errors import NotFound
from domain.interactions.including import Entry
from domain.revision import Head
from fhir_mapping.bundle import FoundEntry, searchset


def require_type(call: Call, resource_type: str) -> None:
    """Raise `NotFound` for an operation on a type that does not have it."""
    if call.type != resource_type:
        raise NotFound(f"There is no such operation on {call.type}", code="not-supported")


def row(call: Call, entry: Entry) -> FoundEntry:
    """One resource of the answer, cut by `_summary` or `_elements`."""
    subset, content = subset_of(call.exchange), entry.content
    if subset is not None and isinstance(content, bytes):
        content = cut(subset, content)
    return FoundEntry(entry.head.key, content)


def searchset_reply(
    call: Call,
    url: str,
    rows: Sequence[FoundEntry],
    entries: Sequence[Entry],
    *,
    total: int | None = None,
    next_url: str | None = None,
) -> Reply:
    """The Bundle of `rows`; `entries` are the resources it shows, for the audit."""
    body = searchset(call.exchange.base_url, url, rows, total=total, next_url=next_url)
    reply = bundle_reply(call.exchange, body)
    heads: list[Head] = [entry.head for entry in entries]
    reply.targets = tuple(str(head.key) for head in heads)
    reply.patients = tuple(dict.fromkeys(head.patient for head in heads if head.patient))
    return reply
