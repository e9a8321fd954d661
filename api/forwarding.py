"""Who is at the other end when a proxy is in between: X-Forwarded-For and Forwarded, from trusted proxies only.

A header is the word of whoever wrote it. It counts only when the peer of the connection is in a configured network, and
then the address counts that the last trusted proxy saw: from right to left, the first that is no trusted proxy itself.
https://www.rfc-editor.org/rfc/rfc7239
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_HOPS = 20
_FOR = re.compile(r'(?i)(?:^|[;,\s])for=(?:"(?P<quoted>[^"]*)"|(?P<bare>[^;,\s]*))')


def networks_of(text: str) -> tuple[Network, ...]:
    """Networks separated by commas. Raises `ValueError` for what is none."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


class Forwarding:
    """Reads the headers of the trusted proxies."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=4096)(self._within)

    def client_of(self, peer: str | None, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The address a request comes from, `peer` unless a trusted proxy says otherwise."""
        if not self._trusted or peer is None or not self._is_trusted(peer):
            return peer
        client = peer
        for hop in reversed(_hops(headers)[-MOST_HOPS:]):
            address = _address(hop)
            if address is None:
                break  # A name or nonsense: what is left of it was not written by somebody we trust.
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _within(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The addresses proxies have added, oldest first. With both headers `Forwarded`, the standard one, counts."""
    forwarded: list[str] = []
    informal: list[str] = []
    for name, value in headers:
        if name == b"forwarded":
            forwarded += [found["quoted"] or found["bare"] or "" for found in _FOR.finditer(value.decode("latin-1"))]
        elif name == b"x-forwarded-for":
            informal += value.decode("latin-1").split(",")
    return forwarded or informal


def _address(text: str) -> Address | None:
    """An address with or without port and brackets; one that is IPv4 inside IPv6 as IPv4."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
