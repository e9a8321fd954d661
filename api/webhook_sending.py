"""Calling webhooks: one POST to an address that was looked at beforehand, signed, without redirects, in five seconds.

Where calls may go is said in `allowed_hosts.py`, with `CHARTVAULT_WEBHOOK_HOSTS` as the list. What the other side answers is
thrown away but for its status.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from api.allowed_hosts import AddressRefused, AllowedHosts, Resolve, UnknownHost
from api.http_client import Connection, HttpError
from api.trust import trusted
from domain.clinic.notice_ports import Webhook, Webhooks
from domain.clinic.webhooks import signature
from domain.outbox import Parcel, Undeliverable

SECONDS = 5.0
ANSWER_BYTES = 64 * 1024


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
        except AddressRefused:
            raise Undeliverable("address not allowed") from None
        except UnknownHost:
            raise Undeliverable("unknown host") from None
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
