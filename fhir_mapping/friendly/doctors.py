"""A doctor as Practitioner, PractitionerRole and Schedule, and back: https://hl7.org/fhir/R4/practitionerrole.html

Weekly hours are `availableTime`, exceptional days `notAvailable`: a day with hours of its own carries them in an extension, so
that who does not know it sees the day as closed. The zone, the length of a slot and the buffer are extensions of Schedule.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from domain.clinic.availability import WEEKDAYS, DayException, Hours, WorkSchedule
from domain.clinic.doctor_cards import Contact, DoctorCard, DoctorFiles, DoctorForm, Qualification
from domain.clinic.wall_clock import zone_of
from domain.errors import InvalidFields
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import (
    SNOMED,
    concept,
    first,
    name_of,
    named,
    put,
    reference,
    telecom_of,
    text_of,
    to,
)
from fhir_mapping.search_values.escaping import escape

ROLE = "http://terminology.hl7.org/CodeSystem/practitioner-role"
ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
SLOT_MINUTES, BUFFER_MINUTES = "urn:chartvault:slot-minutes", "urn:chartvault:buffer-minutes"
DAY_HOURS = "urn:chartvault:day-hours"
SPECIALTIES: Mapping[str, str] = {
    "cardiology": "394579002",
    "dermatology": "394582007",
    "dietetics and nutrition": "722164000",
    "endocrinology": "394583002",
    "gastroenterology": "394584008",
    "general medicine": "394802001",
    "general practice": "394814009",
    "nephrology": "394589003",
    "neurology": "394591006",
    "ophthalmology": "394594003",
    "psychiatry": "394587001",
    "rheumatology": "394810000",
    "urology": "394612005",
}
"""Of http://hl7.org/fhir/R4/valueset-c80-practice-codes.html; other specialties are texts."""
Keys = tuple[ResourceKey, ResourceKey, ResourceKey]


class Doctors:
    """Implements `domain.clinic.doctor_cards.DoctorRecords`."""

    def to_fhir(self, form: DoctorForm, *, base: DoctorFiles, keys: Keys) -> DoctorFiles:
        """See `DoctorRecords.to_fhir`."""
        person, role, schedule = keys
        return DoctorFiles(
            _person(form, copy.deepcopy(base.person or {"resourceType": "Practitioner", "active": True}), person),
            _role(form, copy.deepcopy(base.role or {"resourceType": "PractitionerRole", "active": True}), role, person),
            _schedule(
                form, copy.deepcopy(base.schedule or {"resourceType": "Schedule", "active": True}), keys, schedule
            ),
        )

    def from_fhir(self, id: str, contents: DoctorFiles, *, version: int, updated: datetime) -> DoctorCard:
        """See `DoctorRecords.from_fhir`."""
        person, role = contents.person or {}, contents.role or {}
        given, family, full = name_of(person.get("name"))
        organization = reference(role.get("organization"))
        return DoctorCard(
            id=id,
            version=version,
            updated_at=updated,
            first_name=given,
            last_name=family,
            full_name=full,
            specialization=tuple(text for each in role.get("specialty", ()) if (text := text_of(each)) is not None),
            contact=_contact(person.get("telecom", ())),
            qualifications=tuple(map(_qualification, person.get("qualification", ()))),
            work_schedule=None if contents.schedule is None else _hours(role, contents.schedule),
            organization=None if organization is None else str(organization),
        )

    def practitioner(self, role: FhirJson) -> ResourceKey | None:
        """See `DoctorRecords.practitioner`."""
        return reference(role.get("practitioner"))

    def query(self, specialization: str | None, words: str | None) -> list[tuple[str, str]]:
        """See `DoctorRecords.query`."""
        found = [("role", f"{ROLE}|doctor"), ("active:not", "false")]
        if specialization is not None:
            code = SPECIALTIES.get(specialization.strip().casefold())
            found.append(("specialty", f"{SNOMED}|{code}") if code else ("specialty:text", escape(specialization)))
        found += [("practitioner:Practitioner.name", escape(word)) for word in (words or "").split()]
        return found


def _person(form: DoctorForm, content: FhirJson, key: ResourceKey) -> FhirJson:
    content["id"] = key.id
    others = [each for each in content.get("name", ()) if each.get("use") not in (None, "official", "usual")]
    name: FhirJson = {"use": "official", "text": f"{form.first_name} {form.last_name}".strip()}
    put(name, "family", form.last_name)
    put(name, "given", form.first_name.split())
    content["name"] = [name, *others]
    if form.contact is not None:
        contact = form.contact
        points = [("phone", contact.phone), ("email", contact.email), *(("other", each) for each in contact.other)]
        put(content, "telecom", [{"system": system, "value": value} for system, value in points if value])
    put(content, "qualification", [_as_fhir(each) for each in form.qualifications])
    return content


def _as_fhir(of: Qualification) -> FhirJson:
    made: FhirJson = {"code": {"text": of.name}}
    put(made, "issuer", of.issuer and {"display": of.issuer})
    put(made, "period", of.year and {"start": f"{of.year:04d}"})
    return made


