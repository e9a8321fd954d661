"""The FHIR surface as one ASGI application: authenticate, route, answer, record, send.

Mounted into Litestar at `/fhir`. FHIR's paths (`$operations`, `_history`, ids with dots), its errors and its headers need
no framework beyond the route table; a mounted application answers in half the time of a routed handler (DECISIONS.md).

Two rules hold on every path: nobody is answered before being authenticated (but for the capability statement), and no
reply leaves before its audit entry is durable. If it cannot be recorded, the reply is 503 and carries nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NamedTuple

from api.asgi import Disconnected, Receive, Scope, Send, body_pieces, read_body, send_reply, send_stream
from api.deadlines import Deadlines
from api.fhir.ahead import Guess, Guesses, answered_ahead
from api.fhir.binary import may_give_bytes, uploads_bytes
from api.fhir.exchange import MAX_QUERY, Exchange, Reply
from api.fhir.headers import require_json_answer
from api.fhir.purposes import with_purpose
from api.fhir.responses import failure_reply
from api.fhir.routes import MethodMissing, Route, find, shape_of
from api.fhir.service import Call, Service
from api.gate import Gate
from api.logs import log, log_request
from api.metrics import observe
from domain.access import Caller
from domain.documents.streams import closing
from domain.errors import DomainError, InvalidRequest, OutcomeUnknown, Unavailable
from domain.grounds import Grounds
from domain.interactions.parts import Occasion, Retryable

Authenticate = Callable[[str | None, str | None, Grounds], Awaitable[Caller]]
"""Authorization header and peer address to caller; raises `Unauthenticated`."""

Resolve = Callable[[Caller, Grounds], Awaitable[Caller]]
"""Caller to the same with what they may see and do now (`domain.policy.resolving.Policy.resolve`)."""

Still = Callable[[Grounds], Awaitable[bool]]
"""Whether what both have said rests on grounds that hold now."""


class Callers(NamedTuple):
    """How a caller is made out."""

    authenticate: Authenticate
    resolve: Resolve
    still: Still


_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,64}")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_NO_RIGHTS: dict[str, frozenset[str]] = {}
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SEARCHES = frozenset({"search-type", "search-system"})
_LONGEST_QUERY = 2 * MAX_QUERY


class Visit(NamedTuple):
    """Where a request came from: what is the same for it and for every entry of its Bundle."""

    request_id: str
    network: str | None
    receive: Receive


class FhirSurface:
    """`service` answers, `callers` says who asks and what they may see and do now, `base_url` is what links start with,
    `gate` holds to limits."""

    def __init__(self, service: Service, callers: Callers, base_url: str, gate: Gate) -> None:
        self._service = service
        self._gate = gate
        self._authenticate, self._resolve, self._still = callers
        self._guesses = Guesses()
        self._deadlines = Deadlines()
        self._base_url = base_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        visit = Visit(_request_id(headers), (scope.get("client") or (None,))[0], receive)
        exchange = Exchange(
            method=scope["method"],
            path=_path_below(scope, "/fhir"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            base_url=self._base_url,
        )
        try:
            reply, interaction = await self._answer(exchange, visit)
        except Disconnected:
            return
        reply.headers.update(exchange.limits)
        await _send(send, reply, headers, visit.request_id, head=exchange.method == "HEAD")
        seconds = time.perf_counter() - started
        observe(interaction, reply.status, seconds)
        log_request(visit.request_id, exchange.method, interaction, reply.status, seconds)

    async def _answer(self, exchange: Exchange, visit: Visit) -> tuple[Reply, str]:
        """The recorded reply, and the name of the interaction it answers."""
        caller = anonymous(visit.network)
        route: Route | None = None
        try:
            if not exchange.nested:
                await self._gate.enter(visit.network, exchange.limits)
            route = find(exchange.method, exchange.segments, self._service.types)
            if not route.public:
                guess = self._guesses.of(route, exchange, visit.network)
                if guess is not None:
                    caller, answering = await answered_ahead(
                        guess,
                        partial(self._admitted, exchange, visit),
                        partial(self._handle, route, exchange, visit),
                    )
                else:
                    caller = await self._admitted(exchange, visit)
                    answering = self._handle(route, exchange, visit, caller)
                reply = await answering
            else:
                reply = await self._handle(route, exchange, visit, caller)
        except DomainError as error:
            reply = failure_reply(error)
            if isinstance(error, MethodMissing):
                reply.headers["allow"] = ", ".join(error.allowed)
        except Disconnected:
            raise
        except Exception as error:
            reply = failure_reply(_unexpected(error, exchange, visit.request_id))
        interaction = reply.interaction or (route.interaction if route else "unknown")
        if reply.recorded or (route is not None and route.public):
            return reply, interaction
        return await self._recorded(reply, exchange, exchange.caller or caller, visit, interaction), interaction

    async def _admitted(self, exchange: Exchange, visit: Visit, guess: Guess | None = None) -> Caller:
        """Who asks, with what they may see and do now: the `guess` while what it rests on holds."""
        if guess is not None and await self._still(guess.grounds):
            exchange.caller = guess.caller
            await self._gate.admit(guess.caller, exchange.limits)
            return guess.caller
        grounds = Grounds()
        exchange.caller = caller = await self._authenticate(exchange.header(b"authorization"), visit.network, grounds)
        await self._gate.admit(caller, exchange.limits)
        caller = await with_purpose(self._service.parts, self._service.grants, exchange, caller, visit.request_id)
        exchange.caller = caller
        caller = await self._resolve(caller, grounds)
        self._guesses.remember(exchange, visit.network, Guess(caller, grounds))
        return caller

    async def _handle(self, route: Route, exchange: Exchange, visit: Visit, caller: Caller) -> Reply:
        limits = self._service.limits
        streams = uploads_bytes(exchange)
        if not streams and not may_give_bytes(exchange):
            require_json_answer(exchange)
        bundle = route.body == "bundle"
        body = exchange.body
        if route.body and not exchange.nested and not streams:
            body = await read_body(
                visit.receive, exchange.headers, limits.bundle_bytes if bundle else limits.resource_bytes
            )
        if route.interaction in _SEARCHES and route.body:
            exchange.form = body
        occasion = Occasion(
            caller,
            visit.request_id,
            route.interaction,
            _asked(exchange, route.interaction),
            _retryable(exchange, caller, body),
        )

        async def again(inner: Exchange) -> Reply:
            return (await self._answer(inner, visit))[0]

        try:
            seconds = limits.bundle_seconds if bundle else limits.transfer_seconds if streams else limits.seconds
            with self._deadlines.within(seconds):
                stream = body_pieces(visit.receive) if streams else None
                return await route.handler(self._service, Call(exchange, occasion, body, again, stream))
        except TimeoutError as error:
            if exchange.method in _WRITES:
                raise OutcomeUnknown("The request took too long; it may or may not have been carried out") from error
            raise Unavailable("The request took too long") from error

    async def _recorded(
        self, reply: Reply, exchange: Exchange, caller: Caller, visit: Visit, interaction: str
    ) -> Reply:
        occasion = Occasion(caller, visit.request_id, interaction, _asked(exchange, interaction))
        targets = reply.targets or _target_of(exchange)
        entry = occasion.entry(self._service.parts, reply.status, targets, reply.patients)
        try:
            await self._service.parts.trail.record(entry)
        except DomainError as error:
            return failure_reply(error)
        return reply


async def _send(send: Send, reply: Reply, headers: dict[bytes, bytes], request_id: str, *, head: bool) -> None:
    """Send a reply; one with a stream piece by piece, ended early when the bytes turn out not to be what was stored."""
    if reply.length is None and reply.stream is None:
        await send_reply(send, reply, headers, request_id=request_id, head=head)
        return
    if reply.length is not None:
        reply.headers["content-length"] = str(reply.length)
    async with closing(reply.stream or nothing()) as pieces:
        try:
            await send_stream(send, reply.status, reply.headers, pieces, request_id=request_id, head=head)
        except DomainError as error:
            # The length is announced: raising closes the connection, and the client sees that it was not all.
            log.error("download broken off", request_id=request_id, kind=type(error).__name__)
            raise


async def nothing() -> AsyncIterator[bytes]:
    """A body without bytes."""
    return
    yield b""


def anonymous(network: str | None) -> Caller:
    """Who is recorded when nobody could be authenticated; holds no right."""
    return Caller("anonymous", "", "", _NO_RIGHTS, network)


def _asked(exchange: Exchange, interaction: str) -> str | None:
    """The raw query as it is remembered: of a search all of it, with path and form, as IHE BALP asks."""
    if interaction not in _SEARCHES:
        return exchange.query or None
    given = f"{exchange.query}&{exchange.form.decode('latin-1')}" if exchange.form else exchange.query
    return f"{exchange.path.lstrip('/')}?{given}"[:_LONGEST_QUERY]


def _target_of(exchange: Exchange) -> tuple[str, ...]:
    """What a request that found nothing was about: the resource its path names, when it names one."""
    if shape_of(exchange.segments).startswith("{type}/{id}"):
        return (f"{exchange.segments[0][:64]}/{exchange.segments[1][:64]}",)
    return ()


def _unexpected(error: Exception, exchange: Exchange, request_id: str) -> DomainError:
    """A failure nobody foresaw: logged by type and place (never by message, which may quote content), answered as 500."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else "?"
    log.error(
        "unexpected failure", request_id=request_id, method=exchange.method, kind=type(error).__name__, where=where
    )
    return DomainError(f"Something went wrong here; the request id is {request_id}", code="exception")


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else os.urandom(12).hex()


def _path_below(scope: Scope, mount: str) -> str:
    """The path below the mount, still percent-encoded: an encoded slash belongs to its segment."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1").removeprefix(mount)


def _retryable(exchange: Exchange, caller: Caller, body: bytes) -> Retryable | None:
    """The Idempotency-Key of a write, bound to its caller and to the request it was first used for."""
    if exchange.retryable is not None:
        return exchange.retryable
    key = exchange.header(b"idempotency-key")
    if key is None or exchange.method not in _WRITES:
        return None
    if _KEY.fullmatch(key) is None:
        raise InvalidRequest("An Idempotency-Key is 1 to 200 visible ASCII characters", code="value")
    digest = hashlib.sha256(f"{exchange.method} {exchange.path}?{exchange.query}\n".encode())
    digest.update(body)
    return Retryable(f"{caller.subject}|{caller.client}|{key}", digest.digest())
