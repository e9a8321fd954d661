"""Resumable uploads: tus 1.0 with creation, expiration and termination. https://tus.io/protocols/resumable-upload

Any worker goes on with an upload. A connection that breaks loses nothing that has arrived: HEAD tells how much, PATCH goes on
from there, and with the last byte the document is in the record; `Document-Location` says where.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from email.utils import format_datetime

import msgspec

from api.asgi import Disconnected, Receive, body_pieces
from api.v1.decoding import decoded_body
from api.v1.documents import DocumentFields
from api.v1.endpoint import NOTHING, Endpoint, Outcome, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import uploads
from domain.clinic.joining_parts import Upload
from domain.errors import InvalidFields, InvalidRequest, TooSlow, UnsupportedMedia, VersionConflict
from domain.identity import ResourceKey

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination"
CHUNK = "application/offset+octet-stream"
MOST_METADATA = 8_192
_TOLD = {"tus-resumable": VERSION}


class Break:
    """The body up to where the connection breaks or stalls, and what broke it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.error: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Never raises: what arrived is kept."""
        try:
            async for piece in body_pieces(self._receive):
                yield piece
        except (Disconnected, TooSlow) as error:
            self.error = error


async def offered(service: Service, visit: Visit) -> Outcome:
    """What of tus there is"""
    largest = service.parts.documents.rules.largest
    told = {"tus-version": VERSION, "tus-extension": EXTENSIONS, "tus-max-size": str(largest)}
    return Outcome(None, 204, {**_TOLD, **told})


async def begun(service: Service, visit: Visit) -> Outcome:
    """Begin an upload; what is said of the document is in Upload-Metadata"""
    _require_version(visit)
    patient = ResourceKey("Patient", visit.params["id"])
    visit.concerns(patients=(patient.id,))
    occasion = await asked(service, visit, "upload-create")
    metadata = _metadata(visit.header(b"upload-metadata") or "")
    declared = metadata.pop("filetype", None)
    name = metadata.pop("filename", None)
    if name and "title" not in metadata:
        metadata["title"] = name[-200:]
    fields = decoded_body(msgspec.json.encode(metadata), DocumentFields)
    form = fields.form(next(iter(visit.caller.profiles), None))
    length = _number(visit, b"upload-length")
    upload = await uploads.begin(
        service.parts, service.documents, service.vouchers, occasion, patient, length, form, declared
    )
    return Outcome(None, 201, {**_headers(upload), "location": f"/api/v1/uploads/{upload.id}"})


async def shown(service: Service, visit: Visit) -> Outcome:
    """How far an upload has come"""
    _require_version(visit)
    occasion = await asked(service, visit, "upload-read")
    return Outcome(None, 200, _headers(await uploads.state(service.vouchers, occasion, visit.params["id"])))


async def added(service: Service, visit: Visit) -> Outcome:
    """Go on with an upload at Upload-Offset; the last byte publishes the document"""
    _require_version(visit)
    if (visit.header(b"content-type") or "").strip().lower() != CHUNK:
        raise UnsupportedMedia(f"A part is sent as {CHUNK}")
    occasion = await asked(service, visit, "upload-append")
    body = Break(visit.receive)
    upload, made = await uploads.add(
        service.parts,
        service.documents,
        service.vouchers,
        occasion,
        visit.params["id"],
        _number(visit, b"upload-offset"),
        body.pieces(),
    )
    visit.concerns(patients=(upload.patient,))
    if made is not None:
        visit.concerns(f"DocumentReference/{made.card.id}/{made.card.version}")
    elif body.error is not None:
        raise body.error
    return Outcome(None, 204, _headers(upload), recorded=made is not None and made.recorded)


async def ended(service: Service, visit: Visit) -> Outcome:
    """Give an upload up"""
    _require_version(visit)
    occasion = await asked(service, visit, "upload-delete")
    await uploads.end(service.parts, service.vouchers, occasion, visit.params["id"])
    return msgspec.structs.replace(NOTHING, headers=dict(_TOLD))


def _headers(upload: Upload) -> dict[str, str]:
    told = {
        **_TOLD,
        "upload-offset": str(upload.told),
        "upload-length": str(upload.length),
        "upload-expires": format_datetime(upload.expires, usegmt=True),
    }
    if upload.document is not None:
        told["document-location"] = f"/api/v1/documents/{upload.document}"
    return told


def _require_version(visit: Visit) -> None:
    """https://tus.io/protocols/resumable-upload#tus-resumable: another version is 412."""
    if visit.header(b"tus-resumable") != VERSION:
        raise VersionConflict(f"Tus-Resumable: {VERSION} is what is understood here", reason="tus_version")


def _number(visit: Visit, name: bytes) -> int:
    text = visit.header(name) or ""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest(f"{name.decode().title()} is a number of bytes", code="value")
    return int(text)


def _metadata(text: str) -> dict[str, str]:
    """`key base64,key base64`. Raises `InvalidFields` for anything else."""
    if len(text) > MOST_METADATA:
        raise InvalidFields(f"At most {MOST_METADATA} characters", expression="Upload-Metadata")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidFields("Values are base64 of UTF-8", expression="Upload-Metadata") from None
    return {key: value for key, value in found.items() if value}


ENDPOINTS = (
    Endpoint("OPTIONS", "/uploads", "upload-options", offered, status=204, public=True),
    Endpoint("POST", "/patients/{id}/uploads", "upload-create", begun, status=201, streams=True, refuses=(409, 412)),
    Endpoint("GET", "/uploads/{id}", "upload-read", shown, refuses=(409, 412)),
    Endpoint("PATCH", "/uploads/{id}", "upload-append", added, status=204, streams=True, refuses=(409, 412)),
    Endpoint("DELETE", "/uploads/{id}", "upload-delete", ended, status=204, refuses=(409, 412)),
)
