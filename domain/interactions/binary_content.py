"""The content of a Binary: taken out of it before it is stored, and whose it is. https://hl7.org/fhir/R4/binary.html

A Binary belongs to its security context: who may not read that does not see the Binary either, and the patient whose
record the context is in is the one whose key seals the content.
"""

from __future__ import annotations

import msgspec

from domain import access
from domain.documents.base64_data import decoded
from domain.errors import Forbidden, Gone, InvalidContent, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.adopting import adopted
from domain.interactions.brought import Adopted, Around, Brought, facts_of
from domain.interactions.guarding import seen
from domain.interactions.parts import Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.receiving import Received, receive
from domain.revision import Stored


async def readable(
    parts: Parts, occasion: Occasion, key: ResourceKey, version: int | None = None
) -> tuple[Stored, FhirJson]:
    """A version of a Binary (`None`: the newest) and its content, for who may read its security context.

    https://hl7.org/fhir/R4/binary.html#security: the context decides, in place of the Binary's own place in a record; so a
    document that was shared is shared whole. Raises `NotFound`, `Gone` like a read, the same for what the caller may not see.
    """
    access.require(occasion.caller, "r", "Binary")
    newest = await parts.store.newest(key)
    found = newest if version is None or newest is None else await parts.store.version(key, version)
    if found is None or newest is None or found.head.deleted or found.head.erased:
        return present(await seen(parts, occasion.caller, found, key), key), {}
    content = parts.reading.decoded(await opened(parts, found))
    context = parts.documents.links.context(content)
    if found.head.patient is None and newest.head.patient is not None:
        # What was nobody's is the patient's now, whatever the version said of itself.
        await _require_adopter(parts, occasion, newest)
        return found, content
    if context is None or context.type in ("Patient", "Binary"):
        return present(await seen(parts, occasion.caller, found, key), key), content
    try:
        await read(parts, occasion, context)
    except Gone:
        raise
    except (NotFound, Forbidden):
        raise NotFound(f"There is no {key}") from None
    return found, content


async def _require_adopter(parts: Parts, occasion: Occasion, newest: Stored) -> None:
    """Raise `NotFound`, `Gone` unless the caller may read the newest version of a Binary, or might before its deletion."""
    key = newest.head.key
    if newest.head.deleted and not newest.head.erased:
        if await seen(parts, occasion.caller, newest, key) is None:
            raise NotFound(f"There is no {key}")
        return
    await readable(parts, occasion, key)


async def bring_binary(
    parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored | None, around: Around
) -> Brought:
    """A Binary that came as FHIR JSON: its data is taken out, its context found."""
    links = parts.documents.links
    context, patient = links.context(content) or around.contexts.get(key), None
    if context is not None:
        inside = context in around.patients
        patient = around.patients[context] if inside else await owner_of(parts, occasion, context)
    name = None if context is None else str(context)
    data, declared = content.get("data"), content.get("contentType")
    moved = await adopted(parts, base, patient)
    if data is None:
        return await _kept(parts, content, base, name, patient, moved)
    received = await receive(parts, decoded(data, "Binary.data"), patient=patient, declared=declared)
    same = await _same(parts, base, received)
    if same is not None:
        made = links.binary(
            content,
            media_type=received.blob.content_type,
            blob=same,
            context=name,
            patient=patient,
            scan=received.scan,
        )
        return Brought(made, received.extract.words, facts=facts_of(received))
    return msgspec.structs.replace(binary_of(parts, content, received, name), adopted=moved)


async def _same(parts: Parts, base: Stored | None, received: Received) -> str | None:
    """The blob of `base`, when it holds the very document that has arrived again; that one is dropped then."""
    if base is None or base.head.deleted or base.head.erased or base.head.patient != received.blob.patient:
        return None
    blob_id = parts.documents.links.blob(parts.reading.decoded(await opened(parts, base)))
    if blob_id is None or (await parts.blobs.stat(blob_id, patient=base.head.patient)).sha256 != received.blob.sha256:
        return None
    await parts.blobs.discard([received.blob])
    return blob_id


def binary_of(parts: Parts, content: FhirJson, received: Received, context: str | None) -> Brought:
    """The Binary of a document that has arrived; `content` is what else is said of it."""
    blob = received.blob
    made = parts.documents.links.binary(
        content,
        media_type=blob.content_type,
        blob=blob.id,
        context=context,
        patient=blob.patient,
        scan=received.scan,
    )
    return Brought(made, received.extract.words, blob=received, facts=facts_of(received))


async def _kept(
    parts: Parts,
    content: FhirJson,
    base: Stored | None,
    context: str | None,
    patient: str | None,
    moved: tuple[Adopted, ...],
) -> Brought:
    """A Binary without data in the body: it keeps the document it has, unless it becomes another patient's."""
    links, media_type = parts.documents.links, content.get("contentType", "")
    blob_id, scan = None, links.scanned({})
    words = frozenset[str]()
    if base is not None and not base.head.deleted and base.head.patient in (patient, None):
        before = parts.reading.decoded(await opened(parts, base))
        blob_id, scan = links.blob(before), links.scanned(before)
        blob_id = next((each.blob.id for each in moved if each.replaces == blob_id), blob_id)
        (words,) = await parts.store.found([base])
    made = links.binary(content, media_type=media_type, blob=blob_id, context=context, patient=patient, scan=scan)
    return Brought(made, words if blob_id is not None else frozenset(), adopted=moved)


async def owner_of(parts: Parts, occasion: Occasion, context: ResourceKey) -> str | None:
    """The id of the patient a security context belongs to. Raises `InvalidContent` when the caller sees no such resource."""
    if context.type == "Patient":
        return context.id
    try:
        answer = await read(parts, occasion, context)
    except (NotFound, Forbidden) as error:
        raise InvalidContent(
            "The security context is not here", code="not-found", expression="Binary.securityContext"
        ) from error
    return answer.head.patient if answer.head is not None else None
