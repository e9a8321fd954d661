"""Key sets of clients: those registered, and those behind a registered `jwks_uri`, fetched with great care.

The address was given by an administrator and still may turn against us (SSRF): only https on a name whose every address is
public, connected to at exactly the address that was looked at, no redirect, few bytes, few seconds. Kept no longer than the
client's Cache-Control allows (SMART App Launch 2.2, client-confidential-asymmetric) and never more than an hour.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from api.oauth.fetching import FetchFailed, fetch
from api.trust import trusted
from domain.clients import Client, is_public_https

Keys: TypeAlias = Sequence[Mapping[str, Any]]
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to every address of the host."""

LONGEST_SECONDS, DEFAULT_SECONDS, AGAIN_SECONDS = 3_600.0, 300.0, 30.0
_MOST_CACHED, _MOST_KEYS = 1_000, 50
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})\"?", re.IGNORECASE)
_NOT_KEPT = re.compile(r"(?:^|[,\s])(?:no-store|no-cache)(?:$|[,\s])", re.IGNORECASE)


class _Cached(NamedTuple):
    keys: Keys
    fetched: float
    until: float


class KeySets:
    """The keys of any client. `resolve`, `allowed` and `tls` exist for tests, which have no public address."""

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        allowed: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolve = resolve or _addresses
        self._allowed = allowed or is_public_address
        self._tls = tls or trusted()
        self._clock = clock
        self._cache: OrderedDict[str, _Cached] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[Keys]] = {}

    async def candidates(self, client: Client, key_id: str) -> Keys:
        """The client's keys of that id. A set without it is fetched again, at most every 30 seconds, since the client may have
        rotated. Raises `FetchFailed`."""
        if client.jwks_uri is None:
            return _named(client.keys, key_id)
        now, cached = self._clock(), self._cache.get(client.jwks_uri)
        if cached is not None and now < cached.until:
            found = _named(cached.keys, key_id)
            if found or now - cached.fetched < AGAIN_SECONDS:
                return found
        return _named(await self._fetched(client.jwks_uri), key_id)

    async def _fetched(self, uri: str) -> Keys:
        """One fetch at a time for each address, whoever asks."""
        task = self._fetching.get(uri)
        if task is None:
            task = self._fetching[uri] = asyncio.create_task(self._fetch(uri))
            task.add_done_callback(lambda _: self._fetching.pop(uri, None))
        return await asyncio.shield(task)

    async def _fetch(self, uri: str) -> Keys:
        if not is_public_https(uri):
            raise FetchFailed("The address of the key set is not public")
        answer = await fetch(uri, self._tls, self._addresses_of)
        keys = _keys_in(answer.body)
        now = self._clock()
        self._cache[uri] = _Cached(keys, now, now + kept_seconds(answer.header("cache-control")))
        self._cache.move_to_end(uri)
        if len(self._cache) > _MOST_CACHED:
            self._cache.popitem(last=False)
        return keys

    async def _addresses_of(self, host: str, port: int) -> str:
        """One address of the host. Raises `FetchFailed` when any of them is not public: it may be the next answer."""
        try:
            found = await self._resolve(host, port)
        except OSError:
            raise FetchFailed("The host of the key set is not known") from None
        if not found or not all(map(self._allowed, found)):
            raise FetchFailed("The address of the key set is not public")
        return found[0]


def is_public_address(text: str) -> bool:
    """Whether this is an address of the public internet; those that embed an IPv4 address count as that one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            address = inner
        elif address in ipaddress.ip_network("64:ff9b::/96"):
            address = ipaddress.IPv4Address(address.packed[-4:])
    return address.is_global and not address.is_multicast


def kept_seconds(cache_control: str | None) -> float:
    """How long an answer with this header may be used."""
    if cache_control is None:
        return DEFAULT_SECONDS
    if _NOT_KEPT.search(cache_control):
        return 0.0
    found = _MAX_AGE.search(cache_control)
    return min(float(found[1]), LONGEST_SECONDS) if found else DEFAULT_SECONDS


def _keys_in(body: bytes) -> Keys:
    try:
        found = msgspec.json.decode(body, type=dict[str, Any]).get("keys")
    except msgspec.DecodeError:
        raise FetchFailed("The key set is not JSON") from None
    if not isinstance(found, list) or len(found) > _MOST_KEYS or not all(isinstance(key, dict) for key in found):
        raise FetchFailed("The key set is not a JWK set")
    return found


def _named(keys: Keys, key_id: str) -> Keys:
    return [key for key in keys if key.get("kid") == key_id]


async def _addresses(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
