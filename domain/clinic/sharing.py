"""Sharing a document with a practitioner: an R4 Consent that permits reading that one document, for as long as it says.

Only the source of a document shares it and ends its sharing, whatever their role; the patient whose record it is in does too.
The access rules read the Consent like any other, so a share counts from the next request on, and ends with it.
https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from domain.clinic.acting import acting
from domain.clinic.document_cards import DocumentCard, DocumentRecords
from domain.clinic.documents import KIND, card_of
from domain.errors import Conflict, DomainError, Forbidden, InvalidFields, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.create import create
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.update import update

MOST = 100
"""Shares of one document that are shown; more cannot be made."""


class Share(msgspec.Struct, frozen=True):
    """Somebody (`Practitioner/2`) may read a document until `expires_at`. `by` is the subject that shared it."""

    id: str
    document: str
    practitioner: str
    created_at: datetime
    expires_at: datetime | None
    active: bool
    by: str | None = None
    purpose: str = "TREAT"


class ShareRecords(Protocol):
    """Shares to Consents and back. Implemented by `fhir_mapping.friendly.shares`."""

    def to_fhir(self, share: Share, patient: str) -> FhirJson:
        """The Consent that permits it."""
        ...

    def from_fhir(self, content: FhirJson, by: str | None, now: datetime) -> Share | None:
        """The share a Consent is; `None` for one that is something else."""
        ...

    def ended(self, content: FhirJson) -> FhirJson:
        """The Consent as it is when the share was revoked."""
        ...


async def share(
    parts: Parts,
    records: DocumentRecords,
    shares: ShareRecords,
    occasion: Occasion,
    key: ResourceKey,
    practitioner: str,
    expires_at: datetime | None,
    purpose: str,
) -> tuple[Share, Answer]:
    """Let a practitioner read the document. Raises `Forbidden` unless the caller is its source, `Conflict` when it is
    shared with them already, `InvalidFields` for somebody who is not here or a time that has passed."""
    found = await _own(parts, records, occasion, key)
    now = parts.clock()
    if expires_at is not None and expires_at <= now:
        raise InvalidFields("A share ends in the future", expression="expiresAt")
    target = await parts.store.newest(ResourceKey("Practitioner", practitioner))
    if target is None or target.head.deleted or target.head.erased:
        raise InvalidFields("There is no such practitioner", expression="practitionerId")
    name = f"Practitioner/{practitioner}"
    existing = await of_document(parts, shares, occasion, key)
    if any(each.active and each.practitioner == name for each in existing):
        raise Conflict("It is shared with them already", reason="already_shared")
    if len(existing) >= MOST:
        raise Conflict(f"A document is shared at most {MOST} times", reason="too_many_shares")
    wish = Share("", key.id, name, now, expires_at, active=True, by=occasion.caller.subject, purpose=purpose)
    answer = await create(
        parts, acting(occasion, "c", "Consent"), "Consent", shares.to_fhir(wish, found.patient_id or "")
    )
    return msgspec.structs.replace(wish, id=answer.head.key.id if answer.head else ""), answer


async def revoke(
    parts: Parts,
    records: DocumentRecords,
    shares: ShareRecords,
    occasion: Occasion,
    key: ResourceKey,
    share_id: str,
) -> Answer:
    """End a share at once. Raises `NotFound` for a share that is not one of this document."""
    await _own(parts, records, occasion, key)
    consent = ResourceKey("Consent", share_id)
    allowed = acting(occasion, "u", "Consent")
    try:
        answer = await read(parts, allowed, consent)
    except DomainError:
        raise NotFound(f"There is no {consent}") from None
    content = parts.reading.decoded(answer.content or b"{}")
    known = shares.from_fhir(content, None, parts.clock())
    if known is None or known.document != key.id:
        raise NotFound(f"There is no {consent}")
    return await update(parts, allowed, consent, shares.ended(content))


async def of_document(parts: Parts, shares: ShareRecords, occasion: Occasion, key: ResourceKey) -> list[Share]:
    """The shares of a document, ended ones too. Whether the caller may know is for who calls this to decide."""
    return await _found(parts, shares, occasion, [("data", str(key))])


async def shown(
    parts: Parts, records: DocumentRecords, shares: ShareRecords, occasion: Occasion, key: ResourceKey
) -> list[Share]:
    """The shares of a document, for its source. Raises `Forbidden`."""
    await _own(parts, records, occasion, key)
    return await of_document(parts, shares, occasion, key)


async def with_me_or_by_me(
    parts: Parts, records: DocumentRecords, shares: ShareRecords, occasion: Occasion, patient: str
) -> Sequence[tuple[Share, DocumentCard]]:
    """What is shared now of a patient's documents, with the caller or by the caller; only what the caller may read."""
    caller = occasion.caller
    found: list[tuple[Share, DocumentCard]] = []
    for each in await _found(parts, shares, occasion, [("patient", patient)]):
        if not (each.active and (each.by == caller.subject or each.practitioner in caller.profiles)):
            continue
        try:
            answer = await read(parts, occasion, ResourceKey(KIND, each.document))
        except DomainError:  # withdrawn, erased, or not the caller's any more
            continue
        found.append((each, card_of(parts, records, answer)))
    return found


async def _found(
    parts: Parts, shares: ShareRecords, occasion: Occasion, pairs: Sequence[tuple[str, str]]
) -> list[Share]:
    query = parts.search.parse("Consent", [*pairs, ("_sort", "-_lastUpdated"), ("_total", "none")], strict=True).query
    page = await search(parts, acting(occasion, "s", "Consent"), msgspec.structs.replace(query, count=MOST))
    now = parts.clock()
    known = [
        shares.from_fhir(parts.reading.decoded(entry.content), entry.head.source, now)
        for entry in page.matches
        if isinstance(entry.content, bytes)
    ]
    return [each for each in known if each is not None]


async def _own(parts: Parts, records: DocumentRecords, occasion: Occasion, key: ResourceKey) -> DocumentCard:
    """The card of a document whose source the caller is, or of whose record. Raises `NotFound`, `Forbidden`."""
    answer = await read(parts, occasion, key)
    found, caller = card_of(parts, records, answer), occasion.caller
    own = found.patient_id is not None and f"Patient/{found.patient_id}" in caller.profiles
    if answer.head is None or not (answer.head.source == caller.subject or own):
        raise Forbidden("Only the source of a document may share it", reason="not_source")
    if found.status != "current":
        raise Conflict("Only a current document is shared", reason="not_current")
    return found
