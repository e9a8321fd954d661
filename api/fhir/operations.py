"""The `$operations` of the FHIR surface: https://hl7.org/fhir/R4/operations.html"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.fhir.headers import require_json
from api.fhir.responses import bundle_reply
from api.fhir.service import Call, Service
from domain.identity import FhirJson
from domain.interactions.read import read
from domain.operations.validate import validate as validate_content
from domain.revision import encode
from fhir_mapping.json_text import parse
from fhir_mapping.outcome import operation_outcome


async def validate(service: Service, call: Call) -> Reply:
    """POST [base]/[type]/$validate, POST [base]/[type]/[id]/$validate"""
    require_json(call.exchange)
    issues = await validate_content(service.parts, call.occasion, call.type, _resource(call.body))
    return bundle_reply(call.exchange, encode(operation_outcome(issues)))


async def validate_stored(service: Service, call: Call) -> Reply:
    """GET [base]/[type]/[id]/$validate: what is stored, checked again"""
    answer = await read(service.parts, call.occasion, call.key)
    issues = await validate_content(service.parts, call.occasion, call.type, answer.content or b"")
    reply = bundle_reply(call.exchange, encode(operation_outcome(issues)))
    reply.targets, reply.patients = answer.targets, answer.patients
    return reply


def _resource(body: bytes) -> bytes:
    """The resource to validate: the body, or the `resource` parameter of a Parameters body."""
    outer = parse(body)
    if not isinstance(outer, dict) or outer.get("resourceType") != "Parameters":
        return body
    parameters: list[FhirJson] = [p for p in outer.get("parameter", []) if isinstance(p, dict)]
    return next((encode(p["resource"]) for p in parameters if p.get("name") == "resource" and "resource" in p), body)
