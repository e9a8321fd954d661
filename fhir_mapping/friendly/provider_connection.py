"""The provider of a patient as Organization and Endpoint: https://hl7.org/fhir/R4/endpoint.html

Both have the same id, made of the provider's name and address, so that all patients of a provider share them and nothing in
them tells of a patient. Who is connected with whom is said by the Patient alone, as a general practitioner.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from domain.clinic.provider_ports import Connection
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import put, reference, to

_OURS = re.compile(r"provider-[0-9a-f]{32}")
_TERMS = "http://terminology.hl7.org/CodeSystem"


class ProviderConnections:
    """Implements `domain.clinic.provider_connection.ProviderRecords`."""

    def organization_of(self, connection: Connection) -> str:
        """See `ProviderRecords.organization_of`."""
        name = f"{connection.name}|{connection.base}"
        return f"provider-{hashlib.sha256(name.encode()).hexdigest()[:32]}"

    def provider(self, connection: Connection) -> Sequence[FhirJson]:
        """See `ProviderRecords.provider`."""
        name = self.organization_of(connection)
        organization: FhirJson = {
            "resourceType": "Organization",
            "id": name,
            "active": True,
            "type": [{"coding": [{"system": f"{_TERMS}/organization-type", "code": "prov"}]}],
            "name": connection.name,
            "endpoint": [to(f"Endpoint/{name}")],
        }
        endpoint: FhirJson = {
            "resourceType": "Endpoint",
            "id": name,
            "status": "active",
            "connectionType": {"system": f"{_TERMS}/endpoint-connection-type", "code": "hl7-fhir-rest"},
            "name": connection.name,
            "managingOrganization": to(f"Organization/{name}"),
            "payloadType": [{"coding": [{"system": f"{_TERMS}/endpoint-payload-type", "code": "any"}]}],
            "payloadMimeType": ["application/fhir+json"],
            "address": connection.base,
        }
        return organization, endpoint

    def naming(self, patient: FhirJson, connection: Connection | None) -> FhirJson:
        """See `ProviderRecords.naming`."""
        wanted = None if connection is None else self.organization_of(connection)
        given: list[FhirJson] = patient.get("generalPractitioner", [])
        rows = [each for each in given if (of := ours(each)) is None or of == wanted]
        if connection is not None and wanted not in map(ours, rows):
            rows.append({**to(f"Organization/{wanted}"), "display": connection.name})
        content = dict(patient)
        put(content, "generalPractitioner", rows)
        return content


def ours(value: FhirJson) -> str | None:
    """The Organization a reference names, if it is the provider of a connection."""
    key = reference(value)
    return key.id if key is not None and key.type == "Organization" and _OURS.fullmatch(key.id) else None
