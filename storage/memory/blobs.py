"""`domain.blobs.Blobs` in memory, for fast tests of the domain. Seals nothing and forgets everything.

Give it to the `MemoryRevisionStore` whose writes publish. Held to the same suite as the real one (`tests/contracts/blobs.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime

import msgspec

from domain.blobs import HEAD_BYTES, Blob, BlobClaim, Expected, Sniff, Span
from domain.errors import Gone, InvalidContent, NotFound, TooLarge
from storage.blobs.naming import new_name

PIECE = 256 * 1024


class MemoryBlobs:
    """Blobs in dictionaries."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._blobs: dict[str, Blob] = {}
        self._erased: set[str | None] = set()
        self._moved: dict[str, str] = {}

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
        self._require_living(patient)
        content = b""
        async for piece in stream:
            content += piece
            if len(content) > limit:
                raise TooLarge(f"The document is larger than {limit:,} bytes")
        if sniff is not None:
            content_type = sniff(content[:HEAD_BYTES])
        sha1, sha256 = hashlib.sha1(content, usedforsecurity=False).digest(), hashlib.sha256(content).digest()
        found = Expected(len(content), sha1, sha256)
        for name in found.__struct_fields__:
            if expected is not None and getattr(expected, name) not in (None, getattr(found, name)):
                raise InvalidContent(f"The {name} of the document is not the one that was announced", code="value")
        blob = Blob(new_name(), patient, len(content), content_type, title, sha1, sha256, datetime.now(UTC))
        self._blobs[blob.id] = blob
        self.contents[blob.id] = content
        return blob

    async def stat(self, blob_id: str, *, patient: str | None) -> Blob:
        blob = self._blobs.get(blob_id)
        if patient is None and blob_id in self._moved:
            blob = self._blobs[self._moved[blob_id]]
            patient = blob.patient
        if blob is None or blob.patient != patient:
            raise NotFound("There is no such document")
        self._require_living(patient)
        return blob

    async def open(self, blob: Blob, span: Span | None = None) -> AsyncIterator[bytes]:
        span = Span(0, blob.size) if span is None else span
        if not 0 <= span.start <= span.end <= blob.size:
            raise ValueError("the span is not inside of the content")
        self._require_living(blob.patient)
        return self._pieces(self.contents[blob.id][span.start : span.end])

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]

    async def duplicates(self, sha256: bytes, *, patient: str | None) -> Sequence[Blob]:
        ready = [blob for blob in self._blobs.values() if blob.resource is not None]
        return [blob for blob in ready if (blob.sha256, blob.patient) == (sha256, patient)][:10]

    async def keep(self, blobs: Sequence[Blob]) -> None:
        return

    async def discard(self, blobs: Sequence[Blob]) -> None:
        for blob in blobs:
            if blob.id in self._blobs and self._blobs[blob.id].resource is None:
                del self._blobs[blob.id], self.contents[blob.id]

    def require_pending(self, claims: Sequence[BlobClaim]) -> None:
        """Raises `Gone` when one of them cannot be published."""
        for claim in claims:
            blob = self._blobs.get(claim.id)
            if blob is None or blob.resource is not None or blob.patient != claim.patient:
                raise Gone("An upload is not waiting to be published: it was published already, or has expired")
            old = None if claim.replaces is None else self._blobs.get(claim.replaces)
            if claim.replaces is not None and (old is None or old.resource is None or old.patient is not None):
                raise Gone("A document is not there to be replaced")

    def publish(self, claims: Sequence[BlobClaim]) -> None:
        for claim in claims:
            self._blobs[claim.id] = msgspec.structs.replace(self._blobs[claim.id], resource=claim.resource)
            if claim.replaces is not None:
                del self._blobs[claim.replaces], self.contents[claim.replaces]
                self._moved[claim.replaces] = claim.id

    def erase(self, patient: str) -> None:
        """From now on nothing of this patient can be opened."""
        self._erased.add(patient)

    def _require_living(self, patient: str | None) -> None:
        if patient in self._erased:
            raise Gone(f"Patient/{patient} was erased")
