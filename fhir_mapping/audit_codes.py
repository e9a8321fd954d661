"""The codes of audit events: which interaction is which event, and how IHE BALP tells its agents apart.

https://hl7.org/fhir/R4/valueset-audit-event-type.html, https://profiles.ihe.net/ITI/BALP/, DICOM part 16 context groups 400
to 403. Interactions that no one has a code for stand under a system of our own.
"""

from __future__ import annotations

from typing import NamedTuple

from domain.identity import FhirJson

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
ENTITY_TYPE = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
EVENT = "http://terminology.hl7.org/CodeSystem/audit-event-type"
RESTFUL = "http://hl7.org/fhir/restful-interaction"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CUSTODIAN = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
MASKED = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
INTERACTION = "urn:chartvault:interaction"
ROLE, ACCOUNT, CLIENT = "urn:chartvault:role", "urn:chartvault:account", "urn:chartvault:client"

RESTFUL_CODES = frozenset(
    {
        *(
            "read",
            "vread",
            "update",
            "patch",
            "delete",
            "create",
            "search-type",
            "search-system",
            "transaction",
            "batch",
        ),
        *("history-instance", "history-type", "history-system", "operation", "capabilities"),
    }
)
SECURITY: dict[str, tuple[str, str]] = {
    "login": ("110114", "110122"),
    "logout": ("110114", "110123"),
    "break-glass": ("110113", "110127"),
}
"""Interactions that DICOM has names for: event and subtype. https://dicom.nema.org/medical/dicom/current/output/chtml/part16/chapter_D.html"""


class Pattern(NamedTuple):
    """How BALP tells the two machines and the person of an interaction apart: system and code of each."""

    profile: str
    client: tuple[str, str]
    server: tuple[str, str]
    user: tuple[str, str]


_SOURCE, _DESTINATION = (DICOM, "110153"), (DICOM, "110152")
_RECIPIENT, _AUTHOR = (PARTICIPATION, "IRCP"), (PARTICIPATION, "AUT")
_READ = Pattern("Read", _DESTINATION, _SOURCE, _RECIPIENT)
_UPDATE = Pattern("Update", _SOURCE, _DESTINATION, _AUTHOR)
QUERY = Pattern("Query", _SOURCE, _DESTINATION, _RECIPIENT)
OTHER = Pattern("", _SOURCE, _DESTINATION, _RECIPIENT)
PATTERNS: dict[str, Pattern] = {
    "read": _READ,
    "vread": _READ,
    "create": Pattern("Create", _SOURCE, _DESTINATION, _AUTHOR),
    "update": _UPDATE,
    "patch": _UPDATE,
    "delete": Pattern("Delete", (DICOM, "110150"), (CUSTODIAN, "custodian"), _AUTHOR),
    "search-type": QUERY,
    "search-system": QUERY,
    "transaction": Pattern("", _SOURCE, _DESTINATION, _AUTHOR),
    "history-instance": _READ._replace(profile=""),
    "history-type": _READ._replace(profile=""),
    "history-system": _READ._replace(profile=""),
}


def interactions_of(system: str | None, code: str) -> tuple[str, ...]:
    """The interactions a `subtype` token means; none for a code of another system."""
    if system in (None, DICOM):
        named = tuple(name for name, (_, subtype) in SECURITY.items() if subtype == code)
        if named:
            return named
    return (code,) if system in (None, RESTFUL if code in RESTFUL_CODES else INTERACTION) else ()


def kind_of(interaction: str) -> tuple[str, str, FhirJson]:
    """System and code of the event, and its subtype."""
    if interaction in SECURITY:
        event, subtype = SECURITY[interaction]
        return DICOM, event, {"system": DICOM, "code": subtype}
    return EVENT, "rest", {"system": RESTFUL if interaction in RESTFUL_CODES else INTERACTION, "code": interaction}
