"""Where this installation may call when somebody else gave the address: webhooks, and providers of patients.

Whoever gave it may turn it against us (SSRF): without a list only https to hosts whose every address is public; with one only
the hosts on it, which may be private then. A name is resolved once for each connection, and what is connected to is what was
checked, so a name that is turned to another address meanwhile (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from api.oauth.key_sets import is_public_address
from domain.clients import is_public_https

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to every address of the host; raises `OSError` for a name nobody knows."""


class AddressRefused(Exception):
    """The host may not be called at the address it has now."""


class UnknownHost(OSError):
    """Nobody knows an address of the host."""


class AllowedHosts:
    """The hosts of a setting (`hooks.example.org`, `10.1.2.3:8443`), else the public internet."""

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
        return None if self.names(host, port or 0) else "This host is not among those that may be called from here"

    def names(self, host: str, port: int) -> bool:
        """Whether the setting lists this very host."""
        return host in self._named or f"{host}:{port}" in self._named

    async def address_of(self, host: str, port: int) -> str:
        """The address to connect to. Raises `AddressRefused` when any address of the host is private, since it may come
        next, and `UnknownHost`."""
        try:
            found = await self._resolve(host, port)
        except OSError:
            raise UnknownHost from None
        if not found:
            raise UnknownHost
        if not (self.names(host, port) or (not self._named and all(map(is_public_address, found)))):
            raise AddressRefused
        return found[0]


async def _addresses(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
