"""The bytes of a document, whole or in part: https://www.rfc-editor.org/rfc/rfc9110#name-range-requests

They leave as on `/fhir/Binary`: a download unless it is safe to show, in a sandbox, opened when the audit entry is durable.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.downloads import Unsatisfiable, part_asked, safety_headers, tag_of
from api.v1.endpoint import Endpoint, Form, Outcome, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import documents
from domain.errors import Gone, NotFound
from domain.identity import ResourceKey, parse_etags
from domain.interactions.binaries import Document, bytes_of
from domain.interactions.parts import Occasion


class Edge(Form, frozen=True, kw_only=True):
    """The longer side of the picture, in pixels."""

    edge: Annotated[int, Meta(ge=32, le=1024)] = 256


async def content(service: Service, visit: Visit) -> Outcome:
    """The document itself; HEAD, Range, If-Range and If-None-Match work"""
    occasion = await asked(service, visit, "document-content")
    return await content_of(service, visit, occasion, ResourceKey("DocumentReference", visit.params["id"]))


async def content_of(service: Service, visit: Visit, occasion: Occasion, key: ResourceKey) -> Outcome:
    """The answer with the bytes of a document the caller of `occasion` may read."""
    found = await documents.bytes_behind(service.parts, service.documents, occasion, key)
    _concerns(visit, key, found)
    blob = found.blob
    if blob is None:
        raise Gone("The content of this document is not kept here")
    headers = {**safety_headers(blob.content_type, blob.title), "etag": tag_of(blob), "accept-ranges": "bytes"}
    known = visit.header(b"if-none-match")
    if known is not None and ({blob.id, "*"} & parse_etags(known)):
        return Outcome(None, 304, headers)
    try:
        span = part_asked(visit.header(b"range"), visit.header(b"if-range"), size=blob.size, tag=tag_of(blob))
    except Unsatisfiable:
        return Outcome(None, 416, {"content-range": f"bytes */{blob.size}"})
    start, end = (0, blob.size) if span is None else span
    headers["content-length"] = str(end - start)
    if span is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{blob.size}"
    return Outcome(await bytes_of(service.parts, found, span), 200 if span is None else 206, headers)


async def thumbnail(service: Service, visit: Visit, query: Edge) -> Outcome:
    """A small picture of a PDF's first page or of an image"""
    occasion = await asked(service, visit, "document-content")
    key = ResourceKey("DocumentReference", visit.params["id"])
    found = await documents.bytes_behind(service.parts, service.documents, occasion, key)
    _concerns(visit, key, found)
    reader = service.parts.documents.reader
    if found.blob is None or not reader.reads(found.blob.content_type, found.blob.size):
        raise NotFound("There is no picture of this document")
    picture = await reader.thumbnail(await bytes_of(service.parts, found), found.blob.content_type, edge=query.edge)
    if picture is None:
        raise NotFound("There is no picture of this document")
    return Outcome(picture, 200, {**safety_headers("image/png", None), "etag": f'"{found.blob.id}-{query.edge}"'})


def _concerns(visit: Visit, key: ResourceKey, found: Document) -> None:
    visit.concerns(str(key), *found.answer.targets, patients=found.answer.patients)


ENDPOINTS = (
    Endpoint("GET", "/documents/{id}/content", "document-content", content),
    Endpoint("GET", "/documents/{id}/thumbnail", "document-content", thumbnail),
)
