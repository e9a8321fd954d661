"""The patch interaction's documents: https://hl7.org/fhir/R4/http.html#patch

Which format a body is in, and what no patch may change whatever its format. The input is never touched: a patch yields
a new resource, which the caller checks like any other. XML Patch is not read, since this server has no XML.
"""

from __future__ import annotations

from typing import Any

from domain.errors import InvalidRequest, UnsupportedMedia
from domain.identity import FhirJson
from fhir_mapping.fhirpath_patch import apply_fhirpath_patch
from fhir_mapping.json_patch import apply_json_patch
from fhir_mapping.json_text import hidden_problems, parse
from fhir_mapping.problems import issues_of

JSON_PATCH = "application/json-patch+json"
FHIR_JSON = frozenset({"application/fhir+json", "application/json"})
PATCH_FORMATS = (JSON_PATCH, "application/fhir+json")


class PatchDocuments:
    """Implements `domain.ports.Patches` for JSON Patch and FHIRPath Patch."""

    def apply(self, content: FhirJson, body: bytes, media_type: str) -> FhirJson:
        """The patched copy.

        `id` and `resourceType` must come out as they went in; `meta.versionId` and `meta.lastUpdated` may be dropped
        (the server sets them) but not set to something else: `InvalidRequest` names the element.
        """
        kind = media_type.partition(";")[0].strip().lower()
        if kind == JSON_PATCH:
            patched = apply_json_patch(content, _parse(body))
        elif kind in FHIR_JSON:
            patched = self._fhirpath_patch(content, body, kind)
        else:
            raise UnsupportedMedia(f"A patch is {' or '.join(PATCH_FORMATS)}")
        _require_same_resource(content, patched)
        return patched

    def _fhirpath_patch(self, content: FhirJson, body: bytes, kind: str) -> FhirJson:
        parameters = _parse(body)
        if type(parameters) is not dict or parameters.get("resourceType") != "Parameters":
            # A partial resource sent as application/json asks for a merge patch, which is not FHIR R4.
            raise UnsupportedMedia(f"As {kind} a patch is a Parameters resource (FHIRPath Patch)")
        return apply_fhirpath_patch(content, parameters)


def _parse(body: bytes) -> Any:
    value = parse(body)
    problems = hidden_problems(body, value)
    if problems:
        raise InvalidRequest("The patch is not clean JSON", issues=issues_of(problems, "Patch"))
    return value


def _require_same_resource(before: FhirJson, after: FhirJson) -> None:
    name = str(before.get("resourceType", "Resource"))
    for element in ("resourceType", "id"):
        if after.get(element) != before.get(element):
            raise InvalidRequest(f"A patch cannot change {name}.{element}", expression=f"{name}.{element}")
    old, new = before.get("meta"), after.get("meta")
    if type(new) is not dict:
        return
    for element in ("versionId", "lastUpdated"):
        if element in new and (type(old) is not dict or new[element] != old.get(element)):
            raise InvalidRequest(f"A patch cannot change {name}.meta.{element}", expression=f"{name}.meta.{element}")
