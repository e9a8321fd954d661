"""Binary by its bytes: https://hl7.org/fhir/R4/binary.html, IHE MHD ITI-68 (https://profiles.ihe.net/ITI/MHD/ITI-68.html)

A Binary is read like any resource, and only by who may read its security context too. Its bytes are a blob that the caller
opens last, when the audit entry is durable.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple

import msgspec

from domain import access
from domain.blobs import Blob, Span
from domain.documents.base64_data import decoded, encoded
from domain.errors import Forbidden, NotAcceptable, NotFound, Quarantined
from domain.identity import FhirJson, ResourceKey, parse_version
from domain.interactions.adopting import adopted
from domain.interactions.binary_content import binary_of, owner_of, readable
from domain.interactions.brought import Brought
from domain.interactions.carrying import planned_of
from domain.interactions.parts import Answer, Occasion, Parts, Retryable
from domain.interactions.receiving import receive
from domain.interactions.update import replacing, require_match
from domain.interactions.writing import Planned, write_one
from domain.revision import encode


class Document(NamedTuple):
    """A version of a Binary: its answer, the resource, and its blob; `None` for one that never had any content."""

    answer: Answer
    content: FhirJson
    blob: Blob | None


async def document(parts: Parts, occasion: Occasion, key: ResourceKey, version_id: str | None = None) -> Document:
    """A version of a Binary (`None`: the newest) and its blob, not yet opened.

    Raises `NotFound`, `Gone` for what the caller cannot see, whether it is the Binary or its context.
    """
    version = None if version_id is None else parse_version(version_id)
    if version is None and version_id is not None:
        raise NotFound(f"There is no version {version_id[:64]!r} of {key}")
    stored, content = await readable(parts, occasion, key, version)
    return await _document(parts, Answer(200, stored.head), content)


async def document_of(parts: Parts, answer: Answer) -> Document:
    """The document of a version that the caller has just written."""
    return await _document(parts, answer, parts.reading.decoded(answer.content or b"{}"))


async def _document(parts: Parts, answer: Answer, content: FhirJson) -> Document:
    blob_id = parts.documents.links.blob(content)
    if blob_id is None or answer.head is None:
        return Document(answer, content, None)
    blob = await parts.blobs.stat(blob_id, patient=answer.head.patient)
    if blob.patient != answer.head.patient:  # of a version from before it was the patient's
        answer = msgspec.structs.replace(answer, head=msgspec.structs.replace(answer.head, patient=blob.patient))
    return Document(answer, content, blob)


def require_harmless(parts: Parts, found: Document) -> None:
    """Raise `Quarantined` for a document in which malware was found."""
    if parts.documents.links.scanned(found.content) == "infected":
        raise Quarantined("Malware was found in this document: its bytes are given to nobody")


async def bytes_of(parts: Parts, found: Document, span: Span | None = None) -> AsyncIterator[bytes]:
    """The bytes of a document or of a part of it. Raises what `Blobs.open` raises before the first of them."""
    if found.blob is not None:
        require_harmless(parts, found)
        return await parts.blobs.open(found.blob, span)
    if "data" not in found.content:
        raise NotFound("This Binary has no content")
    return decoded(found.content["data"], "Binary.data")


async def as_resource(parts: Parts, found: Document) -> bytes:
    """The resource with its data in base64. Raises `NotAcceptable` over the limit: such a document goes out as it is."""
    links, blob = parts.documents.links, found.blob
    require_harmless(parts, found)
    if blob is None:
        return encode(links.shown(found.content, found.content.get("data")))
    if blob.size > parts.documents.inline_bytes:
        raise NotAcceptable(f"A document of {blob.size} bytes is not given as JSON: ask for {blob.content_type}")
    return encode(links.shown(found.content, await encoded(await parts.blobs.open(blob)) if blob.size else None))


async def inlined(parts: Parts, occasion: Occasion, content: bytes) -> bytes:
    """A resource with the documents its Attachments point at as data inside it, those that the caller may read.

    Raises `NotAcceptable` when all of them together are over the limit.
    """
    resource = parts.reading.decoded(content)
    room = parts.documents.inline_bytes
    for link in parts.documents.links.links(resource):
        try:
            found = await document(parts, occasion, link.target)
            require_harmless(parts, found)
        except (NotFound, Forbidden, Quarantined):
            continue
        if found.blob is None or not found.blob.size:
            continue
        room -= found.blob.size
        if room < 0:
            raise NotAcceptable(
                f"The documents are more than {parts.documents.inline_bytes} bytes: ask for each by its url"
            )
        link.node["data"] = await encoded(await parts.blobs.open(found.blob))
    return encode(resource)


class Upload(NamedTuple):
    """A document that comes as its bytes: media type and security context as the headers state them."""

    stream: AsyncIterable[bytes]
    declared: str | None
    context: ResourceKey | None = None
    title: str | None = None


async def create_raw(parts: Parts, occasion: Occasion, upload: Upload) -> Answer:
    """Store a document as a new Binary: 201. Raises what `receiving.receive` raises."""
    access.require(occasion.caller, "c", "Binary")
    key = ResourceKey("Binary", parts.new_id())
    brought, occasion = await _brought(parts, occasion, upload, {})

    async def plan() -> Planned:
        return await planned_of(parts, occasion, key, brought, method="POST", base=None)

    return await write_one(parts, occasion, plan)


async def update_raw(
    parts: Parts, occasion: Occasion, key: ResourceKey, upload: Upload, *, if_match: frozenset[str] | None = None
) -> Answer:
    """Make a document the next version of a Binary. One without a context of its own keeps that of the version before."""
    access.require(occasion.caller, "u", "Binary")
    before = await parts.store.newest(key)
    require_match(key, before, if_match)
    if before is not None and not before.head.deleted and upload.context is None:
        known = await document(parts, occasion, key)
        upload = upload._replace(context=parts.documents.links.context(known.content))
    brought, occasion = await _brought(parts, occasion, upload, {"id": key.id})

    async def plan() -> Planned:
        base = await parts.store.newest(key)
        require_match(key, base, if_match)
        moved = await adopted(parts, base, None if brought.blob is None else brought.blob.blob.patient)
        whole = msgspec.structs.replace(brought, adopted=moved)
        return await replacing(parts, occasion, key, brought.content, base=base, method="PUT", brought=whole)

    return await write_one(parts, occasion, plan)


async def _brought(parts: Parts, occasion: Occasion, upload: Upload, content: FhirJson) -> tuple[Brought, Occasion]:
    """The Binary of an upload, received; and the occasion whose idempotency key stands for its bytes too."""
    context = upload.context
    patient = None if context is None else await owner_of(parts, occasion, context)
    received = await receive(parts, upload.stream, patient=patient, declared=upload.declared, title=upload.title)
    brought = binary_of(parts, content, received, None if context is None else str(context))
    if occasion.retryable is not None:
        # The body is part of what a key was used for, and is known only now.
        name, fingerprint = occasion.retryable
        occasion = msgspec.structs.replace(occasion, retryable=Retryable(name, fingerprint + received.blob.sha256))
    return brought, occasion
