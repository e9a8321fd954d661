"""Patient/$summary through HTTP: https://hl7.org/fhir/uv/ips/OperationDefinition-summary.html

What is in it is decided in `domain/operations/summary.py`.
"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type
from api.fhir.responses import bundle_reply
from api.fhir.service import Call, Service
from domain.operations.summary import summary as summary_of
from fhir_mapping.summary import Summaries


async def summary(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Patient/[id]/$summary"""
    require_type(call, "Patient")
    found = await summary_of(service.parts, Summaries(call.exchange.base_url), call.occasion, call.key)
    reply = bundle_reply(call.exchange, found.content)
    reply.targets, reply.patients = found.targets, (call.key.id,)
    return reply
