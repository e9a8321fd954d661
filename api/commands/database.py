"""The database a command works on: the cluster that is named, a running server's, or one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from api.running import running_server
from api.settings import Settings


@contextmanager
def reachable(settings: Settings) -> Iterator[Settings]:
    """Settings whose `mongodb_uri` answers for as long as the block lasts. Raises `Unavailable` with what to do.

    The embedded MongoDB of a running server is shared, so that commands work while it serves.
    """
    if settings.mongodb_uri is not None:
        yield settings
        return
    from api.wiring import embedded_mongo

    server = embedded_mongo(settings)
    uri = server.attach()
    if uri is not None:
        running = running_server(settings.data_dir)
        # The index knows references to our own base as local, so what is made again must use the same base.
        base = settings.base_url or (running.public_base if running is not None else None)
        yield msgspec.structs.replace(settings, mongodb_uri=uri, base_url=base)
        return
    uri = server.start()
    try:
        yield msgspec.structs.replace(settings, mongodb_uri=uri)
    finally:
        server.stop()
