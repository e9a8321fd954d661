"""What this server can do: https://hl7.org/fhir/R4/capabilitystatement.html, served at `/metadata`

Written from the element tables and from the search parameters that are handed in, so that it cannot promise what is not
there. The same for every caller; the only thing that varies is the address, so its bytes are kept per address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from domain.audit import READ_ONLY
from domain.identity import FhirJson
from domain.revision import encode, instant
from fhir_mapping.patches import PATCH_FORMATS
from fhir_mapping.tables import RESOURCE_TYPES

FHIR_VERSION = "4.0.1"
FORMATS = ("application/fhir+json", "json")
TYPE_INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system", "search-system")
_DEFINITION = "http://hl7.org/fhir/OperationDefinition/"
_SCHEDULING = "https://profiles.ihe.net/ITI/Scheduling/OperationDefinition/"
EVERY_TYPE = (("validate", f"{_DEFINITION}Resource-validate"),)
REINDEX = "urn:chartvault:OperationDefinition:reindex"
"""Our own: R4 defines no operation that makes an index again."""
OPERATIONS: Mapping[str, Sequence[tuple[str, str]]] = {
    "Appointment": (
        ("book", f"{_SCHEDULING}appointment-book"),
        ("find", f"{_SCHEDULING}appointment-find"),
        ("hold", f"{_SCHEDULING}appointment-hold"),
    ),
    "DocumentReference": (("docref", "http://hl7.org/fhir/us/core/OperationDefinition/docref"),),
    "Patient": (
        ("everything", f"{_DEFINITION}Patient-everything"),
        ("match", f"{_DEFINITION}Patient-match"),
        ("summary", "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
    ),
    "Observation": (("lastn", f"{_DEFINITION}Observation-lastn"),),
    "SearchParameter": (("reindex", REINDEX),),
}
"""Operations of single types, each with the canonical URL of its definition."""
COMPARTMENTS = ("patient", "encounter", "practitioner", "relatedPerson", "device")
OAUTH_ENDPOINTS = ("authorize", "token", "register", "introspect", "revoke")
MAX_ADDRESSES = 16


class ParameterRow(NamedTuple):
    """A search parameter as clients see it: `type` is a SearchParamType code, `definition` its canonical URL, `targets`
    the types of what can be included by it."""

    name: str
    type: str
    definition: str | None = None
    targets: Sequence[str] = ()


class Capabilities:
    """The CapabilityStatement of one running release.

    `release` is the version of the software, `built` when it was built (the statement's date), `parameters` maps
    resource types to what can be searched in them.
    """

    def __init__(
        self,
        *,
        release: str,
        built: datetime,
        parameters: Mapping[str, Sequence[ParameterRow]],
        types: Sequence[str] = RESOURCE_TYPES,
    ) -> None:
        self._release = release
        self._built = instant(built)
        pointing = _pointing(parameters)
        self._resources = [_resource(name, parameters.get(name, ()), pointing.get(name, ())) for name in types]
        self._bodies: dict[str, bytes] = {}

    def body(self, base: str) -> bytes:
        """The statement for the FHIR base address `base`, as JSON."""
        body = self._bodies.get(base)
        if body is None:
            body = encode(self._statement(base))
            if (
                len(self._bodies) < MAX_ADDRESSES
            ):  # addresses may come from clients (Host): never keep them without bound
                self._bodies[base] = body
        return body

    def _statement(self, base: str) -> FhirJson:
        return {
            "resourceType": "CapabilityStatement",
            "name": "Chartvault",
            "title": "Chartvault FHIR R4 server",
            "status": "active",
            "date": self._built,
            "kind": "instance",
            "software": {"name": "Chartvault", "version": self._release, "releaseDate": self._built},
            "implementation": {"description": "FHIR R4 document store", "url": base},
            "fhirVersion": FHIR_VERSION,
            "format": list(FORMATS),
            "patchFormat": list(PATCH_FORMATS),
            "rest": [
                {
                    "mode": "server",
                    "security": _security(base),
                    "resource": self._resources,
                    "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                    "operation": [{"name": "reindex", "definition": REINDEX}],
                    "compartment": [f"http://hl7.org/fhir/CompartmentDefinition/{name}" for name in COMPARTMENTS],
                }
            ],
        }


def _security(base: str) -> FhirJson:
    """How to get a token, as clients older than `.well-known/smart-configuration` look for it.

    https://hl7.org/fhir/smart-app-launch/STU1/conformance/index.html#using-cs
    """
    url = urlsplit(base)
    root = base.removesuffix("/fhir") if base.endswith("/fhir") else f"{url.scheme}://{url.netloc}"
    system = "http://terminology.hl7.org/CodeSystem/restful-security-service"
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": name, "valueUri": f"{root}/oauth/{name}"} for name in OAUTH_ENDPOINTS],
            }
        ],
        "service": [{"coding": [{"system": system, "code": "SMART-on-FHIR"}], "text": "OAuth 2.0, SMART App Launch 2"}],
        "description": "Every request but this one needs a signed bearer token.",
    }


def _pointing(parameters: Mapping[str, Sequence[ParameterRow]]) -> dict[str, list[str]]:
    """For each type the parameters (`Observation:subject`) that may point at it."""
    found: dict[str, list[str]] = {}
    for source, rows in parameters.items():
        for row in rows:
            for target in row.targets:
                found.setdefault(target, []).append(f"{source}:{row.name}")
    return found


def _resource(name: str, parameters: Sequence[ParameterRow], pointing: Sequence[str]) -> FhirJson:
    if name == READ_ONLY:
        return _read_only(parameters)
    row: FhirJson = {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        "interaction": [{"code": code} for code in TYPE_INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical"],
    }
    if parameters:
        row["searchParam"] = [_parameter(parameter) for parameter in parameters]
        references = [parameter.name for parameter in parameters if parameter.targets]
        row["searchInclude"] = ["*", *(f"{name}:{code}" for code in references)]
    if pointing:
        row["searchRevInclude"] = list(pointing)
    operations = (*EVERY_TYPE, *OPERATIONS.get(name, ()))
    row["operation"] = [{"name": code, "definition": definition} for code, definition in operations]
    return row


def _read_only(parameters: Sequence[ParameterRow]) -> FhirJson:
    """What was recorded: read and searched, never written."""
    row: FhirJson = {
        "type": READ_ONLY,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{READ_ONLY}",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "operation": [{"name": code, "definition": definition} for code, definition in EVERY_TYPE],
    }
    return row | ({"searchParam": [_parameter(parameter) for parameter in parameters]} if parameters else {})


def _parameter(parameter: ParameterRow) -> FhirJson:
    row = {"name": parameter.name, "type": parameter.type}
    if parameter.definition is not None:
        row["definition"] = parameter.definition
    return row
