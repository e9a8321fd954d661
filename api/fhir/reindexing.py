"""`$reindex` and the jobs it starts. The rule is in `domain/operations/reindex.py`.

Asynchronous like https://hl7.org/fhir/R4/async.html: 202 with the address of the job, which tells how far it is.
"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type
from api.fhir.responses import bundle_reply
from api.fhir.service import Call, Service
from domain.identity import FhirJson, ResourceKey
from domain.jobs import Job
from domain.operations import reindex as reindexing
from domain.revision import encode, instant


async def reindex(service: Service, call: Call) -> Reply:
    """POST [base]/$reindex: every type; POST [base]/SearchParameter/[id]/$reindex: those of one parameter"""
    key: ResourceKey | None = None
    if len(call.exchange.segments) == 3:
        require_type(call, "SearchParameter")
        key = call.key
    job = await reindexing.request(service.parts, call.occasion, service.jobs, service.custom, key)
    reply = bundle_reply(call.exchange, encode(_told(job)), status=202)
    reply.headers["content-location"] = f"{call.exchange.base_url}/$reindex/{job.id}"
    return reply


async def job(service: Service, call: Call) -> Reply:
    """GET [base]/$reindex/[job]: how far it is"""
    found = await reindexing.progress(call.occasion, service.jobs, call.exchange.segments[1])
    reply = bundle_reply(call.exchange, encode(_told(found)))
    if found.state in ("queued", "running"):
        reply.headers["x-progress"] = f"{found.state}, {found.done} of {found.total or '?'} resources"
        reply.headers["retry-after"] = "1"
    return reply


async def jobs(service: Service, call: Call) -> Reply:
    """GET [base]/SearchParameter/[id]/$reindex: whether this version of the parameter can be searched by"""
    require_type(call, "SearchParameter")
    found = await reindexing.readiness(service.parts, call.occasion, service.jobs, call.key)
    return bundle_reply(call.exchange, encode(_told(found)))


def _told(found: Job) -> FhirJson:
    """A job as a Parameters resource."""
    rows: list[FhirJson] = [{"name": "job", "valueId": found.id}, {"name": "status", "valueCode": found.state}]
    rows += [{"name": "type", "valueCode": name} for name in found.types]
    rows += [{"name": "done", "valueUnsignedInt": found.done}, {"name": "turn", "valueUnsignedInt": found.turn}]
    if found.total is not None:
        rows.append({"name": "total", "valueUnsignedInt": found.total})
    moments = {"created": found.created, "started": found.started, "updated": found.updated}
    rows += [{"name": name, "valueInstant": instant(at)} for name, at in moments.items() if at is not None]
    if found.problem is not None:
        rows.append({"name": "problem", "valueString": found.problem})
    return {"resourceType": "Parameters", "parameter": rows}
