"""The OAuth endpoints as one ASGI application below `/oauth`: read, answer, record, send.

As on the other surfaces no answer leaves before its audit entry is durable; what shows nothing of anybody (keys, discovery,
the style sheet) needs none. Bodies are bounded before they are read; an unforeseen failure says nothing but its request id.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from api.asgi import Disconnected, Receive, Scope, Send, read_body, send_reply
from api.fhir.exchange import Reply
from api.gate import Gate
from api.logs import log, log_request
from api.metrics import observe
from api.oauth.errors import OAuthError, domain_error_reply, error_reply
from api.oauth.service import Service
from api.oauth.visit import FORM_BYTES, Visit
from domain.audit import AuditEntry
from domain.errors import DomainError, Unavailable

Handler: TypeAlias = Callable[[Service, Visit], Awaitable[Reply]]
MOUNT = "/oauth"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,64}")


class Route(NamedTuple):
    """A method of an endpoint; `recorded` unless it shows nothing of anybody."""

    handler: Handler
    interaction: str
    recorded: bool = True


Routes: TypeAlias = Mapping[str, Mapping[str, Route]]
"""First segment of the path to its methods."""


class OAuthSurface:
    """`routes` says what there is; see `table.py`. `gate` holds networks to limits."""

    def __init__(self, service: Service, routes: Routes, gate: Gate) -> None:
        self._service = service
        self._gate = gate
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else os.urandom(12).hex()
        visit = Visit(
            method="GET" if scope["method"] == "HEAD" else str(scope["method"]),
            segments=tuple(part for part in str(scope["path"]).removeprefix(MOUNT).split("/") if part),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            network=(scope.get("client") or (None,))[0],
            request_id=request_id,
        )
        methods = self._routes.get(visit.segments[0] if visit.segments else "", {})
        route = methods.get(visit.method)
        try:
            reply = await self._answer(route, methods, visit, receive)
        except Disconnected:
            return
        interaction = visit.interaction or (route.interaction if route else "unknown")
        if route is None or route.recorded:
            reply = await self._recorded(reply, visit, interaction)
        reply.headers.update(visit.limits)
        await send_reply(send, reply, headers, request_id=request_id, head=scope["method"] == "HEAD")
        seconds = time.perf_counter() - started
        observe(interaction, reply.status, seconds)
        log_request(request_id, visit.method, interaction, reply.status, seconds)

    async def _answer(self, route: Route | None, methods: Mapping[str, Route], visit: Visit, receive: Receive) -> Reply:
        try:
            await self._gate.enter(visit.network, visit.limits)
            if visit.method == "POST":
                await self._gate.sign_in(visit.network, visit.limits)
            if route is None:
                reply = error_reply(OAuthError("invalid_request", "There is nothing here", status=404))
                if methods:
                    reply.status, reply.headers["allow"] = 405, ", ".join(sorted(methods))
                return reply
            if visit.method == "POST":
                visit.receive_body(await read_body(receive, visit.headers, FORM_BYTES))
            async with asyncio.timeout(self._service.settings.request_seconds):
                return await route.handler(self._service, visit)
        except OAuthError as error:
            return error_reply(error)
        except DomainError as error:
            return domain_error_reply(error)
        except TimeoutError:
            return domain_error_reply(Unavailable("The request took too long"))
        except Disconnected:
            raise
        except Exception as error:
            return error_reply(_unexpected(error, visit))

    async def _recorded(self, reply: Reply, visit: Visit, interaction: str) -> Reply:
        entry = AuditEntry(
            recorded=self._service.parts.clock(),
            interaction=interaction,
            status=reply.status if visit.outcome is None or reply.status >= 400 else visit.outcome,
            subject=visit.subject,
            client=visit.client,
            token_id="",
            request_id=visit.request_id,
            targets=visit.targets,
            patients=visit.patients,
            network=visit.network,
        )
        try:
            await self._service.parts.trail.record(entry)
        except DomainError as error:
            return domain_error_reply(error)
        return reply


def _unexpected(error: Exception, visit: Visit) -> OAuthError:
    """Logged by type and place, never by message, which may quote a credential."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else "?"
    log.error("unexpected failure", request_id=visit.request_id, kind=type(error).__name__, where=where)
    return OAuthError("server_error", f"Something went wrong here; the request id is {visit.request_id}", status=500)
