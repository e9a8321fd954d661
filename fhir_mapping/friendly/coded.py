"""Codes, notes and days of chart entries as FHIR elements and back: https://hl7.org/fhir/R4/datatypes.html"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from domain.clinic.chart import Code
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.elements import concept, day, reference


def coded(text: str, code: Code | None, base: Mapping[str, Any] | None = None) -> FhirJson:
    """A text with its code. What `base` says stays as it is where it says the same, further codings included."""
    if base and base.get("text") == text and (code is None or _has(base, code)):
        return dict(base)
    return concept(text, system=code.system if code else None, code=code.code if code else None)


def code_of(value: Mapping[str, Any] | None) -> Code | None:
    """The first complete coding of a concept."""
    found = ((each.get("system"), each.get("code")) for each in (value or {}).get("coding", ()))
    return next((Code(system=system, code=code) for system, code in found if system and code), None)


def single(system: str, code: str) -> FhirJson:
    """A concept of one code of a FHIR code system."""
    return {"coding": [{"system": system, "code": code}]}


def code_in(value: Mapping[str, Any] | None, system: str) -> str | None:
    """The code of a concept in one code system."""
    codings = (value or {}).get("coding", ())
    found: str | None = next((each.get("code") for each in codings if each.get("system") == system), None)
    return found


def note(text: str | None) -> list[FhirJson]:
    """https://hl7.org/fhir/R4/datatypes.html#Annotation"""
    return [] if text is None else [{"text": text}]


def note_of(notes: Sequence[Mapping[str, Any]] | None) -> str | None:
    return "\n".join(text for each in notes or () if (text := each.get("text"))) or None


def day_text(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def started(content: Mapping[str, Any], name: str) -> date | None:
    """The day of `nameDateTime`, or on which `namePeriod` began."""
    text = content.get(f"{name}DateTime") or content.get(f"{name}Period", {}).get("start")
    return day(text) if isinstance(text, str) else None


def patient_of(value: Mapping[str, Any] | None) -> str | None:
    """The id of the Patient a Reference names."""
    key: ResourceKey | None = reference(value)
    return key.id if key is not None and key.type == "Patient" else None


def put_day(content: FhirJson, name: str, value: date | None) -> None:
    """Set `nameDateTime`, unless what is there is the same day said more precisely. Other forms of it give way."""
    if value is not None and started(content, name) == value:
        return
    for form in ("DateTime", "Age", "Period", "Range", "String"):
        content.pop(f"{name}{form}", None)
    if value is not None:
        content[f"{name}DateTime"] = value.isoformat()


def _has(concept: Mapping[str, Any], code: Code) -> bool:
    return any((each.get("system"), each.get("code")) == (code.system, code.code) for each in concept.get("coding", ()))