def _role(form: DoctorForm, content: FhirJson, key: ResourceKey, person: ResourceKey) -> FhirJson:
    content["id"] = key.id
    content["practitioner"] = to(person)
    if form.organization is not None:
        content["organization"] = to(named(form.organization, "organization", "Organization"))
    codes = [each for each in content.get("code", ()) if not first(each.get("coding"), ROLE)]
    content["code"] = [concept(system=ROLE, code="doctor"), *codes]
    put(content, "specialty", [_specialty(each) for each in form.specialization])
    if form.work_schedule is not None:
        put(content, "availableTime", [_available(each) for each in form.work_schedule.weekly])
        put(content, "notAvailable", [_exception(each) for each in form.work_schedule.exceptions])
    return content


def _specialty(name: str) -> FhirJson:
    return concept(name, system=SNOMED, code=SPECIALTIES.get(name.strip().casefold()))


def _available(hours: Hours) -> FhirJson:
    days = [day for day in WEEKDAYS if day in hours.days]
    return {
        "daysOfWeek": days,
        "availableStartTime": hours.start.isoformat("seconds"),
        "availableEndTime": hours.end.isoformat("seconds"),
    }


def _exception(day: DayException) -> FhirJson:
    text = day.date.isoformat()
    made: FhirJson = {"description": "closed" if day.closed else "other hours", "during": {"start": text, "end": text}}
    if not day.closed:
        if day.start is None or day.end is None:
            raise InvalidFields("A day is closed or has a start and an end", expression="workSchedule.exceptions")
        times = (("start", day.start), ("end", day.end))
        inner = [{"url": name, "valueTime": value.isoformat("seconds")} for name, value in times]
        made["extension"] = [{"url": DAY_HOURS, "extension": inner}]
    return made


def _schedule(form: DoctorForm, content: FhirJson, keys: Keys, key: ResourceKey) -> FhirJson:
    content["id"] = key.id
    content["actor"] = [to(keys[0]), to(keys[1])]
    put(content, "specialty", [_specialty(each) for each in form.specialization])
    hours = form.work_schedule
    if hours is not None:
        zone_of(hours.timezone, "workSchedule.timezone")
        ours = (ZONE, SLOT_MINUTES, BUFFER_MINUTES)
        others = [each for each in content.get("extension", ()) if each.get("url") not in ours]
        content["extension"] = [
            {"url": ZONE, "valueCode": hours.timezone},
            {"url": SLOT_MINUTES, "valuePositiveInt": hours.slot_minutes},
            {"url": BUFFER_MINUTES, "valueUnsignedInt": hours.buffer_minutes},
            *others,
        ]
    return content


def _hours(role: FhirJson, schedule: FhirJson) -> WorkSchedule:
    """The hours of somebody; what another client wrote without a zone is in UTC."""
    extensions = {each.get("url"): each for each in schedule.get("extension", ())}
    return WorkSchedule(
        timezone=extensions.get(ZONE, {}).get("valueCode", "UTC"),
        slot_minutes=extensions.get(SLOT_MINUTES, {}).get("valuePositiveInt", 30),
        weekly=tuple(hours for each in role.get("availableTime", ()) if (hours := _weekly(each)) is not None),
        exceptions=tuple(day for each in role.get("notAvailable", ()) for day in _days(each)),
        buffer_minutes=extensions.get(BUFFER_MINUTES, {}).get("valueUnsignedInt", 0),
    )


def _weekly(available: Mapping[str, Any]) -> Hours | None:
    days = tuple(day for day in WEEKDAYS if day in available.get("daysOfWeek", WEEKDAYS))
    if available.get("allDay"):
        return Hours(days, time(0), time(0))
    start, end = available.get("availableStartTime"), available.get("availableEndTime")
    return None if start is None or end is None else Hours(days, time.fromisoformat(start), time.fromisoformat(end))


_LONGEST_ABSENCE = 400
"""Days of one absence that are looked at."""


def _days(absence: Mapping[str, Any]) -> list[DayException]:
    during = absence.get("during", {})
    start, end = during.get("start"), during.get("end") or during.get("start")
    if start is None or len(start) < 10 or len(end) < 10:
        return []
    low, high = date.fromisoformat(start[:10]), date.fromisoformat(end[:10])
    hours = next((each for each in absence.get("extension", ()) if each.get("url") == DAY_HOURS), None)
    if hours is not None:
        times = {each["url"]: time.fromisoformat(each["valueTime"]) for each in hours.get("extension", ())}
        return [DayException(low, start=times.get("start"), end=times.get("end"))]
    number = min((high - low).days, _LONGEST_ABSENCE)
    return [DayException(date.fromordinal(low.toordinal() + each), closed=True) for each in range(number + 1)]


def _contact(points: Sequence[Mapping[str, Any]]) -> Contact:
    other = tuple(each["value"] for each in points if each.get("system") not in ("phone", "email") and "value" in each)
    return Contact(telecom_of(points, "phone"), telecom_of(points, "email"), other)


def _qualification(content: Mapping[str, Any]) -> Qualification:
    start = content.get("period", {}).get("start")
    return Qualification(
        text_of(content.get("code")) or "", content.get("issuer", {}).get("display"), int(start[:4]) if start else None
    )
