"""What stands on a printed prescription: who, for whom, what, and whether it is in force.

Read as the caller, so nobody prints what they do not see. https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from domain.clinic.dispensing import DispenseRecords, prescription
from domain.clinic.prescription_cards import PrescriptionCard
from domain.clinic.prescriptions import Prescribing
from domain.errors import DomainError, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read


class Letterheads(Protocol):
    """Implemented by `fhir_mapping.friendly.letterheads`."""

    def lines(self, content: FhirJson) -> tuple[str, ...]:
        """A Patient, Practitioner or Organization as a letter names them: name, birth date or profession, address, phone."""
        ...


class Sheet(msgspec.Struct, frozen=True):
    """One printed prescription; addresses are lines, the name first. `printed_at` is now."""

    card: PrescriptionCard
    patient: tuple[str, ...]
    doctor: tuple[str, ...]
    pharmacy: tuple[str, ...]
    printed_at: datetime

    def __repr__(self) -> str:
        return f"Sheet({self.card.id})"


async def sheet_of(
    parts: Parts,
    using: Prescribing,
    dispenses: DispenseRecords,
    letterheads: Letterheads,
    occasion: Occasion,
    logical_id: str,
) -> Sheet:
    """The sheet of a prescription. Raises `NotFound` for one the caller does not see, or of nobody."""
    card = await prescription(parts, using, dispenses, occasion, logical_id)
    if card.patient_id is None:
        raise NotFound("This prescription is for nobody")
    patient = await read(parts, occasion, ResourceKey("Patient", card.patient_id))
    return Sheet(
        card,
        letterheads.lines(parts.reading.decoded(patient.content or b"{}")),
        await _lines(parts, letterheads, occasion, card.doctor),
        await _lines(parts, letterheads, occasion, card.pharmacy),
        parts.clock(),
    )


async def _lines(
    parts: Parts, letterheads: Letterheads, occasion: Occasion, key: ResourceKey | None
) -> tuple[str, ...]:
    """Nothing for somebody who is not in the directory."""
    if key is None:
        return ()
    try:
        answer = await read(parts, occasion, key)
    except DomainError:
        return ()
    return letterheads.lines(parts.reading.decoded(answer.content or b"{}"))
