"""A Binary that was nobody's comes into a patient's record: https://hl7.org/fhir/R4/binary.html#security

Its documents were sealed under the key of the directory, which no erasure of a patient destroys. All of them, those of
older versions too, are sealed again under the patient's key and take the place of the first in the write that changes the
owner. Versions stay as they were: each leads to the same bytes, for as long as the patient is not erased.
"""

from __future__ import annotations

from domain.blobs import Blob, Expected
from domain.documents.streams import closing
from domain.interactions.brought import Adopted
from domain.interactions.parts import Parts, opened
from domain.revision import Stored


async def adopted(parts: Parts, base: Stored | None, patient: str | None) -> tuple[Adopted, ...]:
    """The documents of a Binary whose newest version is `base`, sealed again for `patient`, who has it from now on.

    None unless it was nobody's. Raises what reading and receiving a blob raise.
    """
    if patient is None or base is None or base.head.patient is not None or base.head.erased:
        return ()
    moved: dict[str, Adopted] = {}
    for number in range(1, base.head.version + 1):
        stored = base if number == base.head.version else await parts.store.version(base.head.key, number)
        if stored is None or stored.head.deleted or stored.head.patient is not None:
            continue
        blob_id = parts.documents.links.blob(parts.reading.decoded(await opened(parts, stored)))
        if blob_id is None or blob_id in moved:
            continue
        blob = await parts.blobs.stat(blob_id, patient=None)
        if blob.patient is None:  # else it was a patient's once before
            moved[blob_id] = Adopted(await _sealed_again(parts, blob, patient), blob_id)
    return tuple(moved.values())


async def _sealed_again(parts: Parts, blob: Blob, patient: str) -> Blob:
    async with closing(await parts.blobs.open(blob)) as content:
        return await parts.blobs.receive(
            content,
            patient=patient,
            content_type=blob.content_type,
            limit=blob.size,
            title=blob.title,
            expected=Expected(blob.size, blob.sha1, blob.sha256),
        )
