"""What became of a patient's demographics: every version with who wrote it and when. For who may look patients up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain import access
from domain.audit_reading import AuditReading
from domain.clinic.acting import acting
from domain.clinic.authors import Author, authors_of
from domain.clinic.patient_cards import PatientCard, PatientRecords
from domain.history_query import HistoryQuery
from domain.identity import ResourceKey
from domain.interactions.history import history
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read

INTERACTIONS = ("patient-create", "patient-update", "patient-delete", "family-create", "verify-email", "register")
MOST = 200


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One version: what it said, `None` for a deletion; who wrote it, where that is known."""

    version: int
    updated_at: datetime
    author: Author | None
    card: PatientCard | None

    def __repr__(self) -> str:
        return f"Past({self.version})"


async def versions(
    parts: Parts, records: PatientRecords, audit: AuditReading, occasion: Occasion, key: ResourceKey
) -> Sequence[Past]:
    """The newest versions first, at most 200. Raises `NotFound`, `Gone`; `Forbidden` for who only sees single patients.

    The matrix gives nobody older versions of a Patient; the rule here is that whoever works with patients may see how
    a name or an address came to be what it is.
    """
    access.require(occasion.caller, "s", key.type)
    await read(parts, occasion, key)
    page = await history(parts, acting(occasion, "r", key.type), HistoryQuery(key=key, count=MOST))
    authors = await authors_of(audit, key, INTERACTIONS)
    return [
        Past(
            version=head.version,
            updated_at=head.recorded,
            author=authors.get(head.version),
            card=records.from_fhir(parts.reading.decoded(content), version=head.version, updated=head.recorded)
            if isinstance(content, bytes)
            else None,
        )
        for head, content in zip(page.heads, page.contents, strict=True)
    ]
