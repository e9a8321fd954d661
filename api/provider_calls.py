"""Calling a patient's provider: `domain.clinic.provider_ports.Remotes` over FHIR's REST interface.

https://hl7.org/fhir/R4/http.html. Only addresses of the provider's own origin are called, and what the setting
`CHARTVAULT_PROVIDER_HOSTS` lists besides for the contents of documents, then without what proves who we are. A page that
cannot be had, a link that leads elsewhere or in circles, a body without end: all fail, nothing ends early as if it were
complete.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from api.provider_answers import able_of, date_of, entries_of, inside, joined, json_of, origin, require_success
from api.provider_tokens import Tokens
from api.provider_wire import Head, Lines, Wire
from domain.clinic.provider_ports import Able, Connection, ProviderTrouble, Remote, RemotePage
from domain.errors import InvalidRequest
from domain.identity import FhirJson, parse_etags, parse_reference
from domain.revision import encode

FHIR = "application/fhir+json"
_MOST_IDLE = 4
_MB = 1024 * 1024
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")


class Bounds(NamedTuple):
    """Resources of a page that are asked for, bytes of a page and of a document, and pages of a type."""

    entries: int = 100
    page: int = 16 * _MB
    content: int = 5_000 * _MB
    pages: int = 10_000


class Providers:
    """Opens sessions. Tokens that were fetched are shared by all of them."""

    def __init__(
        self,
        lines: Lines,
        bounds: Bounds | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._lines = lines
        self._tokens = Tokens(lines)
        self._bounds = bounds or Bounds()
        self._clock = clock

    def objection_to(self, url: str) -> str | None:
        """See `domain.clinic.provider_ports.Remotes.objection_to`."""
        return self._lines.hosts.objection_to(url)

    @asynccontextmanager
    async def open(self, connection: Connection) -> AsyncIterator[Remote]:
        """See `domain.clinic.provider_ports.Remotes.open`."""
        session = Session(connection, self._lines, self._tokens, self._bounds, self._clock)
        try:
            yield session
        finally:
            session.close()


class Session:
    """`domain.clinic.provider_ports.Remote` over connections that are kept while it lasts."""

    def __init__(
        self, connection: Connection, lines: Lines, tokens: Tokens, bounds: Bounds, clock: Callable[[], datetime]
    ) -> None:
        self._connection, self._base = connection, connection.base.rstrip("/")
        self._lines, self._tokens, self._bounds, self._clock = lines, tokens, bounds, clock
        self._idle: list[Wire] = []
        self._able: Able | None = None

    def __repr__(self) -> str:
        return f"Session({self._connection.id})"

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def able(self) -> Able:
        """https://hl7.org/fhir/R4/http.html#capabilities"""
        if self._able is None:
            _, statement = await self._resource("GET", f"{self._base}/metadata")
            self._able = able_of(statement)
        return self._able

    async def pages(self, resource_type: str, *, since: datetime | None) -> AsyncIterator[RemotePage]:
        """https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#paging"""
        remote = self._connection.remote_patient
        pairs = [("_id" if resource_type == "Patient" else "patient", remote), ("_count", str(self._bounds.entries))]
        if since is not None and resource_type in (await self.able()).dated:
            pairs.append(("_lastUpdated", f"ge{since.astimezone(UTC).isoformat(timespec='seconds')}"))
        url: str | None = f"{self._of(resource_type)}?{urlencode(pairs, safe=':')}"
        seen: set[str] = set()
        while url is not None:
            if url in seen or len(seen) >= self._bounds.pages:
                raise ProviderTrouble("bad_content")
            seen.add(url)
            asked = self._clock()
            head, bundle = await self._resource("GET", url)
            if bundle.get("resourceType") != "Bundle":
                raise ProviderTrouble("bad_content")
            yield RemotePage(entries_of(bundle), date_of(head) or asked)
            url = self._next(bundle)

    async def read(self, resource_type: str, logical_id: str) -> FhirJson:
        """https://hl7.org/fhir/R4/http.html#read"""
        try:
            _, resource = await self._resource("GET", f"{self._of(resource_type)}/{quote(logical_id, safe='')}")
        except ProviderTrouble as trouble:
            if trouble.cause == "gone" and resource_type == "Patient":
                raise ProviderTrouble("unknown_patient") from None
            raise
        if resource.get("resourceType") != resource_type:
            raise ProviderTrouble("bad_content")
        return resource

    async def content(self, url: str) -> AsyncIterator[bytes]:
        """https://hl7.org/fhir/R4/binary.html#rest: the bytes themselves, or inside a Binary where a server insists on it."""
        try:
            absolute = url if urlsplit(url).scheme else f"{self._base}/{url.lstrip('/')}"
        except ValueError:
            raise ProviderTrouble("bad_content") from None
        async with self._answered("GET", absolute, accept="*/*", abroad=True) as (wire, head):
            if head.fields.get("content-type", "").startswith(FHIR) and "/Binary/" in absolute:
                yield inside(json_of(await wire.whole(head, self._bounds.page)))
                return
            async for piece in wire.stream(head, self._bounds.content):
                yield piece

    async def create(self, resource: FhirJson) -> str | None:
        """https://hl7.org/fhir/R4/http.html#create"""
        fields = {"Content-Type": FHIR, "Prefer": "return=minimal"}
        url = self._of(resource["resourceType"])
        async with self._answered("POST", url, fields=fields, body=encode(resource)) as (wire, head):
            await wire.whole(head, self._bounds.page)
        named = parse_reference(joined(self._base, head.fields.get("location", "")))
        return None if named is None else str(named.key)

    async def update(self, resource: FhirJson, *, if_match: str | None) -> str | None:
        """https://hl7.org/fhir/R4/http.html#update, https://hl7.org/fhir/R4/http.html#concurrency"""
        fields = {"Content-Type": FHIR, "Prefer": "return=minimal"}
        if if_match is not None:
            fields["If-Match"] = f'W/"{if_match}"'
        url = f"{self._of(resource['resourceType'])}/{quote(resource['id'], safe='')}"
        async with self._answered("PUT", url, fields=fields, body=encode(resource)) as (wire, head):
            await wire.whole(head, self._bounds.page)
        try:
            tags = parse_etags(head.fields.get("etag", "*"))
        except InvalidRequest:
            return None
        return next(iter(tags - {"*"}), None)

    def _of(self, resource_type: str) -> str:
        if _TYPE.fullmatch(resource_type) is None:
            raise ProviderTrouble("bad_content")
        return f"{self._base}/{resource_type}"

    def _next(self, bundle: FhirJson) -> str | None:
        links = bundle.get("link")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
                return joined(self._base, link["url"])
        return None

    async def _resource(self, method: str, url: str) -> tuple[Head, FhirJson]:
        async with self._answered(method, url) as (wire, head):
            return head, json_of(await wire.whole(head, self._bounds.page))

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        url: str,
        *,
        accept: str = FHIR,
        fields: dict[str, str] | None = None,
        body: bytes = b"",
        abroad: bool = False,
    ) -> AsyncIterator[tuple[Wire, Head]]:
        """An answer of success whose body is still to be read. Afterwards the connection is kept if it is good for another.

        `abroad`: it may come from another host, if that is listed."""
        home = origin(url) == origin(self._base)
        if not home and not (abroad and self._lines.hosts.names(*origin(url)[1:])):
            raise ProviderTrouble("not_allowed")
        asked = {"Accept": accept, "User-Agent": "Chartvault", **(fields or {})}
        wire, head = await self._asked(method, url, asked, body, home=home)
        try:
            require_success(head)
            yield wire, head
        finally:
            if home and wire.idle and len(self._idle) < _MOST_IDLE:
                self._idle.append(wire)
            else:
                wire.close()

    async def _asked(
        self, method: str, url: str, fields: dict[str, str], body: bytes, *, home: bool
    ) -> tuple[Wire, Head]:
        """Ask, and once more when a connection was closed while it was kept, or when a fetched token is not taken any more."""
        again = True
        while True:
            if home and (proof := await self._tokens.header(self._connection.auth)) is not None:
                fields["Authorization"] = proof
            kept = home and method == "GET" and bool(self._idle)
            wire = self._idle.pop() if kept else await self._lines.open(url)
            try:
                head = await wire.ask(method, url, fields, body)
            except ProviderTrouble as trouble:
                wire.close()
                if kept and trouble.cause == "unreachable":
                    continue
                raise
            except BaseException:
                wire.close()
                raise
            if head.status == 401 and home and again and self._tokens.forget(self._connection.auth):
                wire.close()
                again = False
                continue
            return wire, head
