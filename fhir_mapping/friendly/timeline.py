"""Which resources are events, by which date, and what they are called: data of `domain/clinic/timeline.py`.

The date parameters lead their types (`fhir_mapping/range_paths.py`), so a stream is read from the index in its order. Where a
type may have a second date instead, those without the first are a stream of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.clinic.timeline import Stream
from domain.errors import InvalidFields
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import moment, text_of

_RIGHT = ("status:not", "entered-in-error")
STREAMS: tuple[Stream, ...] = (
    Stream("visit", "Encounter", "date", (_RIGHT,)),
    Stream("appointment", "Appointment", "date", (_RIGHT,)),
    Stream("observation", "Observation", "date", (_RIGHT,)),
    Stream("lab-result", "DiagnosticReport", "date", (_RIGHT,)),
    Stream("problem", "Condition", "onset-date"),
    Stream("problem", "Condition", "recorded-date", (("onset-date:missing", "true"),)),
    Stream("procedure", "Procedure", "date", (_RIGHT,)),
    Stream("immunization", "Immunization", "date", (_RIGHT,)),
    Stream("allergy", "AllergyIntolerance", "date"),
    Stream("prescription", "MedicationRequest", "authoredon", (_RIGHT,)),
    Stream("dispense", "MedicationDispense", "whenprepared", (_RIGHT,)),
    Stream("dispense", "MedicationDispense", "whenhandedover", (_RIGHT, ("whenprepared:missing", "true"))),
    Stream("medication", "MedicationStatement", "effective", (_RIGHT,)),
    Stream("document", "DocumentReference", "date", (("status", "current"),)),
    Stream("record", "Composition", "date", (_RIGHT,)),
    Stream("order", "ServiceRequest", "authored", (_RIGHT,)),
    Stream("care-plan", "CarePlan", "date", (_RIGHT,)),
    Stream("bill", "Invoice", "date", (_RIGHT,)),
    Stream("diet", "NutritionOrder", "datetime", (_RIGHT,)),
    Stream("imaging", "ImagingStudy", "started", (_RIGHT,)),
)
KINDS = tuple(dict.fromkeys(stream.kind for stream in STREAMS))
_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "Encounter": ("period",),
    "Appointment": ("start",),
    "Observation": ("effectiveDateTime", "effectivePeriod", "effectiveInstant"),
    "DiagnosticReport": ("effectiveDateTime", "effectivePeriod"),
    "Procedure": ("performedDateTime", "performedPeriod"),
    "Immunization": ("occurrenceDateTime",),
    "AllergyIntolerance": ("recordedDate",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("effectiveDateTime", "effectivePeriod"),
    "DocumentReference": ("date",),
    "Composition": ("date",),
    "ServiceRequest": ("authoredOn",),
    "CarePlan": ("period",),
    "Invoice": ("date",),
    "NutritionOrder": ("dateTime",),
    "ImagingStudy": ("started",),
}
"""Where the date of a type stands; types with two streams are in `_BY_PARAMETER`."""
_BY_PARAMETER: Mapping[str, tuple[str, ...]] = {
    "onset-date": ("onsetDateTime", "onsetPeriod"),
    "recorded-date": ("recordedDate",),
    "whenprepared": ("whenPrepared",),
    "whenhandedover": ("whenHandedOver",),
}
_NAMES = ("code", "vaccineCode", "medicationCodeableConcept", "type", "serviceType")


class Timelines:
    """Implements `domain.clinic.timeline.TimelineRecords`."""

    def streams(self, kinds: frozenset[str] | None) -> Sequence[Stream]:
        """See `TimelineRecords.streams`. Raises `InvalidFields` for a kind there is none of."""
        if kinds is not None and not kinds <= set(KINDS):
            raise InvalidFields(f"The kinds are {', '.join(KINDS)}", expression="?kinds")
        return [stream for stream in STREAMS if kinds is None or stream.kind in kinds]

    def date(self, stream: Stream, content: FhirJson) -> datetime | None:
        """See `TimelineRecords.date`."""
        for name in _BY_PARAMETER.get(stream.parameter) or _ELEMENTS[stream.type]:
            value = content.get(name)
            text = value.get("start") if isinstance(value, dict) else value
            if text is not None:
                return moment(text)
        return None

    def title(self, content: FhirJson) -> str | None:
        """See `TimelineRecords.title`."""
        given: str | None = content.get("title") or content.get("description")
        if content["resourceType"] == "DocumentReference":
            given = next((title for each in content["content"] if (title := each["attachment"].get("title"))), given)
        if given is not None:
            return given
        for name in _NAMES:
            value: Any = content.get(name)
            text = text_of(
                value[0] if isinstance(value, list) and value else value if isinstance(value, dict) else None
            )
            if text is not None:
                return text
        return text_of(next(iter(content.get("reasonCode", ())), None))
