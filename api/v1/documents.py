"""Documents of a patient: put in, list, show, change, replace, withdraw. `/api/v1` of PRODUCT 2.11, Documents.

A file comes as multipart/form-data, whose fields describe it, or as text inside JSON. The same content in one record is
stored once and answered with 200.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from api.asgi import body_pieces, read_body
from api.v1.decoding import decoded_body
from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.kept import wanted_version
from api.v1.multipart_upload import FormFile, boundary_of
from api.v1.occasions import asked, page_place, page_text
from api.v1.service import Service
from domain.clinic import documents
from domain.clinic.document_cards import DocumentCard, DocumentForm, Wanted
from domain.clinic.document_history import past
from domain.clinic.documents import Put
from domain.errors import UnsupportedMedia
from domain.identity import ResourceKey

TEXT_BYTES = 1024 * 1024
Short = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[datetime, Meta(tz=True)]


class DocumentFields(Form, frozen=True, kw_only=True):
    """What is said of a document; of a form, its fields before the file."""

    type: Short = "other"
    title: Short | None = None
    date: Moment | None = None
    description: Annotated[str, Meta(max_length=2_000)] | None = None
    source: Short | None = None
    author: Short | None = None

    def form(self, author: str | None = None) -> DocumentForm:
        values = {name: getattr(self, name) for name in DocumentForm.__struct_fields__}
        return DocumentForm(**{**values, "author": self.author or author})


class Text(Form, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_BYTES)]


class TextDocument(DocumentFields, frozen=True, kw_only=True):
    """A document that is a text."""

    content: Text


class DocumentsWanted(Form, frozen=True, kw_only=True):
    """Each filter narrows. `q` are words of title, description or content; `from` is included, `to` is not."""

    type: Short | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    source: Short | None = None
    author: Short | None = None
    q: Short | None = None
    group_by: Literal["type"] | None = None
    status: Literal["current", "all"] = "current"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class LinksView(View, frozen=True, kw_only=True):
    self: str
    content: str


class SourceView(View, frozen=True, kw_only=True):
    kind: str


class DocumentView(View, frozen=True, kw_only=True):
    """`hash` is the SHA-1 of the content. `duplicate` tells that the record had this very document already."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    type: str
    type_label: str
    status: str
    title: str | None
    date: datetime | None
    description: str | None
    source: SourceView | None
    author: str | None
    content_type: str | None
    size: int | None
    hash: str | None
    pages: int | None
    replaces: str | None
    links: LinksView
    duplicate: bool = False


class GroupView(View, frozen=True, kw_only=True):
    type: str
    type_label: str
    items: tuple[DocumentView, ...]


class DocumentsView(View, frozen=True, kw_only=True):
    """`groups` instead of `items` with `groupBy=type`; a group may go on on the next page."""

    items: tuple[DocumentView, ...] = ()
    groups: tuple[GroupView, ...] = ()
    next: str | None


async def put(service: Service, visit: Visit) -> Outcome:
    """Put a document into a patient's record: a form with a file, or JSON with a text"""
    patient = ResourceKey("Patient", visit.params["id"])
    visit.concerns(patients=(patient.id,))
    occasion = await asked(service, visit, "document-create")
    fields, stream, declared = await _uploaded(visit)
    made = await documents.put(
        service.parts, service.documents, occasion, patient, fields.form(_author(visit)), stream, declared
    )
    return _put_answer(visit, made, 200 if made.duplicate else 201)


