"""A patient's card as a Patient and back: https://hl7.org/fhir/R4/patient.html

A change touches what it says: other names, addresses and numbers that FHIR clients wrote stay where they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from msgspec import UNSET

from domain.clinic.patient_cards import (
    EXTERNAL,
    Address,
    Contact,
    ContactPoint,
    ExternalId,
    PatientCard,
    PatientForm,
    Provider,
)
from domain.errors import InvalidFields
from domain.identity import FhirJson
from fhir_mapping.friendly import coded
from fhir_mapping.friendly.elements import day, name_of, put, reference, telecom_of, to
from fhir_mapping.friendly.provider_connection import ours


class Patients:
    """Implements `domain.clinic.patient_cards.PatientRecords`."""

    type = "Patient"

    def to_fhir(self, form: PatientForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `PatientRecords.to_fhir`."""
        content: FhirJson = copy.deepcopy(base) if base else {"resourceType": "Patient", "active": True}
        _name(content, form)
        if form.date_of_birth is not UNSET:
            if form.date_of_birth is not None and form.date_of_birth > now.date():
                raise InvalidFields("Nobody is born in the future", expression="dateOfBirth")
            put(content, "birthDate", coded.day_text(form.date_of_birth))
        if form.gender is not UNSET:
            put(content, "gender", form.gender)
        if form.address is not UNSET and form.address != address_of(content):
            rest = [each for each in content.get("address", ()) if each is not _address(content)]
            put(content, "address", [*([_addressed(form.address)] if form.address else []), *rest])
        if form.contact is not UNSET and (form.contact or Contact()) != contact_of(content):
            put(content, "telecom", _telecom(form.contact or Contact(), content))
        if form.external_ids is not UNSET and (form.external_ids or ()) != external_ids_of(content):
            rest = [each for each in content.get("identifier", ()) if _external(each) is None]
            put(content, "identifier", [*rest, *map(_identifier, form.external_ids or ())])
        _responsible(content, form)
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> PatientCard:
        """See `PatientRecords.from_fhir`."""
        given, family, text = name_of(content.get("name"))
        practitioners = _providers(content, "Practitioner")
        return PatientCard(
            id=content["id"],
            version=version,
            updated_at=updated,
            first_name=given,
            last_name=family,
            full_name=text,
            date_of_birth=day(content.get("birthDate")),
            gender=content.get("gender"),
            address=address_of(content),
            contact=contact_of(content),
            primary_provider=provider_of(content),
            practitioners=tuple(practitioners),
            external_ids=external_ids_of(content),
        )

    def assigned(self, content: FhirJson, *, organization: str | None, practitioner: str | None) -> FhirJson:
        """See `PatientRecords.assigned`."""
        content = dict(content)
        if organization is not None and "managingOrganization" not in content:
            content["managingOrganization"] = to(organization)
        named = [each.get("reference") for each in content.get("generalPractitioner", ())]
        if practitioner is not None and practitioner not in named:
            content["generalPractitioner"] = [*content.get("generalPractitioner", ()), to(practitioner)]
        return content


def address_of(content: FhirJson) -> Address | None:
    """The address in use."""
    found = _address(content)
    if found is None:
        return None
    return Address(
        line=tuple(found.get("line", ())) or ((found["text"],) if "text" in found and "city" not in found else ()),
        city=found.get("city"),
        state=found.get("state"),
        postal_code=found.get("postalCode"),
        country=found.get("country"),
    )


def contact_of(content: FhirJson) -> Contact:
    """How to reach the patient: the first phone number and mail address in use, and everything else."""
    points: list[dict[str, Any]] = content.get("telecom", [])
    first = _first_points(points)
    rest = [each for each in points if not any(each is one for one in first.values()) and each.get("value")]
    known = ("phone", "fax", "email", "pager", "url", "sms")
    return Contact(
        phone=telecom_of(points, "phone"),
        email=telecom_of(points, "email"),
        other=tuple(
            ContactPoint(
                system=cast("Any", each["system"]) if each.get("system") in known else "other", value=each["value"]
            )
            for each in rest
            if each.get("use") != "old"
        ),
    )


def provider_of(content: FhirJson) -> Provider | None:
    """The primary healthcare provider, its name as the reference displays it."""
    for each in content.get("generalPractitioner", ()):
        key = reference(each)
        if key is not None and key.type == "Organization":
            return Provider(id=key.id, name=each.get("display"))
    return None


