"""Checking orders that are about to be signed elsewhere: the decision behind the CDS Hooks services.

The orders are drafts in somebody else's system. What the patient takes comes with the request (prefetch) or is read here as
the caller; when neither is possible there is no decision (`MissingData`), never an empty one. An alert that was considered
already, which a DetectedIssue among the drafts tells, is not shown again. https://cds-hooks.hl7.org/2.0/,
https://github.com/HL7/PDDI-CDS
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from domain.clinic.drug_interactions import Check, Medication
from domain.clinic.medication_check import (
    UNREADABLE,
    UNREADABLE_ALLERGY,
    CheckSet,
    ReadMedications,
    check_set,
    described,
)
from domain.clinic.prescriptions import Prescribing
from domain.errors import DomainError, InvalidContent, MissingData
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Occasion, Parts
from domain.interactions.read import read

TAKEN, ALLERGIES = ("MedicationRequest", "MedicationStatement"), "AllergyIntolerance"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about: the patient's id, drafts (any resources), and which of them were just chosen (`Type/id`; all
    when nothing is said). `fetched` are the resources that came along, by type; a type that is missing is read here."""

    patient: str
    drafts: tuple[FhirJson, ...]
    selections: frozenset[str] = frozenset()
    fetched: Mapping[str, Sequence[FhirJson]] = {}

    def __repr__(self) -> str:
        return f"Orders({len(self.drafts)})"


class ReadIssues(Protocol):
    """Implemented by `fhir_mapping.friendly.prescriptions`."""

    def considered(self, content: FhirJson) -> str | None:
        """The id of the alert that a DetectedIssue is about."""
        ...


async def checked(parts: Parts, using: Prescribing, issues: ReadIssues, occasion: Occasion, orders: Orders) -> Check:
    """What the drafts do with each other and with what the patient takes. Raises `MissingData`."""
    found = await _check_set(parts, using, occasion, orders)
    drafts = [each for each in orders.drafts if each.get("resourceType") == "MedicationRequest"]
    medications = [await _medication(parts, using.reading, occasion, each) for each in drafts]
    chosen = [each for each in medications if not orders.selections or each.reference in orders.selections]
    others = [each for each in medications if each not in chosen]
    known = await using.tables.active()
    check = known.check(chosen, (*others, *found.taken), found.allergies)
    considered = {
        name
        for each in orders.drafts
        if each.get("resourceType") == "DetectedIssue" and (name := issues.considered(each)) is not None
    }
    return msgspec.structs.replace(check, alerts=tuple(each for each in check.alerts if each.id not in considered))


async def _check_set(parts: Parts, using: Prescribing, occasion: Occasion, orders: Orders) -> CheckSet:
    """What came along, and of the types that did not what is on record here."""
    missing = [kind for kind in (*TAKEN, ALLERGIES) if kind not in orders.fetched]
    here = CheckSet()
    if missing:
        here = await _on_record(parts, using, occasion, orders)
    drafts = {f"{each.get('resourceType')}/{each.get('id')}" for each in orders.drafts}
    taken = [each for each in here.taken if _kind(each) in missing and each.reference not in drafts]
    allergies = [each for each in here.allergies if _kind(each) in missing]
    for kind in TAKEN:
        for each in orders.fetched.get(kind, ()):
            medication = await _medication(parts, using.reading, occasion, each)
            if medication.reference not in drafts:
                taken.append(medication)
    for each in orders.fetched.get(ALLERGIES, ()):
        if not _sound(parts, each):
            taken.append(UNREADABLE_ALLERGY)
        elif (allergy := using.reading.allergy(each)) is not None:
            allergies.append(msgspec.structs.replace(allergy, reference=_name(each)))
    return CheckSet(tuple(taken), tuple(allergies))


async def _on_record(parts: Parts, using: Prescribing, occasion: Occasion, orders: Orders) -> CheckSet:
    try:
        await read(parts, occasion, ResourceKey("Patient", orders.patient))
    except DomainError:
        raise MissingData("What this patient takes is not known here; send it along as prefetch") from None
    return await check_set(parts, using.reading, occasion, orders.patient)


async def _medication(parts: Parts, reading: ReadMedications, occasion: Occasion, content: FhirJson) -> Medication:
    """The medication of a resource from elsewhere; of one that breaks the rules of FHIR nothing is believed."""
    if not _sound(parts, content):
        return msgspec.structs.replace(UNREADABLE, reference=_name(content))
    found = reading.medication(content)
    if isinstance(found, ResourceKey):
        found = await described(parts, reading, occasion, found)
    return msgspec.structs.replace(found, reference=_name(content))


def _sound(parts: Parts, content: FhirJson) -> bool:
    try:
        parts.validate.check(content)
    except InvalidContent:
        return False
    return True


def _name(content: FhirJson) -> str | None:
    kind, logical_id = content.get("resourceType"), content.get("id")
    return f"{kind}/{logical_id}" if isinstance(kind, str) and isinstance(logical_id, str) else None


def _kind(medication: Medication) -> str | None:
    return None if medication.reference is None else medication.reference.partition("/")[0]
