"""What the FHIR handlers share: the ports, limits and the request they are answering."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple, TypeAlias

from api.fhir.exchange import Exchange, Reply
from api.fhir.paging import PageLinks
from domain.audit_reading import AuditReading
from domain.clinic.booking_desk import Desk
from domain.grants import GrantBook
from domain.identity import ResourceKey, parse_id
from domain.interactions.parts import Occasion, Parts
from domain.jobs import CustomSearch, Jobs


class Limits(NamedTuple):
    """Bounds on what one request may ask: bytes of a resource and of a Bundle, page sizes, entries of a Bundle.

    `strict_search` refuses unknown search parameters whatever the client prefers."""

    resource_bytes: int
    bundle_bytes: int
    page: int
    largest_page: int
    bundle_entries: int
    seconds: float
    bundle_seconds: float
    strict_search: bool = False
    blob_bytes: int = 0
    transfer_seconds: float = 3_600.0


class Service(NamedTuple):
    """Everything a handler may use."""

    parts: Parts
    pages: PageLinks
    limits: Limits
    capability: bytes
    types: frozenset[str]
    jobs: Jobs
    custom: CustomSearch
    audit: AuditReading
    grants: GrantBook
    desk: Desk


class Call(NamedTuple):
    """One request on its way through a handler. `again` sends a request made from a Bundle entry through the routes.

    The body of a document is not read beforehand: it is `stream`."""

    exchange: Exchange
    occasion: Occasion
    body: bytes
    again: Callable[[Exchange], Awaitable[Reply]]
    stream: AsyncIterator[bytes] | None = None

    @property
    def type(self) -> str:
        return self.exchange.segments[0]

    @property
    def key(self) -> ResourceKey:
        """The resource the path names. Raises `InvalidRequest` for a bad id."""
        return ResourceKey(self.exchange.segments[0], parse_id(self.exchange.segments[1]))


Handler: TypeAlias = Callable[[Service, Call], Awaitable[Reply]]
