"""Interactions on one resource: https://hl7.org/fhir/R4/http.html#3.1.0 (instance level)."""

from __future__ import annotations

import msgspec

from api.fhir import binary
from api.fhir.exchange import Reply
from api.fhir.headers import if_match, known, media_type, require_json
from api.fhir.responses import resource_reply, written_reply
from api.fhir.service import Call, Service
from domain.interactions.binaries import inlined
from domain.interactions.delete import delete as delete_resource
from domain.interactions.patch import PatchBody
from domain.interactions.patch import patch as patch_resource
from domain.interactions.read import read as read_resource
from domain.interactions.update import require_id
from domain.interactions.update import update as update_resource
from domain.interactions.vread import vread as read_version


async def read(service: Service, call: Call) -> Reply:
    """GET [base]/[type]/[id]"""
    if call.type == "Binary":
        return await binary.read(service, call)
    answer = await read_resource(service.parts, call.occasion, call.key, known(call.exchange))
    if call.exchange.query and answer.content is not None and call.exchange.parameter("_attachments") == "inline":
        content = await inlined(service.parts, call.occasion, answer.content)
        answer = msgspec.structs.replace(answer, content=content)
    return resource_reply(call.exchange, answer)


async def vread(service: Service, call: Call) -> Reply:
    """GET [base]/[type]/[id]/_history/[vid]"""
    if call.type == "Binary":
        return await binary.vread(service, call)
    answer = await read_version(service.parts, call.occasion, call.key, call.exchange.segments[3])
    return resource_reply(call.exchange, answer)


async def update(service: Service, call: Call) -> Reply:
    """PUT [base]/[type]/[id]"""
    if call.stream is not None:
        return await binary.update(service, call)
    require_json(call.exchange)
    content = service.parts.validate.decode(call.body, call.type)
    require_id(content, call.key)
    answer = await update_resource(
        service.parts,
        call.occasion,
        call.key,
        content,
        if_match=if_match(call.exchange),
        if_none_match=call.exchange.header(b"if-none-match") == "*",
    )
    if call.type == "Binary":
        return await binary.written(service, call, answer)
    return written_reply(call.exchange, answer)


async def patch(service: Service, call: Call) -> Reply:
    """PATCH [base]/[type]/[id]"""
    body = PatchBody(call.body, media_type(call.exchange))
    answer = await patch_resource(service.parts, call.occasion, call.key, body, if_match=if_match(call.exchange))
    return written_reply(call.exchange, answer)


async def delete(service: Service, call: Call) -> Reply:
    """DELETE [base]/[type]/[id]"""
    answer = await delete_resource(service.parts, call.occasion, call.key, if_match=if_match(call.exchange))
    return written_reply(call.exchange, answer)
