"""What every request passes first and every answer last: size limits, trusted proxies, other origins, security headers.

OWASP ASVS 5.0 chapter 3; https://fetch.spec.whatwg.org/#http-cors-protocol. Headers that a handler sets itself stand. A
preflight is a question of the browser about this server, carries no credentials and names no data: it is answered here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from api.asgi import Message, Receive, Scope, Send
from api.forwarding import Forwarding, networks_of
from api.lingering import Lingering
from api.settings import Settings

Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

MAX_TARGET, MAX_HEADER = 16 * 1024, 16 * 1024
"""Bytes of a request target, and of one header's value."""
PREFLIGHT_SECONDS = 600
_BODY = (b"content-length", b"transfer-encoding")
"""One of them announces that a body follows."""
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
_STRICT = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_ALLOWED = (
    b"authorization, content-type, accept, prefer, if-match, if-none-match, if-none-exist, if-modified-since, range, "
    b"idempotency-key, x-request-id, x-purpose-of-use, x-break-glass-reason"
)
_EXPOSED = (
    b"etag, last-modified, location, content-location, content-disposition, content-range, accept-ranges, retry-after, "
    b"ratelimit, ratelimit-policy, x-request-id, www-authenticate"
)


class Front:
    """Wraps an application."""

    def __init__(self, settings: Settings) -> None:
        self._forwarding = Forwarding(networks_of(settings.trusted_proxies or ""))
        origins = (settings.cors_origins or "").split(",")
        self._origins = frozenset(part.strip().encode() for part in origins if part.strip())
        self._forwards = bool(settings.trusted_proxies)
        self._headers = (*_ALWAYS, _STRICT) if settings.fhir_base.startswith("https://") else _ALWAYS

    async def __call__(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        headers: list[Header] = scope["headers"]
        origin = _value(headers, b"origin") if self._origins else None
        other = _origin_headers(origin) if origin in self._origins else ()

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._completed(list(message.get("headers", ())), other)
            await send(message)

        answer: Send = sealed
        if _has_body(headers):
            lingering = Lingering(receive, sealed, expects=_value(headers, b"expect") is not None)
            receive, answer = lingering.receive, lingering.send
        refusal = _refusal(scope, headers)
        if refusal is not None:
            await _answer(answer, refusal)
        elif origin is not None and scope["method"] == "OPTIONS":
            await _answer(answer, 204 if other else 403, _PREFLIGHT if other else ())
        else:
            if self._forwards:
                peer, port = scope.get("client") or (None, 0)
                scope["client"] = (self._forwarding.client_of(peer, headers), port)
            await application(scope, receive, answer)

    def _completed(self, headers: list[Header], other: tuple[Header, ...]) -> list[Header]:
        present = {name for name, _ in headers}
        headers += [header for header in self._headers if header[0] not in present]
        headers += other
        return headers


_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", _ALLOWED),
    (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
)


def _origin_headers(origin: bytes | None) -> tuple[Header, ...]:
    """What lets a page of that origin read the answer. No cookies: tokens are sent by the page itself."""
    allowed = (b"access-control-allow-origin", origin or b"")
    return allowed, (b"access-control-expose-headers", _EXPOSED), (b"vary", b"origin")


def _has_body(headers: list[Header]) -> bool:
    """Many clients say of a GET that its body has no bytes."""
    return any(name in _BODY and value != b"0" for name, value in headers)


def _refusal(scope: Scope, headers: list[Header]) -> int | None:
    if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > MAX_TARGET:
        return 414
    for _, value in headers:
        if len(value) > MAX_HEADER:
            return 431
    return None


def _value(headers: list[Header], wanted: bytes) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)


async def _answer(send: Send, status: int, headers: tuple[Header, ...] = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
