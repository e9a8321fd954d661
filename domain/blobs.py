"""Documents of any size: bytes outside the database, sealed, published together with the resource that names them.

    receive      a record `pending`, then one pass over the stream: count, look at its head, hash, seal, store
    publish      `Write.blobs`: the blob becomes `ready` in the transaction of the version that names it, or not at all
    doomed       never published, replaced, or its patient was erased: the sweeper removes the bytes, then the record

Bytes come first and the resource second, so a crash leaves bytes that nobody names, never a name without bytes. A blob is
immutable and never overwritten: new content is a new blob. It is sealed under a key of its own, which is wrapped under the
key of the patient it belongs to: an erased patient's blobs cannot be opened any more, wherever copies of them are.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

HEAD_BYTES = 8_192
"""How much of a stream is looked at before anything of it is stored."""

Sniff: TypeAlias = Callable[[bytes], str]
"""The first `HEAD_BYTES` (all there is of a shorter one) to the media type to record; raises to refuse the content."""


class Span(NamedTuple):
    """The bytes from `start` up to, not including, `end`."""

    start: int
    end: int


class Expected(msgspec.Struct, frozen=True):
    """What the sender says of the bytes; what is `None` was not said. Hashes are the raw digests."""

    size: int | None = None
    sha1: bytes | None = None
    sha256: bytes | None = None

    def __repr__(self) -> str:
        return "Expected(…)"


class BlobClaim(msgspec.Struct, frozen=True):
    """In a `Write`: the pending blob `id` of this patient becomes ready with the version `resource` (`Binary/1/2`).

    `replaces` is a ready blob that was nobody's: it is doomed in the same step, and `stat` of it gives this one instead. So a
    document that comes into a patient's record leaves nothing that an erasure of the patient would not reach.
    """

    id: str
    patient: str | None
    resource: str
    replaces: str | None = None


class Blob(msgspec.Struct, frozen=True):
    """What is known of a blob. `id` names it and tells nothing; it serves as a strong ETag, because bytes never change.

    `size` counts the bytes of the content. `resource` is the version it was published with (`Binary/1/2`), `None` while it
    waits for that. `title` is protected like the content, and so are the hashes: do not log them. `handle` is for the
    implementation that returned it.
    """

    id: str
    patient: str | None
    size: int
    content_type: str
    title: str | None
    sha1: bytes
    sha256: bytes
    created: datetime
    resource: str | None = None
    handle: Any = None

    def __repr__(self) -> str:
        return f"Blob({self.id}, {self.size} bytes)"

    def claim(self, resource: str, replaces: str | None = None) -> BlobClaim:
        """The part of a `Write` that publishes it with the version `resource` (`ResourceKey.at`)."""
        return BlobClaim(self.id, self.patient, resource, replaces)


class Blobs(Protocol):
    """Everything the use cases need of blobs.

    Implemented by `storage.mongo.blobs` and `storage.memory.blobs`; held to `tests/contracts/blobs.py`.
    Access is the caller's to decide, by the resource that names the blob, and so is the audit: before `open`.
    """

    async def receive(
        self,
        stream: AsyncIterable[bytes],
        *,
        patient: str | None,
        content_type: str,
        limit: int,
        title: str | None = None,
        expected: Expected | None = None,
        sniff: Sniff | None = None,
    ) -> Blob:
        """Store a stream as a pending blob of this patient (`None`: outside of any compartment); durable when it returns.

        One pass, bounded memory. Pieces may have any size. With `sniff`, its answer is recorded instead of `content_type`.
        What the stream raises (a client that went away, a `DomainError`) is raised again, and nothing remains. To keep what
        arrived before a break, let the stream end instead of raising.
        Raises `TooLarge` above `limit` bytes, as soon as that is known; `InvalidContent` when the bytes are not those that
        were `expected`; `Gone` when the patient was erased; `Unavailable` when database, keys or the store do not answer
        (code `timeout` after 15 s without progress; `no-store` when the store is full).
        A blob that is not published within `blob_pending_hours` is removed; `keep` starts that time anew.
        """
        ...

    async def stat(self, blob_id: str, *, patient: str | None) -> Blob:
        """A pending or ready blob of this patient. The patient must be that of the resource that names the blob.

        Of one that was nobody's and has been replaced (`BlobClaim.replaces`), the blob in its place, a patient's.

        Raises `NotFound` when there is no such blob or it is another patient's, `Gone` when the patient was erased,
        `IntegrityFailure` when the record was altered, `Unavailable`.
        """
        ...

    async def open(self, blob: Blob, span: Span | None = None) -> AsyncIterator[bytes]:
        """The content, or a part of it, as pieces of at most 256 KiB. Only the chunks of 16 KiB it touches are read.

        The first piece is read and authenticated before this returns, so that a failure can still become an answer; a later
        failure is raised by the iterator. Every piece is authenticated before it is handed out; nothing is ever cut silently.
        Close the iterator (`aclose`) when not reading to its end.
        Raises `IntegrityFailure` when the stored bytes are missing, altered, too few or too many, or another blob's; `Gone`
        when the patient was erased, also in the middle; `Unavailable` (code `timeout` after 15 s without an answer);
        `ValueError` for a span outside of the content.
        """
        ...

    async def duplicates(self, sha256: bytes, *, patient: str | None) -> Sequence[Blob]:
        """The ready blobs of this patient with that content, oldest first, at most ten."""
        ...

    async def keep(self, blobs: Sequence[Blob]) -> None:
        """Let pending blobs wait as long again as if they had arrived now. Others are left alone."""
        ...

    async def discard(self, blobs: Sequence[Blob]) -> None:
        """Doom pending blobs that will not be published. Published ones are left alone: versions are for ever."""
        ...


Data: TypeAlias = bytes | memoryview


class StoredObject(NamedTuple):
    """One object of a blob store."""

    name: str
    size: int


class BlobStore(Protocol):
    """Where sealed bytes lie: objects with random names, written once. It never sees a key or a clear byte.

    `window` is how many bytes are best asked for at once.

    Implemented by `storage.blobs.local`, `storage.blobs.s3` and `storage.memory.blobs`; held to
    `tests/contracts/blob_store.py`. Everything raises `Unavailable` when the store does not answer within its deadline.
    """

    window: int

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        """Store an object under a name never used before; returns its size once it is durable and that size was verified.

        Memory stays bounded. When it raises, or is cancelled, what was written may remain: `delete` removes it.
        """
        ...

    async def get(self, name: str, start: int, end: int) -> tuple[Data, int]:
        """The bytes from `start` up to `end`, or as far as there are any, and the size of the whole object.

        Raises `NotFound` when there is no such object.
        """
        ...

    async def delete(self, name: str) -> None:
        """Remove an object and whatever an unfinished `put` of it left; nothing happens when there is none."""
        ...

    def objects(self) -> AsyncIterator[StoredObject]:
        """Every object, in no order."""
        ...

    async def probe(self) -> None:
        """Put, get and delete a small object. Raises `Unavailable` with a sentence that says what to change."""
        ...

    async def close(self) -> None: ...