def external_ids_of(content: FhirJson) -> tuple[ExternalId, ...]:
    """How other systems call the patient."""
    found = (_external(each) for each in content.get("identifier", ()))
    return tuple(each for each in found if each is not None)


def system_of(system: str) -> str:
    """The system of an identifier as FHIR has it."""
    return system if ":" in system else f"{EXTERNAL}{system}"


def _name(content: FhirJson, form: PatientForm) -> None:
    names: list[dict[str, Any]] = content.get("name", [])
    given, family, text = name_of(names)
    wanted = [
        (form.first_name, given), (form.last_name, family), (form.full_name, text),
    ]  # fmt: skip
    if all(said is UNSET or said == known for said, known in wanted):
        if not names:
            raise InvalidFields("A patient has a lastName, a firstName or a fullName", expression="lastName")
        return
    first, last = (known if said is UNSET else said for said, known in wanted[:2])
    name: FhirJson = {"use": "official"}
    put(name, "family", last)
    put(name, "given", first.split() if first else None)
    put(name, "text", None if form.full_name is UNSET else form.full_name)
    if len(name) == 1:
        raise InvalidFields("A patient has a lastName, a firstName or a fullName", expression="lastName")
    others = [each for each in names if each.get("use") not in (None, "official", "usual")]
    content["name"] = [name, *others]


def _address(content: FhirJson) -> dict[str, Any] | None:
    rows: list[dict[str, Any]] = content.get("address", [])
    return next((each for each in rows if each.get("use") != "old"), None)


def _addressed(said: Address) -> FhirJson:
    made: FhirJson = {"use": "home"}
    put(made, "line", list(said.line))
    for name, value in (
        ("city", said.city), ("state", said.state), ("postalCode", said.postal_code), ("country", said.country),
    ):  # fmt: skip
        put(made, name, value)
    return made


def _first_points(points: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in points:
        system = each.get("system")
        if system in ("phone", "email") and each.get("use") != "old" and each.get("value"):
            found.setdefault(system, each)
    return found


def _telecom(said: Contact, content: FhirJson) -> list[FhirJson]:
    """The contact as said; what there is of the same number keeps its use and period, old numbers stay."""
    points: list[FhirJson] = content.get("telecom", [])
    known = {(each.get("system"), each.get("value")): each for each in points}
    wanted = [("phone", said.phone), ("email", said.email), *((each.system, each.value) for each in said.other)]
    made = [known.get((s, v), {"system": s, "value": v.strip()}) for s, v in wanted if v is not None]
    return [*made, *(each for each in points if each.get("use") == "old")]


def _external(identifier: Mapping[str, Any]) -> ExternalId | None:
    system, value = identifier.get("system"), identifier.get("value")
    if not system or not value or identifier.get("use") == "old":
        return None
    return ExternalId(system=system.removeprefix(EXTERNAL), value=value)


def _identifier(said: ExternalId) -> FhirJson:
    return {"system": system_of(said.system), "value": said.value}


def _providers(content: FhirJson, kind: str) -> list[str]:
    keys = (reference(each) for each in content.get("generalPractitioner", ()))
    return [key.id for key in keys if key is not None and key.type == kind]


def _responsible(content: FhirJson, form: PatientForm) -> None:
    """The primary provider and who treats the patient: both are general practitioners to FHIR. The provider of a connection is
    named as long as that lasts."""
    rows: list[FhirJson] = content.get("generalPractitioner", [])
    if form.primary_provider is not UNSET:
        current, wanted = provider_of(content), form.primary_provider
        if (current and current.id) != (wanted and wanted.id):
            rows = [
                each for each in rows if ours(each) or (key := reference(each)) is None or key.type != "Organization"
            ]
            rows = [*([to(f"Organization/{wanted.id}")] if wanted else []), *rows]
    if form.practitioners is not UNSET and list(form.practitioners or ()) != _providers(content, "Practitioner"):
        rows = [each for each in rows if (key := reference(each)) is None or key.type != "Practitioner"]
        rows = [*rows, *(to(f"Practitioner/{each}") for each in form.practitioners or ())]
    put(content, "generalPractitioner", rows)
