"""Batch and transaction: https://hl7.org/fhir/R4/http.html#transaction

A batch sends each entry through the same routes as a request of its own, several at a time. A transaction is one write in
the domain; its GET entries go through the routes after the commit, so that they see what it wrote.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from api.fhir.exchange import Exchange, Reply
from api.fhir.headers import preference, require_json
from api.fhir.responses import bundle_reply
from api.fhir.service import Call, Service
from domain.errors import DomainError, InvalidRequest, TooCostly
from domain.interactions.entries import METHODS, Entry, relative_url
from domain.interactions.pacing import side_by_side
from domain.interactions.parts import Answer, Retryable
from domain.interactions.patch import patch_document
from domain.interactions.transaction import transaction
from fhir_mapping.bundle import AnswerEntry, response_bundle
from fhir_mapping.bundle_reading import decode_bundle
from fhir_mapping.json_text import parse
from fhir_mapping.outcome import operation_outcome, outcome_of

_OUTCOME = b'{"resourceType":"OperationOutcome"'
_INHERITED = (b"prefer", b"accept", b"authorization")


async def process(service: Service, call: Call) -> Reply:
    """POST [base]"""
    require_json(call.exchange)
    if call.exchange.nested:
        raise InvalidRequest("A Bundle cannot be processed inside a Bundle", code="not-supported")
    bundle = decode_bundle(call.body)
    if len(bundle.entries) > service.limits.bundle_entries:
        raise TooCostly(f"More than {service.limits.bundle_entries} entries", expression="Bundle.entry")
    if bundle.type == "transaction":
        return await _transaction(service, call, bundle.entries)
    if bundle.type == "batch":
        return await _batch(call, bundle.entries)
    raise InvalidRequest(
        "Only Bundles of type batch and transaction are processed", expression="Bundle.type", code="value"
    )


async def _transaction(service: Service, call: Call, entries: list[Entry]) -> Reply:
    base = call.exchange.base_url
    answers = await transaction(service.parts, call.occasion, entries, base)
    full = preference(call.exchange).returns == "representation"
    rows: list[AnswerEntry] = []
    for index, (entry, answer) in enumerate(zip(entries, answers, strict=True)):
        rows.append(await _asked(call, index, entry) if answer is None else _stored(base, answer, full=full))
    reply = bundle_reply(call.exchange, response_bundle("transaction-response", rows))
    written = [answer for answer in answers if answer is not None]
    reply.recorded = all(answer.recorded for answer in written)
    reply.targets = tuple(dict.fromkeys(target for answer in written for target in answer.targets))
    reply.patients = tuple(dict.fromkeys(patient for answer in written for patient in answer.patients))
    return reply


async def _batch(call: Call, entries: list[Entry]) -> Reply:
    numbered = list(enumerate(entries))
    rows = await side_by_side(lambda item: _asked(call, *item), numbered, at_once=16)
    reply = bundle_reply(call.exchange, response_bundle("batch-response", rows))
    reply.interaction = "batch"
    return reply


def _stored(base: str, answer: Answer, *, full: bool) -> AnswerEntry:
    head = answer.head
    if head is None:
        return AnswerEntry(answer.status)
    location = None if head.deleted else f"{base}/{head.key}/_history/{head.version}"
    content = answer.content if full else None
    outcome = operation_outcome(answer.warnings) if answer.warnings else None
    return AnswerEntry(answer.status, location, head.version, head.recorded, content, outcome)


async def _asked(call: Call, index: int, entry: Entry) -> AnswerEntry:
    """Send one entry through the routes, and its reply back as an entry."""
    try:
        reply = await call.again(_exchange(call, index, entry))
    except DomainError as error:
        return AnswerEntry(400, outcome=outcome_of(error))
    head, body = reply.head, reply.body
    wanted = entry.method == "GET" or preference(call.exchange).returns == "representation"
    told = body.startswith(_OUTCOME)
    return AnswerEntry(
        reply.status,
        reply.headers.get("location"),
        head.version if head else None,
        head.recorded if head else None,
        body if body and wanted and not told else None,
        parse(body) if told else None,
    )


def _exchange(call: Call, index: int, entry: Entry) -> Exchange:
    if entry.method not in METHODS:
        raise InvalidRequest("The request method is none of GET HEAD POST PUT PATCH DELETE", code="value")
    outer = call.exchange
    split = urlsplit(relative_url(entry.url, outer.base_url))
    body = entry.resource or b""
    content_type = b"application/fhir+json"
    if entry.method == "PATCH":
        body, content_type = _patch(body)
    headers = {name: outer.headers[name] for name in _INHERITED if name in outer.headers}
    own = {
        b"content-type": content_type,
        b"if-match": entry.if_match,
        b"if-none-match": entry.if_none_match,
        b"if-none-exist": entry.if_none_exist,
        b"if-modified-since": entry.if_modified_since,
    }
    headers.update((k, v.encode() if isinstance(v, str) else v) for k, v in own.items() if v is not None)
    retryable = call.occasion.retryable
    if retryable is not None:
        retryable = Retryable(f"{retryable.name}#{index}", retryable.fingerprint)
    return Exchange(
        method=entry.method,
        path=split.path,
        query=split.query,
        headers=headers,
        base_url=outer.base_url,
        body=body,
        retryable=retryable,
        nested=True,
    )


def _patch(resource: bytes) -> tuple[bytes, bytes]:
    document = patch_document(resource)
    return document.document, document.media_type.encode()
