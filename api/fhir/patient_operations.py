"""`Observation/$lastn` and `Patient/$match` through HTTP; their rules are in `domain/operations`.

https://hl7.org/fhir/R4/observation-operation-lastn.html, https://hl7.org/fhir/R4/patient-operation-match.html
"""

from __future__ import annotations

import msgspec

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type, row, searchset_reply
from api.fhir.operation_input import count_of, pairs_of, require_known, rows_of
from api.fhir.searching import self_url
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest
from domain.operations import lastn as newest_ones
from domain.operations import match as matching


async def lastn(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Observation/$lastn"""
    require_type(call, "Observation")
    pairs = pairs_of(call)
    most = count_of(service, dict(pairs).get("max"), name="max", default=1)
    conditions = [pair for pair in pairs if pair[0] not in ("max", "_format", "_pretty")]
    if not any(name.partition(":")[0].partition(".")[0] in ("patient", "subject") for name, _ in conditions):
        raise InvalidRequest("$lastn needs 'patient' or 'subject'", code="required", expression="patient")
    parsed = service.parts.search.parse("Observation", conditions, strict=True)
    entries = await newest_ones.lastn(service.parts, call.occasion, parsed.query, most)
    url = self_url(f"{call.exchange.base_url}/Observation/$lastn", pairs)
    return searchset_reply(call, url, [row(call, entry) for entry in entries], entries, total=len(entries))


async def match(service: Service, call: Call) -> Reply:
    """POST [base]/Patient/$match"""
    require_type(call, "Patient")
    rows = {str(row["name"]): row for row in rows_of(call)}
    require_known([(name, "") for name in rows], {"resource", "onlyCertainMatches", "count"})
    patient = rows.get("resource", {}).get("resource")
    if not isinstance(patient, dict) or patient.get("resourceType") != "Patient":
        raise InvalidRequest("$match needs a Patient in 'resource'", code="required", expression="Parameters.parameter")
    service.parts.validate.check(patient)
    number = rows.get("count", {}).get("valueInteger")
    found = await matching.match(
        service.parts,
        call.occasion,
        patient,
        only_certain=rows.get("onlyCertainMatches", {}).get("valueBoolean") is True,
        count=count_of(service, None if number is None else str(number), name="count", default=service.limits.page),
    )
    entries = [each.entry for each in found]
    graded = [msgspec.structs.replace(row(call, each.entry), score=each.score, grade=each.grade) for each in found]
    url = f"{call.exchange.base_url}/Patient/$match"
    return searchset_reply(call, url, graded, entries, total=len(found))
