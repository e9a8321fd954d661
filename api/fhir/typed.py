"""Interactions on a type: create, search and the conditional forms. https://hl7.org/fhir/R4/http.html#3.1.0 (type level)."""

from __future__ import annotations

from api.fhir.exchange import Reply, pairs_in
from api.fhir.headers import if_match, media_type, require_json
from api.fhir.responses import written_reply
from api.fhir.searching import search_pairs
from api.fhir.service import Call, Service
from domain.errors import InvalidRequest, UnsupportedMedia
from domain.interactions import create as creating
from domain.interactions import delete as deleting
from domain.interactions import patch as patching
from domain.interactions import update as updating
from domain.interactions.conditions import pairs_of


async def create(service: Service, call: Call) -> Reply:
    """POST [base]/[type], with If-None-Exist for a conditional create"""
    require_json(call.exchange)
    if call.exchange.query and any(not name.startswith("_") for name, _ in call.exchange.pairs):
        raise InvalidRequest("Search parameters of a conditional create go into the If-None-Exist header")
    content = service.parts.validate.decode(call.body, call.type)
    condition = call.exchange.header(b"if-none-exist")
    pairs = pairs_of(condition) if condition is not None else None
    answer = await creating.create(service.parts, call.occasion, call.type, content, pairs)
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


async def search(service: Service, call: Call) -> Reply:
    """GET [base]/[type]?[parameters]"""
    return await search_pairs(service, call, call.exchange.pairs)


async def search_by_post(service: Service, call: Call) -> Reply:
    """POST [base]/[type]/_search, parameters in the form body (and the URL)"""
    kind = media_type(call.exchange)
    if kind not in ("application/x-www-form-urlencoded", ""):
        raise UnsupportedMedia("A search by POST has a form body: application/x-www-form-urlencoded")
    try:
        posted = pairs_in(call.body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8", code="value") from error
    return await search_pairs(service, call, [*call.exchange.pairs, *posted])
