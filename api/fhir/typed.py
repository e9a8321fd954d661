"""Interactions on a type: create and the conditional forms. https://hl7.org/fhir/R4/http.html#3.1.0 (type level)."""

from __future__ import annotations

from api.fhir import binary
from api.fhir.exchange import Reply
from api.fhir.headers import if_match, media_type, require_json
from api.fhir.responses import written_reply
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest
from domain.interactions import create as creating
from domain.interactions import delete as deleting
from domain.interactions import patch as patching
from domain.interactions import update as updating
from domain.interactions.conditions import pairs_of


async def create(service: Service, call: Call) -> Reply:
    """POST [base]/[type], with If-None-Exist for a conditional create"""
    if call.stream is not None:
        return await binary.create(service, call)
    require_json(call.exchange)
    if call.exchange.query and any(not name.startswith("_") for name, _ in call.exchange.pairs):
        raise InvalidRequest("Search parameters of a conditional create go into the If-None-Exist header")
    content = service.parts.validate.decode(call.body, call.type)
    condition = call.exchange.header(b"if-none-exist")
    pairs = pairs_of(condition) if condition is not None else None
    answer = await creating.create(service.parts, call.occasion, call.type, content, pairs)
    if call.type == "Binary":
        return await binary.written(service, call, answer)
    return written_reply(call.exchange, answer)


async def update(service: Service, call: Call) -> Reply:
    """PUT [base]/[type]?[search parameters]"""
    require_json(call.exchange)
    content = service.parts.validate.decode(call.body, call.type)
    pairs = pairs_of(call.exchange.query)
    answer = await updating.conditional_update(
        service.parts, call.occasion, call.type, content, pairs, if_match=if_match(call.exchange)
    )
    return written_reply(call.exchange, answer)


async def patch(service: Service, call: Call) -> Reply:
    """PATCH [base]/[type]?[search parameters]"""
    body = patching.PatchBody(call.body, media_type(call.exchange))
    pairs = pairs_of(call.exchange.query)
    answer = await patching.conditional_patch(
        service.parts, call.occasion, call.type, body, pairs, if_match=if_match(call.exchange)
    )
    return written_reply(call.exchange, answer)


async def delete(service: Service, call: Call) -> Reply:
    """DELETE [base]/[type]?[search parameters]"""
    answer = await deleting.conditional_delete(service.parts, call.occasion, call.type, pairs_of(call.exchange.query))
    return written_reply(call.exchange, answer)
