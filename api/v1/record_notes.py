"""Notes on medical records: nurses and doctors add them, only doctors change or take them back. PRODUCT 2.4, 2.11."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.interactions import Id
from api.v1.kept import gone, kept, wanted_version
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import medical_records, record_notes
from domain.clinic.medical_record_cards import KIND
from domain.clinic.record_note_cards import NoteCard, NoteForm


class NoteFields(Form, frozen=True, kw_only=True):
    """What a note says. `authorId` is who asks unless somebody else is named."""

    text: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")]
    author_id: Id | None = None

    @property
    def form(self) -> NoteForm:
        return NoteForm(text=self.text, author=None if self.author_id is None else f"Practitioner/{self.author_id}")


class NoteView(View, frozen=True, kw_only=True):
    id: str
    version: int
    created_at: datetime | None
    updated_at: datetime
    text: str
    author_id: str | None


class NotesView(View, frozen=True, kw_only=True):
    items: tuple[NoteView, ...]


async def added(service: Service, visit: Visit, body: NoteFields) -> Outcome:
    """Add a note to a medical record"""
    occasion = await asked(service, visit, "record-note-create")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    made = await record_notes.add(service.parts, service.record_notes, occasion, visit.params["id"], body.form)
    return kept(visit, made.answer, note_view(made.card), location=_path(visit, made.card.id))


async def listed(service: Service, visit: Visit) -> Outcome:
    """The notes on a medical record, the oldest first"""
    occasion = await asked(service, visit, "record-note-list")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    card = await medical_records.shown(service.parts, service.medical_records, occasion, visit.params["id"])
    found = (await record_notes.of_records(service.parts, service.record_notes, occasion, [card.id])).get(card.id, [])
    visit.concerns(*(f"{KIND}/{each.id}" for each in found))
    return Outcome(NotesView(items=tuple(map(note_view, found))))


async def shown(service: Service, visit: Visit) -> Outcome:
    """A note on a medical record"""
    occasion = await asked(service, visit, "record-note-read")
    visit.concerns(f"{KIND}/{visit.params['note']}")
    card = await record_notes.shown(
        service.parts, service.record_notes, occasion, visit.params["id"], visit.params["note"]
    )
    return Outcome(note_view(card), version=card.version)


async def changed(service: Service, visit: Visit, body: NoteFields) -> Outcome:
    """Say something else in a note; the older text stays in its history"""
    occasion = await asked(service, visit, "record-note-update")
    made = await record_notes.change(
        service.parts, service.record_notes, occasion, visit.params["id"], visit.params["note"], body.form,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return kept(visit, made.answer, note_view(made.card))


async def removed(service: Service, visit: Visit) -> Outcome:
    """Take a note back; its versions stay"""
    occasion = await asked(service, visit, "record-note-delete")
    answer = await record_notes.take_back(
        service.parts, service.record_notes, occasion, visit.params["id"], visit.params["note"],
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return gone(visit, answer)


def note_view(card: NoteCard) -> NoteView:
    """A note as it is shown."""
    return NoteView(
        id=card.id,
        version=card.version,
        created_at=card.created_at,
        updated_at=card.updated_at,
        text=card.text,
        author_id=None if card.author is None else card.author.id,
    )


def _path(visit: Visit, note: str) -> str:
    return f"/medical-records/{visit.params['id']}/notes/{note}"


_ALL, _ONE = "/medical-records/{id}/notes", "/medical-records/{id}/notes/{note}"
ENDPOINTS = (
    Endpoint("GET", _ALL, "record-note-list", listed, answers=NotesView),
    Endpoint("POST", _ALL, "record-note-create", added, answers=NoteView, status=201, replays=True),
    Endpoint("GET", _ONE, "record-note-read", shown, answers=NoteView),
    Endpoint("PUT", _ONE, "record-note-update", changed, answers=NoteView),
    Endpoint("PATCH", _ONE, "record-note-update", changed, answers=NoteView),
    Endpoint("DELETE", _ONE, "record-note-delete", removed, status=204),
)
