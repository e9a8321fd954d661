"""Appointments, their Slots and the Encounter of the visit, as FHIR and back: https://hl7.org/fhir/R4/appointment.html

`notes` are `comment`, which FHIR calls additional remarks of the clinic; what the patient is told is `patientInstruction`. The
end of a hold, the mode and the version a Slot belongs to are extensions: R4 has no elements for them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from domain.clinic.appointment_cards import AppointmentCard, Cancellation, Mode, SlotCard
from domain.clinic.availability import Span
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, first, instant, moment, name_of, put, reference, text_of, to

HOLD, MODE, VERSION = "urn:chartvault:hold-expires", "urn:chartvault:mode", "urn:chartvault:appointment-version"
CANCELLED = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"
ENDED = "urn:chartvault:hold"
VISIT, INVOICE = "urn:chartvault:encounter", "urn:chartvault:invoice"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_OURS = frozenset({HOLD, MODE, VISIT, INVOICE})
_CLASSES: Mapping[Mode, str] = {"IN_PERSON": "AMB", "VIDEO": "VR"}
_MODES: Mapping[str, Mode] = {code: mode for mode, code in _CLASSES.items()}


class Appointments:
    """Implements `domain.clinic.appointment_cards.AppointmentRecords`."""

    def to_fhir(self, card: AppointmentCard, *, base: FhirJson | None) -> FhirJson:
        """See `AppointmentRecords.to_fhir`."""
        content = copy.deepcopy(base) if base is not None else _new(card)
        content["status"] = card.status
        put(content, "start", card.start and _local(card.start))
        put(content, "end", card.end and _local(card.end))
        put(content, "minutesDuration", card.span and int((card.span.end - card.span.start) / timedelta(minutes=1)))
        put(content, "slot", card.slot and [to(card.slot)])
        if card.reason != _reason(content):
            put(content, "reasonCode", card.reason and [{"text": card.reason}])
        put(content, "comment", card.notes)
        put(content, "patientInstruction", card.patient_instructions)
        put(content, "cancelationReason", card.cancellation and _cancelled(card.cancellation))
        extensions = [each for each in content.get("extension", ()) if each.get("url") not in _OURS]
        if card.mode != "IN_PERSON":
            extensions.append({"url": MODE, "valueCoding": {"system": ACT, "code": _CLASSES[card.mode]}})
        if card.hold_expires_at is not None:
            extensions.append({"url": HOLD, "valueInstant": instant(card.hold_expires_at)})
        results = ((VISIT, card.encounter), (INVOICE, card.invoice))
        extensions += [{"url": url, "valueReference": to(key)} for url, key in results if key is not None]
        put(content, "extension", extensions)
        if card.status == "booked":
            for each in content["participant"]:
                each["status"] = "accepted"
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> AppointmentCard:
        """See `AppointmentRecords.from_fhir`."""
        actors = [key for each in content.get("participant", ()) if (key := reference(each.get("actor"))) is not None]
        extensions = _extensions(content)
        slots = [key for each in content.get("slot", ()) if (key := reference(each)) is not None]
        why = content.get("cancelationReason")
        return AppointmentCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            status=content["status"],
            patient_id=next((key.id for key in actors if key.type == "Patient"), None),
            doctor_id=next((key.id for key in actors if key.type == "Practitioner"), None),
            start=moment(content.get("start")),
            end=moment(content.get("end")),
            created_at=moment(content.get("created")),
            reason=_reason(content),
            notes=content.get("comment"),
            patient_instructions=content.get("patientInstruction"),
            mode=_MODES.get(extensions.get(MODE, {}).get("valueCoding", {}).get("code", ""), "IN_PERSON"),
            hold_expires_at=moment(extensions.get(HOLD, {}).get("valueInstant")),
            cancellation=None if why is None else _cancellation(why),
            slot=slots[0] if slots else None,
            encounter=reference(extensions.get(VISIT, {}).get("valueReference")),
            invoice=reference(extensions.get(INVOICE, {}).get("valueReference")),
        )

    def slot(self, slot: SlotCard, *, schedule: ResourceKey) -> FhirJson:
        """See `AppointmentRecords.slot`."""
        extensions: list[FhirJson] = []
        if slot.until is not None:
            extensions.append({"url": HOLD, "valueInstant": instant(slot.until)})
        if slot.appointment is not None:
            extensions.append({"url": VERSION, "valuePositiveInt": slot.appointment})
        content: FhirJson = {"resourceType": "Slot", "schedule": to(schedule), "status": slot.status}
        content |= {"start": _local(slot.span.start), "end": _local(slot.span.end)}
        put(content, "extension", extensions)
        return content

    def from_slot(self, content: FhirJson) -> SlotCard | None:
        """See `AppointmentRecords.from_slot`."""
        start, end = moment(content.get("start")), moment(content.get("end"))
        if start is None or end is None:
            return None
        extensions = _extensions(content)
        until = moment(extensions.get(HOLD, {}).get("valueInstant"))
        version = extensions.get(VERSION, {}).get("valuePositiveInt")
        return SlotCard(Span(start, end), content["status"], until, version)

    def name(self, content: FhirJson) -> str | None:
        """See `AppointmentRecords.name`."""
        return name_of(content.get("name"))[2]

    def encounter(self, card: AppointmentCard, *, now: datetime) -> FhirJson:
        """See `AppointmentRecords.encounter`."""
        start = min(card.start or now, now)
        content: FhirJson = {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"system": ACT, "code": _CLASSES[card.mode]},
            "subject": to(ResourceKey("Patient", card.patient_id or "")),
            "participant": [{"individual": to(ResourceKey("Practitioner", card.doctor_id or ""))}],
            "appointment": [to(ResourceKey("Appointment", card.id))],
            "period": {"start": instant(start), "end": instant(max(start, min(card.end or now, now)))},
        }
        put(content, "reasonCode", card.reason and [{"text": card.reason}])
        return content


def _new(card: AppointmentCard) -> FhirJson:
    """Patient and doctor take part; of a time that is only offered, the patient may not be known yet."""
    content: FhirJson = {"resourceType": "Appointment"}
    put(content, "created", card.created_at and instant(card.created_at))
    named = (("Patient", card.patient_id, "accepted"), ("Practitioner", card.doctor_id, "needs-action"))
    content["participant"] = [
        {"actor": to(ResourceKey(kind, each)), "status": status} for kind, each, status in named if each is not None
    ]
    return content


def _local(when: datetime) -> str:
    """A FHIR instant in the zone it came in: the doctor's, so that people read the time on the clock there."""
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def _reason(content: Mapping[str, Any]) -> str | None:
    return next((text for each in content.get("reasonCode", ()) if (text := text_of(each))), None)


def _cancelled(why: Cancellation) -> FhirJson:
    if why.expired:
        return concept("The hold ran out", system=ENDED, code="hold-expired")
    return concept(why.text, system=CANCELLED, code=why.code)


def _cancellation(why: Mapping[str, Any]) -> Cancellation:
    expired = first(why.get("coding"), ENDED).get("code") == "hold-expired"
    return Cancellation(first(why.get("coding"), CANCELLED).get("code"), why.get("text"), expired)


def _extensions(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {each.get("url", ""): each for each in content.get("extension", ())}
