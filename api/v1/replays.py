"""Idempotency-Key on `/api/v1`: a repeated request gets the first answer instead of a second effect.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. A key belongs to its caller and to the request
it was first used for; another request with it is 422. Only what succeeded is kept, for a day: a failed request changed
nothing and may be tried again. What is written through the FHIR write path has its receipt in the write's own transaction
and needs none of this.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.service import Service
from domain.errors import InvalidRequest

_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The first answer, as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Kept({self.status})"


class Replays(Protocol):
    """Answers of requests with a key. Implemented by `storage.mongo.replays`."""

    async def begin(self, name: str, fingerprint: bytes) -> bytes | None:
        """`None` when this request is the first with the key `name` and may go on; else the answer kept for it.

        Raises `RepeatedKey` when the key was used for another request, `Contention` while the first one is under way.
        """
        ...

    async def keep(self, name: str, answer: bytes) -> None:
        """Keep the answer to the request that began."""
        ...

    async def forget(self, name: str) -> None:
        """The request that began changed nothing: the key is free again."""
        ...


async def replayed(service: Service, endpoint: Endpoint, visit: Visit, given: Mapping[str, Any]) -> Outcome:
    """Run the endpoint, at most once per key; without a key just run it."""
    key = visit.header(b"idempotency-key")
    if key is None:
        return await endpoint(service, visit, given)
    if _KEY.fullmatch(key) is None:
        raise InvalidRequest("An Idempotency-Key is 1 to 200 visible ASCII characters", code="value")
    name = f"{visit.caller.subject}|{visit.caller.client}|{key}"
    path = "/".join((endpoint.path, *visit.params.values()))
    fingerprint = hashlib.sha256(f"{endpoint.method} {path}\n".encode() + visit.raw).digest()
    kept = await service.replays.begin(name, fingerprint)
    if kept is not None:
        first = msgspec.msgpack.decode(kept, type=Kept)
        return Outcome(first.body, first.status, first.headers)
    try:
        outcome = await endpoint(service, visit, given)
    except BaseException:
        await service.replays.forget(name)
        raise
    body = msgspec.json.encode(outcome.body) if isinstance(outcome.body, msgspec.Struct) else b""
    await service.replays.keep(name, msgspec.msgpack.encode(Kept(outcome.status, outcome.all_headers, body)))
    return outcome
