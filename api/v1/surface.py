"""Every request of `/api/v1`, on one way: authenticate, decode, answer, record, send.

The endpoints are data (`table.py`). The surface is mounted into Litestar like the FHIR surface, and as there
nobody is answered before being authenticated (but for public endpoints), and no answer leaves before its audit entry is
durable: what cannot be recorded is answered with 503 and carries nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from api.asgi import Disconnected, Receive, Scope, Send, read_body, send_reply, send_stream
from api.gate import Gate
from api.logs import log, log_request
from api.metrics import observe
from api.v1.decoding import decoded_body, decoded_query, require_json, require_json_answer
from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.paths import Found, Paths
from api.v1.problems import problem_of
from api.v1.replays import replayed
from api.v1.service import Service
from domain.access import Caller
from domain.audit import entry
from domain.errors import DomainError, InvalidFields, NotFound, NotSupported, OutcomeUnknown, Unavailable

Authenticate = Callable[[str | None, str | None], Awaitable[Caller]]
"""Authorization header and peer address to caller; raises `Unauthenticated`."""

BASE = "/api/v1"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9\-._~]{1,128}")


class Surface:
    """`service` is what handlers work with, `authenticate` says who asks, `table` which endpoints there are,
    `gate` holds to limits."""

    def __init__(self, service: Service, authenticate: Authenticate, table: Sequence[Endpoint], gate: Gate) -> None:
        self._service = service
        self._gate = gate
        self._paths = Paths(table)
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        method, found = str(scope["method"]), self._paths.find(_path_below(scope))
        visit = Visit(
            caller=anonymous((scope.get("client") or (None,))[0]),
            request_id=_request_id(headers),
            params=found.params if found else {},
            headers=headers,
            receive=receive,
        )
        endpoint = found.endpoints.get("GET" if method == "HEAD" else method) if found else None
        try:
            outcome = await self._outcome(endpoint, found, scope, visit)
        except Disconnected:
            return
        await _send(send, outcome, visit, head=method == "HEAD")
        interaction, seconds = endpoint.interaction if endpoint else "unknown", time.perf_counter() - started
        observe(interaction, outcome.status, seconds)
        log_request(visit.request_id, method, interaction, outcome.status, seconds)

    async def _outcome(self, endpoint: Endpoint | None, found: Found | None, scope: Scope, visit: Visit) -> Outcome:
        """The answer, recorded."""
        network = visit.caller.network
        try:
            await self._gate.enter(network, visit.limits)
            if _needs_caller(endpoint, visit):
                visit.again = partial(self._authenticate, visit.header(b"authorization"), network)
                visit.caller = await visit.again()
                await self._gate.admit(visit.caller, visit.limits)
            elif endpoint is not None and endpoint.method != "GET":
                await self._gate.sign_in(network, visit.limits)
            if found is None:
                raise NotFound("There is nothing at this address")
            if endpoint is None:
                outcome = problem_of(NotSupported("This address does not have this method"), visit.request_id)
                outcome.headers["allow"] = ", ".join(sorted(found.endpoints))
            else:
                outcome = await self._answered(endpoint, scope, visit)
        except DomainError as error:
            outcome = problem_of(error, visit.request_id)
        except Disconnected:
            raise
        except Exception as error:
            outcome = problem_of(_unexpected(error, visit.request_id), visit.request_id)
        if outcome.recorded:
            return outcome
        return await self._recorded(endpoint.interaction if endpoint else "unknown", outcome, scope, visit)

    async def _answered(self, endpoint: Endpoint, scope: Scope, visit: Visit) -> Outcome:
        if endpoint.answers is not None or endpoint.method != "GET":
            require_json_answer(visit.headers)
        if any(_ID.fullmatch(value) is None for value in visit.params.values()):
            raise InvalidFields("A part of the path is not an id")
        given: dict[str, Any] = {}
        query = decoded_query(scope["query_string"].decode("latin-1"), endpoint.query)
        if query is not None:
            given["query"] = query
        if endpoint.body is not None:
            visit.raw = await _body(endpoint, visit)
            given["body"] = decoded_body(visit.raw, endpoint.body)
        limits = self._service.limits
        try:
            async with asyncio.timeout(limits.stream_seconds if endpoint.streams else limits.seconds):
                if endpoint.replays:
                    return await replayed(self._service, endpoint, visit, given)
                return await endpoint(self._service, visit, given)
        except OverflowError:
            # A date with an offset in the first or last hours of the calendar: valid as sent, not in UTC.
            raise InvalidFields("A time lies outside of what can be kept") from None
        except TimeoutError as error:
            if endpoint.method != "GET":
                raise OutcomeUnknown("The request took too long; it may or may not have been carried out") from error
            raise Unavailable("The request took too long") from error

    async def _recorded(self, interaction: str, outcome: Outcome, scope: Scope, visit: Visit) -> Outcome:
        record = entry(
            visit.caller,
            interaction,
            recorded=self._service.parts.clock(),
            request_id=visit.request_id,
            status=outcome.status,
            targets=tuple(dict.fromkeys(visit.targets)),
            patients=tuple(dict.fromkeys(visit.patients)),
            query=scope["query_string"].decode("latin-1") or None,
        )
        try:
            await self._service.parts.trail.record(record)
        except DomainError as error:
            return problem_of(error, visit.request_id)
        return outcome


async def _body(endpoint: Endpoint, visit: Visit) -> bytes:
    """The JSON that was sent; of a form that may be left blank, an empty one when nothing was."""
    if not endpoint.blank:
        require_json(visit.headers)
    raw = await read_body(visit.receive, dict(visit.headers), endpoint.limit)
    if endpoint.blank and raw:
        require_json(visit.headers)
    return raw or (b"{}" if endpoint.blank else b"")


def _needs_caller(endpoint: Endpoint | None, visit: Visit) -> bool:
    if endpoint is None or not endpoint.public:
        return True
    return endpoint.optional and visit.header(b"authorization") is not None


def anonymous(network: str | None) -> Caller:
    """Who is recorded when nobody could be authenticated; holds no right."""
    return Caller("anonymous", "", "", {}, network)


async def _send(send: Send, outcome: Outcome, visit: Visit, *, head: bool) -> None:
    headers = {**outcome.all_headers, **visit.limits}
    if isinstance(outcome.body, bytes | None):
        body = outcome.body or b""
    elif isinstance(outcome.body, msgspec.Struct):
        body = msgspec.json.encode(outcome.body)
    else:
        await send_stream(send, outcome.status, headers, outcome.body, request_id=visit.request_id, head=head)
        return
    await send_reply(
        send, _Ready(outcome.status, headers, body), dict(visit.headers), request_id=visit.request_id, head=head
    )


class _Ready(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes


def _unexpected(error: Exception, request_id: str) -> DomainError:
    """A failure nobody foresaw: logged by type and place, never by message, which may quote content."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else "?"
    log.error("unexpected failure", request_id=request_id, kind=type(error).__name__, where=where)
    return DomainError(f"Something went wrong here; the request id is {request_id}", reason="internal")


def _path_below(scope: Scope) -> str:
    """The path below the base, still percent-encoded: an encoded slash belongs to its segment."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1").removeprefix(BASE)


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else os.urandom(12).hex()
