"""Calling webhooks: one POST to an address that was looked at beforehand, signed, without redirects, in five seconds.

The address was given by somebody and may turn against us (SSRF): without a list only https to hosts whose every address is
public; with `CHARTVAULT_WEBHOOK_HOSTS` only the hosts on it, which may be private then. The name is resolved once, and what
is connected to is what was checked. What the other side answers is thrown away but for its status.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from api.http_client import Connection, HttpError
from api.oauth.key_sets import is_public_address
from api.trust import trusted
from domain.clients import is_public_https
from domain.clinic.notice_ports import Webhook, Webhooks
from domain.clinic.webhooks import signature
from domain.outbox import Parcel, Undeliverable

SECONDS = 5.0
ANSWER_BYTES = 64 * 1024
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


class AllowedHosts:
    """Where calls may go: the hosts of the setting (`hooks.example.org`, `10.1.2.3:8443`), else the public internet."""

    def __init__(self, setting: str | None, resolve: Resolve | None = None) -> None:
        self._named = frozenset(name.strip().lower() for name in (setting or "").split(",") if name.strip())
        self._resolve = resolve or _addresses

    def objection_to(self, url: str) -> str | None:
        """Why this address cannot be called whatever it resolves to; `None` when it may be."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return "This is not a URL"
        if not self._named:
            return (
                None if is_public_https(url) else "An https URL of a public host, without user or fragment, is expected"
            )
        plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= 2_000
        if not plain or host is None or parts.scheme not in ("https", "http") or "@" in parts.netloc or parts.fragment:
            return "An http or https URL, without user or fragment, is expected"
        return None if self._lists(host, port or 0) else "This host is not among those that webhooks may go to"

    def _lists(self, host: str, port: int) -> bool:
        return host in self._named or f"{host}:{port}" in self._named

    async def address_of(self, host: str, port: int) -> str:
        """The address to connect to. Raises `Undeliverable` when any address of the host is private: it may come next."""
        try:
            found = await self._resolve(host, port)
        except OSError:
            raise Undeliverable("unknown host") from None
        if not found or not (self._lists(host, port) or (not self._named and all(map(is_public_address, found)))):
            raise Undeliverable("address not allowed")
        return found[0]


class WebhookSender:
    """`domain.outbox.Carry` for webhooks. `hosts` is the setting; `tls` and `resolve` exist for tests."""

    def __init__(
        self,
        webhooks: Webhooks,
        hosts: str | None,
        clock: Callable[[], datetime],
        *,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._webhooks = webhooks
        self._hosts = AllowedHosts(hosts, resolve)
        self._clock = clock
        self._tls = tls or trusted()

    def objection_to(self, url: str) -> str | None:
        """See `domain.clinic.webhooks.Calls.objection_to`."""
        return self._hosts.objection_to(url)

    async def __call__(self, parcel: Parcel) -> str:
        """Call the webhook a parcel is for. Raises `Undeliverable`."""
        hook = await self._webhooks.find(parcel.to or "")
        if hook is None:
            raise Undeliverable("no webhook", final=True)
        return await self.call(hook, parcel.id, parcel.content)

    async def call(self, hook: Webhook, event_id: str, body: bytes) -> str:
        """One signed POST; the status when it is one of success. Raises `Undeliverable` for anything else."""
        objection = self._hosts.objection_to(hook.url)
        if objection is not None:
            raise Undeliverable("address not allowed")
        url = urlsplit(hook.url)
        host, secure = url.hostname or "", url.scheme == "https"
        port = url.port or (443 if secure else 80)
        head = self._head(hook, event_id, body)
        try:
            async with asyncio.timeout(SECONDS):
                address = await self._hosts.address_of(host, port)
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(ANSWER_BYTES),
                    address,
                    port,
                    ssl=self._tls if secure else None,
                    server_hostname=host if secure else None,
                )
                try:
                    answer = await connection.exchange(head + body, bodiless=False, seconds=SECONDS)
                finally:
                    connection.close()
        except TimeoutError:
            raise Undeliverable("no answer in time") from None
        except (OSError, HttpError, UnicodeError):
            raise Undeliverable("no connection") from None
        if not 200 <= answer.status < 300:
            raise Undeliverable(str(answer.status))
        return str(answer.status)

    def _head(self, hook: Webhook, event_id: str, body: bytes) -> bytes:
        url = urlsplit(hook.url)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        fields = {
            "Host": url.netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "Chartvault",
            "Chartvault-Event": event_id,
            "Chartvault-Signature": signature(hook.secret, int(self._clock().timestamp()), body),
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii")


async def _addresses(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
