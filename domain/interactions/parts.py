"""What an interaction works with and what it returns.

An interaction is a function `(parts, occasion, …) -> Answer`. `Parts` are the ports, put together once at start-up;
`Occasion` is who asks and under which request id; `Answer` is what happened, still free of HTTP headers.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from domain import audit
from domain.access import Caller
from domain.audit import AuditEntry
from domain.blobs import Blobs
from domain.documents.tools import DocumentTools
from domain.errors import Gone, InvalidRequest, Issue, NotFound, RepeatedKey
from domain.identity import ResourceKey
from domain.ports import (
    AuditTrail,
    Clock,
    Describe,
    Links,
    NewId,
    ParseSearch,
    Patches,
    RevisionStore,
    Validate,
)
from domain.reading import ReadContent
from domain.revision import Head, Receipt, Stored


class Parts(NamedTuple):
    """The ports an interaction may use."""

    store: RevisionStore
    trail: AuditTrail
    validate: Validate
    describe: Describe
    search: ParseSearch
    links: Links
    patches: Patches
    clock: Clock
    new_id: NewId
    reading: ReadContent
    blobs: Blobs
    documents: DocumentTools


class Retryable(NamedTuple):
    """An Idempotency-Key as the store knows it: who may use it, and for which request."""

    name: str
    fingerprint: bytes


class Occasion(msgspec.Struct, frozen=True):
    """One request: who asks, its id, its interaction, the raw query (sealed in the audit), its idempotency key if any."""

    caller: Caller
    request_id: str
    interaction: str
    query: str | None = None
    retryable: Retryable | None = None

    def entry(
        self, parts: Parts, status: int, targets: tuple[str, ...] = (), patients: tuple[str, ...] = ()
    ) -> AuditEntry:
        """The audit entry of this request."""
        return audit.entry(
            self.caller,
            self.interaction,
            recorded=parts.clock(),
            request_id=self.request_id,
            status=status,
            targets=targets,
            patients=patients,
            query=self.query,
        )


class Answer(msgspec.Struct, frozen=True):
    """What happened: the status as FHIR defines it for the interaction, and the version it is about.

    `content` is that version's JSON, `None` where there is none (deletion, 304). `recorded` tells that the audit entry is
    already durable, because it was part of the write. `warnings` are what the client should know of a success.
    """

    status: int
    head: Head | None = None
    content: bytes | None = None
    recorded: bool = False
    warnings: tuple[Issue, ...] = ()

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.head.key if self.head else None})"

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.head.key.at(self.head.version),) if self.head else ()

    @property
    def patients(self) -> tuple[str, ...]:
        return (self.head.patient,) if self.head and self.head.patient else ()


def present(stored: Stored | None, key: ResourceKey) -> Stored:
    """`stored` when it is a live version; else raise `NotFound`, or `Gone` for what was deleted or erased."""
    if stored is None:
        raise NotFound(f"There is no {key}")
    if stored.head.erased:
        raise Gone(f"{key} was erased")
    if stored.head.deleted:
        raise Gone(f"{key} was deleted")
    return stored


async def opened(parts: Parts, stored: Stored) -> bytes:
    """The JSON of one version; raises what kept it closed."""
    content = (await parts.store.open([stored]))[0]
    if isinstance(content, bytes):
        return content
    raise content


async def kept_receipt(parts: Parts, retryable: Retryable | None) -> Receipt | None:
    """The receipt of an earlier identical request; raises `RepeatedKey` when the key was used for a different one."""
    if retryable is None:
        return None
    receipt = await parts.store.receipt(retryable.name)
    if receipt is not None and receipt.fingerprint != retryable.fingerprint:
        raise RepeatedKey("This Idempotency-Key was used for a different request")
    return receipt


def require_type(content_type: str, url_type: str) -> None:
    """Raise `InvalidRequest` when body and URL name different types."""
    if content_type != url_type:
        raise InvalidRequest(f"The body is a {content_type}, the URL names {url_type}", expression=content_type)
