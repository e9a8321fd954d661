"""The International Patient Summary as a document Bundle: https://hl7.org/fhir/uv/ips/, https://hl7.org/fhir/R4/documents.html

A Composition first, then everything it refers to, each under its address here. The narratives are lists of names: what a
reader needs who cannot read codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from uuid import NAMESPACE_URL, uuid5

from domain.identity import FhirJson
from domain.operations.summary import Filled, Part, Section
from domain.revision import encode, instant
from fhir_mapping.friendly.elements import LOINC, name_of, text_of

EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
_NOT_WRONG = ("verification-status:not", "entered-in-error,refuted")
_ONGOING = ("clinical-status", "active,recurrence,relapse")
_LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
_VITAL = "http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"
SECTIONS: tuple[Section, ...] = (
    Section("11450-4", "Problems", (Part("Condition", (_ONGOING, _NOT_WRONG)),), required=True),
    Section("48765-2", "Allergies and intolerances", (Part("AllergyIntolerance", (_NOT_WRONG,)),), required=True),
    Section(
        "10160-0",
        "Medications",
        (
            Part("MedicationRequest", (("status", "active,on-hold"),)),
            Part("MedicationStatement", (("status", "active,intended,on-hold"),)),
        ),
        required=True,
    ),
    Section("11369-6", "Immunizations", (Part("Immunization", (("status", "completed"), ("_sort", "-date"))),)),
    Section("47519-4", "Procedures", (Part("Procedure", (("status", "completed,in-progress"), ("_sort", "-date"))),)),
    Section(
        "30954-2",
        "Results",
        (
            Part(
                "Observation",
                (("category", _LABORATORY), ("status", "final,amended,corrected"), ("_sort", "-date")),
                50,
            ),
        ),
    ),
    Section(
        "8716-3",
        "Vital signs",
        (Part("Observation", (("category", _VITAL), ("status", "final,amended,corrected"), ("_sort", "-date")), 20),),
    ),
    Section(
        "11348-0",
        "Past illnesses",
        (Part("Condition", (("clinical-status", "inactive,remission,resolved"), _NOT_WRONG)),),
    ),
)
_NAMES = ("code", "vaccineCode", "medicationCodeableConcept")


class Summaries:
    """Implements `domain.operations.summary.SummaryRecords`. `base` is under what references mean this server."""

    def __init__(self, base: str = "") -> None:
        self._base = base

    def sections(self) -> Sequence[Section]:
        """See `SummaryRecords.sections`."""
        return SECTIONS

    def document(
        self, patient: FhirJson, sections: Sequence[Filled], others: Sequence[FhirJson], *, id: str, now: datetime
    ) -> bytes:
        """See `SummaryRecords.document`."""
        author = _urn(f"{id}/author")
        composition = self._composition(patient, sections, author, now)
        device = {
            "resourceType": "Device",
            "id": "author",
            "deviceName": [{"name": "Chartvault", "type": "user-friendly-name"}],
        }
        resources = [patient, *(one for each in sections for one in each.resources), *others]
        entries = [
            {"fullUrl": _urn(f"{id}/composition"), "resource": composition},
            {"fullUrl": author, "resource": device},
            *(
                {"fullUrl": url, "resource": each}
                for url, each in {self._url(each): each for each in resources}.items()
            ),
        ]
        return encode(
            {
                "resourceType": "Bundle",
                "id": id,
                "identifier": {"system": "urn:ietf:rfc:3986", "value": _urn(id)},
                "type": "document",
                "timestamp": instant(now),
                "entry": entries,
            }
        )

    def _composition(self, patient: FhirJson, sections: Sequence[Filled], author: str, now: datetime) -> FhirJson:
        name = name_of(patient.get("name"))[2] or "a patient"
        return {
            "resourceType": "Composition",
            "id": "summary",
            "text": _narrative([f"Summary of {name}, {now.date().isoformat()}"]),
            "status": "final",
            "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
            "subject": {"reference": self._url(patient)},
            "date": instant(now),
            "author": [{"reference": author}],
            "title": "Patient summary",
            "section": [self._section(each) for each in sections],
        }

    def _section(self, filled: Filled) -> FhirJson:
        section = filled.section
        made: FhirJson = {
            "title": section.title,
            "code": {"coding": [{"system": LOINC, "code": section.code}]},
            "text": _narrative(
                [_name(each) for each in filled.resources] or [_ABSENT[filled.absence or "unavailable"]]
            ),
        }
        if filled.resources:
            made["entry"] = [{"reference": self._url(each)} for each in filled.resources]
        else:
            made["emptyReason"] = {"coding": [{"system": EMPTY, "code": filled.absence}]}
        return made

    def _url(self, resource: FhirJson) -> str:
        return f"{self._base}/{resource['resourceType']}/{resource['id']}"


_ABSENT = {"unavailable": "Nothing is recorded here", "withheld": "Not shown to whoever asked for this summary"}


def _name(resource: FhirJson) -> str:
    return next((text for name in _NAMES if (text := text_of(resource.get(name)))), resource["resourceType"])


def _narrative(lines: Sequence[str]) -> FhirJson:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{items}</ul></div>'}


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, name)}"
