"""Binary over HTTP, as its own bytes or as FHIR JSON: https://hl7.org/fhir/R4/binary.html#rest

Who names a FHIR type gets the resource, everybody else the bytes under their own type. Bytes leave with headers that keep a
browser from running them: a download, unless it is of a kind that is safe to show, and a sandbox without any source.
"""

from __future__ import annotations

from contextlib import suppress

from api.downloads import Unsatisfiable, part_asked, safety_headers, tag_of
from api.fhir.exchange import Exchange, Reply
from api.fhir.headers import JSON_TYPES, http_date, if_match, preference
from api.fhir.responses import resource_reply, written_reply
from api.fhir.service import Call, Service
from domain.blobs import Span
from domain.errors import InvalidRequest, NotFound, Quarantined
from domain.identity import ResourceKey, etag, parse_etags, parse_reference
from domain.interactions import binaries
from domain.interactions.binaries import Document, Upload
from domain.interactions.parts import Answer
from domain.revision import encode

_NAMED = JSON_TYPES | {"application/fhir+xml"}


_WRITES = {"POST": 1, "PUT": 2}
"""Segments of the path of a create and of an update."""


def uploads_bytes(exchange: Exchange) -> bool:
    """Whether a request is a create or update of a Binary by a body that is the document itself.

    Without a content type, and with a FHIR one, it is taken for a resource.
    """
    if (
        exchange.segments[:1] != ("Binary",)
        or _WRITES.get(exchange.method) != len(exchange.segments)
        or exchange.nested
    ):
        return False
    given = (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
    return bool(given) and given not in _NAMED


def may_give_bytes(exchange: Exchange) -> bool:
    """Whether a request reads a Binary, which may be asked for by any media type."""
    segments = exchange.segments
    if segments[:1] != ("Binary",) or exchange.method not in ("GET", "HEAD") or exchange.nested:
        return False
    return (len(segments) == 2 and segments[1][:1] not in "_$") or (len(segments) == 4 and segments[2] == "_history")


def asks_for_bytes(exchange: Exchange) -> bool:
    """Whether a read of a Binary wants its bytes: no FHIR type is named, by `_format` or Accept."""
    if exchange.nested:
        return False
    wanted = exchange.parameter("_format") or exchange.header(b"accept") or ""
    kinds = {part.partition(";")[0].strip().lower().replace(" ", "+") for part in wanted.split(",")}
    return kinds.isdisjoint(JSON_TYPES)


async def read(service: Service, call: Call) -> Reply:
    """GET [base]/Binary/[id]"""
    return await _reply(service, call, await binaries.document(service.parts, call.occasion, call.key))


async def vread(service: Service, call: Call) -> Reply:
    """GET [base]/Binary/[id]/_history/[vid]"""
    version = call.exchange.segments[3]
    return await _reply(service, call, await binaries.document(service.parts, call.occasion, call.key, version))


async def _reply(service: Service, call: Call, found: Document) -> Reply:
    """The answer to a read, as bytes or as JSON, or 304."""
    exchange, head = call.exchange, found.answer.head
    tags = exchange.header(b"if-none-match")
    known = parse_etags(tags) if tags is not None else frozenset()
    binaries.require_harmless(service.parts, found)
    raw = asks_for_bytes(exchange)
    own = {str(head.version)} if head is not None else set()
    if found.blob is not None:
        own.add(found.blob.id)
    if "*" in known or known & own:
        return _headed(service, found, Reply(304, head=head), raw=raw)
    if raw:
        return await _bytes(service, call, found)
    content = await binaries.as_resource(service.parts, found)
    return resource_reply(exchange, Answer(200, head, content))


async def _bytes(service: Service, call: Call, found: Document) -> Reply:
    exchange, blob = call.exchange, found.blob
    size = blob.size if blob is not None else None
    reply = _headed(service, found, Reply(200, head=found.answer.head), raw=True)
    span: Span | None = None
    if blob is not None and size is not None:
        reply.headers["accept-ranges"] = "bytes"
        try:
            span = part_asked(exchange.header(b"range"), exchange.header(b"if-range"), size=size, tag=tag_of(blob))
        except Unsatisfiable:
            return Reply(416, {"content-range": f"bytes */{size}"}, head=reply.head)
        if span is not None:
            reply.status = 206
            reply.headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{size}"
        reply.length = size if span is None else span.end - span.start
    if exchange.method != "HEAD":
        reply.stream = await binaries.bytes_of(service.parts, found, span)
    elif blob is None and "data" not in found.content:
        raise NotFound("This Binary has no content")
    return reply


def _headed(service: Service, found: Document, reply: Reply, *, raw: bool) -> Reply:
    """The headers of a document; those of its targets for the audit."""
    answer, head = found.answer, found.answer.head
    reply.targets, reply.patients = answer.targets, answer.patients
    if head is not None:
        reply.headers["last-modified"] = http_date(head.recorded)
        reply.headers["etag"] = tag_of(found.blob) if raw and found.blob is not None else etag(head.version)
        context = found.content.get("securityContext", {}).get("reference")
        if context is not None:
            reply.headers["x-security-context"] = context
    reply.headers["x-malware-scan"] = service.parts.documents.links.scanned(found.content)
    if raw:
        kind = found.blob.content_type if found.blob is not None else found.content.get("contentType", "")
        reply.headers |= safety_headers(kind, found.blob.title if found.blob is not None else None)
        reply.headers["vary"] = "accept"
    return reply


async def create(service: Service, call: Call) -> Reply:
    """POST [base]/Binary with the document as body"""
    answer = await binaries.create_raw(service.parts, call.occasion, _upload(service, call))
    return await written(service, call, answer)


async def update(service: Service, call: Call) -> Reply:
    """PUT [base]/Binary/[id] with the document as body"""
    upload = _upload(service, call)
    answer = await binaries.update_raw(service.parts, call.occasion, call.key, upload, if_match=if_match(call.exchange))
    return await written(service, call, answer)


async def written(service: Service, call: Call, answer: Answer) -> Reply:
    """The reply to a write: the resource, with its data only for who asks for a representation."""
    if answer.content is not None and preference(call.exchange).returns in (None, "representation"):
        content = service.parts.reading.decoded(answer.content)
        shown = encode(service.parts.documents.links.shown(content, None))
        if preference(call.exchange).returns == "representation" and not call.exchange.nested:
            stored = await binaries.document_of(service.parts, answer)
            with suppress(Quarantined):  # stored all the same, and told by its state
                shown = await binaries.as_resource(service.parts, stored)
        answer = Answer(answer.status, answer.head, shown, answer.recorded)
    return written_reply(call.exchange, answer)


def _upload(service: Service, call: Call) -> Upload:
    """The body as a document: its type, and the context that X-Security-Context names."""
    if call.stream is None:
        raise InvalidRequest("A document cannot stand in a Bundle as its bytes")
    text, context = call.exchange.header(b"x-security-context"), None
    if text is not None:
        literal = parse_reference(text.strip())
        if literal is None or literal.base not in (None, call.exchange.base_url):
            raise InvalidRequest("X-Security-Context is a reference to a resource of this server", code="value")
        context = ResourceKey(*literal.key)
    return Upload(call.stream, call.exchange.header(b"content-type"), context)