async def replaced(service: Service, visit: Visit) -> Outcome:
    """Say something else of a document (JSON), or put a new file in its place, which is a document of its own"""
    key = _key(visit)
    occasion = await asked(service, visit, "document-update")
    if boundary_of(visit.header(b"content-type")) is None:
        raw = await read_body(visit.receive, dict(visit.headers), TEXT_BYTES)
        _require_json(visit)
        form = decoded_body(raw, DocumentFields).form()
        made = await documents.amend(
            service.parts, service.documents, occasion, key, form, if_match=wanted_version(service, visit)
        )
        return _put_answer(visit, made, 200)
    fields, stream, declared = await _uploaded(visit)
    made = await documents.replace(
        service.parts, service.documents, occasion, key, fields.form(_author(visit)), stream, declared,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return _put_answer(visit, made, 201)


async def shown(service: Service, visit: Visit) -> Outcome:
    """What is known of a document"""
    card = await documents.card(
        service.parts, service.documents, await asked(service, visit, "document-read"), _key(visit)
    )
    _concerns(visit, card)
    return Outcome(view(card), version=card.version)


async def history(service: Service, visit: Visit) -> Outcome:
    """What became of a document: its versions, newest first, and before them those of the files it replaced"""
    visit.concerns(str(_key(visit)))
    cards = await past(service.parts, service.documents, await asked(service, visit, "document-history"), _key(visit))
    visit.concerns(patients=tuple({card.patient_id for card in cards if card.patient_id is not None}))
    return Outcome(DocumentsView(items=tuple(map(view, cards)), next=None))


async def withdrawn(service: Service, visit: Visit) -> Outcome:
    """Withdraw a document as entered in error"""
    occasion = await asked(service, visit, "document-delete")
    answer = await documents.withdraw(
        service.parts, service.documents, occasion, _key(visit), if_match=wanted_version(service, visit)
    )
    visit.concerns(*answer.targets, patients=answer.patients)
    return msgspec.structs.replace(NOTHING, recorded=answer.recorded)


async def listed(service: Service, visit: Visit, query: DocumentsWanted) -> Outcome:
    """The documents of a patient, newest first"""
    patient = visit.params["id"]
    visit.concerns(patients=(patient,))
    occasion = await asked(service, visit, "document-list")
    wanted = Wanted(
        patient, query.type, query.since, query.until, query.source, query.author, query.q,
        by_type=query.group_by is not None, all_states=query.status == "all",
    )  # fmt: skip
    of = f"/patients/{patient}/documents?{hash_of(wanted)}"
    after = page_place(service.cursors.read(query.cursor, of=of, subject=visit.caller.subject))
    cards, following = await documents.listed(
        service.parts, service.documents, occasion, wanted, after=after, count=query.limit
    )
    visit.concerns(*(f"DocumentReference/{card.id}" for card in cards))
    cursor = (
        None if following is None else service.cursors.write(page_text(following), of=of, subject=visit.caller.subject)
    )
    items = tuple(map(view, cards))
    if query.group_by is None:
        return Outcome(DocumentsView(items=items, next=cursor))
    return Outcome(DocumentsView(groups=_grouped(items), next=cursor))


def hash_of(wanted: Wanted) -> str:
    """The filters of a list, so that a cursor goes on with the same."""
    return msgspec.json.encode(wanted).decode()


def view(card: DocumentCard, *, duplicate: bool = False) -> DocumentView:
    """A card as it is shown."""
    address = f"/api/v1/documents/{card.id}"
    names = (
        *("id", "version", "updated_at", "patient_id", "type", "type_label", "status", "title", "date"),
        *("description", "author", "content_type", "size", "pages", "replaces"),
    )
    return DocumentView(
        **{name: getattr(card, name) for name in names},
        source=None if card.source is None else SourceView(kind=card.source),
        hash=card.sha1,
        links=LinksView(self=address, content=f"{address}/content"),
        duplicate=duplicate,
    )


def _grouped(items: Sequence[DocumentView]) -> tuple[GroupView, ...]:
    groups: dict[tuple[str, str], list[DocumentView]] = {}
    for each in items:
        groups.setdefault((each.type, each.type_label), []).append(each)
    return tuple(GroupView(type=kind, type_label=label, items=tuple(rows)) for (kind, label), rows in groups.items())


async def _uploaded(visit: Visit) -> tuple[DocumentFields, AsyncIterator[bytes], str | None]:
    """What is said of the document, its bytes, and its declared type."""
    boundary = boundary_of(visit.header(b"content-type"))
    if boundary is not None:
        form = FormFile(body_pieces(visit.receive), boundary)
        fields = _fields(await form.start(), form.name)
        return fields, form.file(), form.content_type
    _require_json(visit)
    body = decoded_body(await read_body(visit.receive, dict(visit.headers), 2 * TEXT_BYTES), TextDocument)
    return body, _text(body.content.text), "text/plain"


async def _text(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


def _fields(given: Mapping[str, str], name: str | None) -> DocumentFields:
    """The fields of a form; its file's name is the title unless there is one."""
    values = {"title": name[-200:], **given} if name else dict(given)
    return decoded_body(msgspec.json.encode({k: v for k, v in values.items() if v}), DocumentFields)


def _require_json(visit: Visit) -> None:
    if (visit.header(b"content-type") or "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMedia("The body is a multipart/form-data with a file, or application/json")


def _put_answer(visit: Visit, made: Put, status: int) -> Outcome:
    _concerns(visit, made.card)
    shown = view(made.card, duplicate=made.duplicate)
    headers = {"location": shown.links.self} if status == 201 else {}
    return Outcome(shown, status, headers, made.card.version, recorded=made.recorded)


def _concerns(visit: Visit, card: DocumentCard) -> None:
    patients = () if card.patient_id is None else (card.patient_id,)
    visit.concerns(f"DocumentReference/{card.id}/{card.version}", patients=patients)


def _author(visit: Visit) -> str | None:
    """Who uploads is the author unless somebody else is named."""
    return next(iter(visit.caller.profiles), None)


def _key(visit: Visit) -> ResourceKey:
    return ResourceKey("DocumentReference", visit.params["id"])


ENDPOINTS = (
    Endpoint("GET", "/patients/{id}/documents", "document-list", listed, answers=DocumentsView),
    Endpoint(
        "POST",
        "/patients/{id}/documents",
        "document-create",
        put,
        answers=DocumentView,
        status=201,
        streams=True,
        also=(200,),
    ),
    Endpoint("GET", "/documents/{id}", "document-read", shown, answers=DocumentView),
    Endpoint("GET", "/documents/{id}/history", "document-history", history, answers=DocumentsView),
    Endpoint("PUT", "/documents/{id}", "document-update", replaced, answers=DocumentView, streams=True, also=(201,)),
    Endpoint("DELETE", "/documents/{id}", "document-delete", withdrawn, status=204),
)
