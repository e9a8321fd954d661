"""Elements that many friendly nouns are made of: https://hl7.org/fhir/R4/datatypes.html

Everything read here may have been written by any FHIR client: what is missing or of another form reads as absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from domain.errors import InvalidFields
from domain.identity import FhirJson, ResourceKey, parse_reference

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def put(content: FhirJson, name: str, value: Any) -> None:
    """Set an element, or leave it out: FHIR knows no empty ones."""
    if value or value == 0:
        content[name] = value
    else:
        content.pop(name, None)


def concept(text: str | None = None, *, system: str | None = None, code: str | None = None) -> FhirJson:
    """A CodeableConcept of a code, a text, or both: https://hl7.org/fhir/R4/datatypes.html#CodeableConcept"""
    made: FhirJson = {}
    if code is not None:
        made["coding"] = [{"system": system, "code": code} if system else {"code": code}]
    put(made, "text", text)
    return made


def text_of(concept: Mapping[str, Any] | None) -> str | None:
    """What a CodeableConcept is called: its text, else what its first coding displays, else that code."""
    if not concept:
        return None
    codings: Sequence[Mapping[str, Any]] = concept.get("coding", ())
    named = (value for each in codings for value in (each.get("display"), each.get("code")) if value)
    text: str | None = concept.get("text") or next(named, None)
    return text


def first(codings: Sequence[Mapping[str, Any]] | None, system: str) -> Mapping[str, Any]:
    """The first coding, identifier or contact point of a system; empty without one."""
    return next((each for each in codings or () if each.get("system") == system), {})


def to(key: ResourceKey | str) -> FhirJson:
    """A Reference to a resource here."""
    return {"reference": str(key)}


def reference(value: Mapping[str, Any] | None) -> ResourceKey | None:
    """What a Reference names, of here or elsewhere; `None` for one without a literal `Type/id`."""
    text = (value or {}).get("reference")
    literal = parse_reference(text) if isinstance(text, str) else None
    return None if literal is None else literal.key


def named(text: str, expression: str, *types: str) -> ResourceKey:
    """The resource a client names as `Practitioner/1`, or by its id where only one type is possible.

    Raises `InvalidFields` at `expression`.
    """
    literal = parse_reference(text if "/" in text or len(types) != 1 else f"{types[0]}/{text}")
    if literal is None or literal.base is not None or (types and literal.key.type not in types):
        raise InvalidFields(f"This is written as {' or '.join(f'{each}/1' for each in types)}", expression=expression)
    return literal.key


def instant(moment: datetime) -> str:
    """A moment as a FHIR dateTime or instant, to the second, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    """A FHIR date, dateTime or instant as a moment: one without a time is the start of its day, month or year in UTC."""
    if text is None:
        return None
    padded = text if len(text) > 10 else f"{text}{'-01-01'[len(text) - 10 :] if len(text) < 10 else ''}T00:00:00Z"
    return datetime.fromisoformat(padded.replace("Z", "+00:00"))


def day(text: str | None) -> date | None:
    """The day of a FHIR date or dateTime that is known to the day."""
    return date.fromisoformat(text[:10]) if text and len(text) >= 10 else None


def name_of(names: Sequence[Mapping[str, Any]] | None) -> tuple[str | None, str | None, str | None]:
    """Given names, family name and full text of the name in use: https://hl7.org/fhir/R4/datatypes.html#HumanName"""
    if not names:
        return None, None, None
    chosen = next((each for use in ("official", "usual") for each in names if each.get("use") == use), names[0])
    given, family = " ".join(chosen.get("given", ())) or None, chosen.get("family")
    text = chosen.get("text") or " ".join(each for each in (given, family) if each) or None
    return given, family, text


def telecom_of(points: Sequence[Mapping[str, Any]] | None, system: str) -> str | None:
    """The first phone number, address … of a system in use."""
    current = (each for each in points or () if each.get("system") == system and each.get("use") != "old")
    value: str | None = next((each.get("value") for each in current), None)
    return value


def labelled(content: FhirJson, labels: Sequence[str]) -> FhirJson:
    """The resource with these security labels (`system|code`) besides its own."""
    given = content.get("meta", {}).get("security", [])
    known = {f"{each.get('system', '')}|{each.get('code')}" for each in given}
    pairs = (each.split("|", 1) for each in dict.fromkeys(labels) if each not in known)
    added = [{"system": system, "code": code} if system else {"code": code} for system, code in pairs]
    return {**content, "meta": {**content.get("meta", {}), "security": [*given, *added]}} if added else content
