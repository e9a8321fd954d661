"""DocumentReference/$docref: a patient's documents, found by care and kind.

http://hl7.org/fhir/us/core/OperationDefinition/docref. Parameters `patient` (required), `start` and `end` of the care the
documents tell of, `type`. Without dates it is the most recent document of the type that is asked for. Documents are never
made on demand: what is here is the answer. The matches are those of a search, with everything access narrows it by.
"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type
from api.fhir.operation_input import require_known, rows_of
from api.fhir.scopes import of_type
from api.fhir.searching import PAGE, search_pairs
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest
from domain.identity import FhirJson

SUMMARY = "http://loinc.org|34133-9"
"""Summary of episode note: what is asked for when no type is, as the operation says."""
_PARAMETERS = frozenset({"patient", "start", "end", "type", "on-demand", "profile", "_count"})


async def docref(service: Service, call: Call) -> Reply:
    """GET, POST [base]/DocumentReference/$docref"""
    require_type(call, "DocumentReference")
    pairs = [*call.exchange.pairs, *((str(row["name"]), _text(row)) for row in rows_of(call))]
    if PAGE in dict(pairs):
        return await search_pairs(service, call, of_type(call), pairs)
    given = require_known(pairs, _PARAMETERS)
    if not given.get("patient"):
        raise InvalidRequest("$docref needs 'patient'", code="required", expression="patient")
    if given.get("on-demand") == "true":
        raise InvalidRequest("Documents are not made on demand", code="not-supported", expression="on-demand")
    patient = given["patient"]
    asked = [("patient", patient if "/" in patient else f"Patient/{patient}"), ("status", "current")]
    asked.append(("type", given.get("type") or SUMMARY))
    asked += [
        ("period", f"{prefix}{given[name]}") for name, prefix in (("start", "ge"), ("end", "le")) if name in given
    ]
    if "start" not in given and "end" not in given:
        asked += [("_sort", "-date"), ("_count", "1")]
    elif "_count" in given:
        asked.append(("_count", given["_count"]))
    return await search_pairs(service, call, of_type(call), asked)


def _text(row: FhirJson) -> str:
    """A parameter of the body as a search value. Raises `InvalidRequest` for a kind it cannot be."""
    name, value = next(((name, value) for name, value in row.items() if name.startswith("value")), ("", None))
    if name == "valueCodeableConcept" and isinstance(value, dict):
        value = next(iter(value.get("coding", ())), None)
    if name in ("valueCodeableConcept", "valueCoding") and isinstance(value, dict):
        return f"{value.get('system', '')}|{value.get('code', '')}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise InvalidRequest("This operation takes simple values and codes", expression="Parameters.parameter")
    return value
