"""One GET over TLS to an address that was chosen beforehand: what is connected to is what was checked.

No redirects, no proxies, no compression; every wait and every byte is bounded.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from api.http_client import Answer, Connection, HttpError

BODY_BYTES = 64 * 1024
SECONDS = 5.0


class FetchFailed(Exception):
    """Nothing usable came back; the message names neither address nor content."""


async def fetch(uri: str, tls: ssl.SSLContext, choose: Callable[[str, int], Awaitable[str]]) -> Answer:
    """The answer of status 200. `choose` turns host and port into the address to connect to, or refuses."""
    url = urlsplit(uri)
    host, port = url.hostname or "", url.port or 443
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        async with asyncio.timeout(SECONDS):
            address = await choose(host, port)
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(BODY_BYTES), address, port, ssl=tls, server_hostname=host
            )
            try:
                head = f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
                answer = await connection.exchange(head.encode("ascii"), bodiless=False, seconds=SECONDS)
            finally:
                connection.close()
    except (OSError, HttpError, TimeoutError, UnicodeError):
        raise FetchFailed("The key set could not be fetched") from None
    if answer.status != 200:
        raise FetchFailed("The key set could not be fetched")
    return answer
