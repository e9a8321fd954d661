"""Medical records: what was found and done at a visit. `/api/v1` of PRODUCT 2.4 and 2.11, Medical records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.interactions import Id, Named
from api.v1.kept import gone, kept, wanted_version
from api.v1.listing import Listing, Page, page
from api.v1.occasions import asked
from api.v1.record_notes import NoteView, note_view
from api.v1.service import Service
from domain.clinic import medical_records, record_notes
from domain.clinic.medical_record_cards import KIND, Finding, RecordCard, RecordForm, Wanted
from domain.clinic.medical_records import Kept
from domain.clinic.record_note_cards import NoteCard, NoteForm
from domain.interactions.parts import Occasion
from domain.search import PageKey

Moment = Annotated[datetime, Meta(tz=True)]
Link = Annotated[str, Meta(pattern=r"^([A-Z][A-Za-z]{1,63}/)?[A-Za-z0-9\-.]{1,64}$")]
Links = Annotated[tuple[Link, ...], Meta(max_length=100)]
Words = Annotated[str, Meta(min_length=1, max_length=200)]


class CodeForm(Form, frozen=True, kw_only=True):
    """A code of a terminology, such as SNOMED CT (`http://snomed.info/sct`)."""

    system: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^\S+$")]
    code: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^\S+( \S+)*$")]


class FindingForm(Form, frozen=True, kw_only=True):
    """A diagnosis or procedure; in a PUT the `id` says which one of the record it is."""

    text: Named
    id: Id | None = None
    code: CodeForm | None = None
    date: Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None

    @property
    def finding(self) -> Finding:
        system, code = (None, None) if self.code is None else (self.code.system, self.code.code)
        return Finding(text=self.text.strip(), id=self.id, system=system, code=code, date=self.date)


class NoteText(Form, frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")]


Findings = Annotated[tuple[FindingForm, ...], Meta(max_length=50)]


class RecordFields(Form, frozen=True, kw_only=True):
    """A visit. `prescriptionIds`, `testResultIds` … name what is on record already; `notes` can come with a new record."""

    patient_id: Id
    title: Words | None = None
    date: Moment | None = None
    encounter_id: Id | None = None
    doctor_id: Id | None = None
    diagnosis: Findings = ()
    treatment: Annotated[str, Meta(min_length=1, max_length=20_000, pattern=r"\S")] | None = None
    procedures: Findings = ()
    prescription_ids: Links = ()
    test_result_ids: Links = ()
    allergy_ids: Links = ()
    immunization_ids: Links = ()

    @property
    def form(self) -> RecordForm:
        same = ("patient_id", "title", "date", "treatment", *_LINKS)
        return RecordForm(
            **{name: getattr(self, name) for name in same},
            encounter=self.encounter_id,
            doctor=None if self.doctor_id is None else f"Practitioner/{self.doctor_id}",
            diagnosis=tuple(each.finding for each in self.diagnosis),
            procedures=tuple(each.finding for each in self.procedures),
        )


class NewRecord(RecordFields, frozen=True, kw_only=True):
    """A visit with its first notes."""

    notes: Annotated[tuple[NoteText, ...], Meta(max_length=20)] = ()


_LINKS = ("prescription_ids", "test_result_ids", "allergy_ids", "immunization_ids")


class RecordsWanted(Listing, frozen=True, kw_only=True):
    """Each filter narrows. `q` are words of the record; `from` is included, `to` is not."""

    patient_id: Id | None = None
    doctor_id: Id | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)
    q: Words | None = None


class CodeView(View, frozen=True, kw_only=True):
    system: str | None
    code: str


class FindingView(View, frozen=True, kw_only=True):
    id: str | None
    text: str
    code: CodeView | None
    date: str | None


class RecordView(View, frozen=True, kw_only=True):
    """A visit with what was found at it, and the notes on it, the oldest first."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    doctor_id: str | None
    encounter_id: str | None
    title: str | None
    date: datetime | None
    status: str
    diagnosis: tuple[FindingView, ...]
    treatment: str | None
    procedures: tuple[FindingView, ...]
    prescription_ids: tuple[str, ...]
    test_result_ids: tuple[str, ...]
    allergy_ids: tuple[str, ...]
    immunization_ids: tuple[str, ...]
    notes: tuple[NoteView, ...]


async def added(service: Service, visit: Visit, body: NewRecord) -> Outcome:
    """Write a medical record, with everything that was found at the visit in one write"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "medical-record-create")
    notes = tuple(NoteForm(text=each.text) for each in body.notes)
    made = await medical_records.write(
        service.parts, service.medical_records, occasion, body.form, service.record_notes, notes
    )
    return await _written(service, visit, occasion, made, location=f"/medical-records/{made.card.id}")


async def shown(service: Service, visit: Visit) -> Outcome:
    """A medical record"""
    occasion = await asked(service, visit, "medical-record-read")
    visit.concerns(f"{KIND}/{visit.params['id']}")
    card = await medical_records.shown(service.parts, service.medical_records, occasion, visit.params["id"])
    visit.concerns(patients=() if card.patient_id is None else (card.patient_id,))
    found = await record_notes.of_records(service.parts, service.record_notes, occasion, [card.id])
    return Outcome(view(card, found.get(card.id, ())), version=card.version)


async def listed(service: Service, visit: Visit, query: RecordsWanted) -> Outcome:
    """Medical records, the latest first"""
    occasion = await asked(service, visit, "medical-record-list")
    visit.concerns(patients=() if query.patient_id is None else (query.patient_id,))
    wanted = Wanted(
        patient=query.patient_id, doctor=query.doctor_id, since=query.since, until=query.until, words=query.q
    )
    notes: dict[str, list[NoteCard]] = {}

    async def fetch(after: PageKey | None, count: int) -> Any:
        cards, following = await medical_records.pages(
            service.parts, service.medical_records, occasion, wanted, after=after, count=count
        )
        ids = [card.id for card in cards]
        notes.update(await record_notes.of_records(service.parts, service.record_notes, occasion, ids))
        return cards, following

    def one(card: RecordCard) -> RecordView:
        return view(card, notes.get(card.id, ()))

    return await page(service, visit, query, fetch, one, of="/medical-records", kind=KIND)


async def changed(service: Service, visit: Visit, body: RecordFields) -> Outcome:
    """Say something else of a visit; what was taken out stays on record as entered in error"""
    visit.concerns(patients=(body.patient_id,))
    occasion = await asked(service, visit, "medical-record-update")
    made = await medical_records.rewrite(
        service.parts, service.medical_records, occasion, visit.params["id"], body.form,
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return await _written(service, visit, occasion, made)


async def removed(service: Service, visit: Visit) -> Outcome:
    """Delete a medical record; its versions stay, and what was found stays on record"""
    occasion = await asked(service, visit, "medical-record-delete")
    answer = await medical_records.remove(
        service.parts, occasion, visit.params["id"], if_match=wanted_version(service, visit)
    )
    return gone(visit, answer)


async def _written(
    service: Service, visit: Visit, occasion: Occasion, made: Kept, location: str | None = None
) -> Outcome:
    found = await record_notes.of_records(service.parts, service.record_notes, occasion, [made.card.id])
    return kept(visit, made.answer, view(made.card, found.get(made.card.id, ())), location=location)


def view(card: RecordCard, notes: Any = ()) -> RecordView:
    """A card as it is shown."""
    same = ("id", "version", "updated_at", "patient_id", "encounter_id", "title", "date", "status", "treatment")
    return RecordView(
        **{name: getattr(card, name) for name in (*same, *_LINKS)},
        doctor_id=None if card.doctor is None else card.doctor.id,
        diagnosis=tuple(map(_finding, card.diagnosis)),
        procedures=tuple(map(_finding, card.procedures)),
        notes=tuple(map(note_view, notes)),
    )


def _finding(found: Finding) -> FindingView:
    code = None if found.code is None else CodeView(system=found.system, code=found.code)
    return FindingView(id=found.id, text=found.text, code=code, date=found.date)


_ONE = "/medical-records/{id}"
ENDPOINTS = (
    Endpoint("GET", "/medical-records", "medical-record-list", listed, answers=Page),
    Endpoint(
        "POST", "/medical-records", "medical-record-create", added,
        answers=RecordView, status=201, replays=True, limit=1024 * 1024, refuses=(404, 410),
    ),
    Endpoint("GET", _ONE, "medical-record-read", shown, answers=RecordView),
    Endpoint("PUT", _ONE, "medical-record-update", changed, answers=RecordView, limit=1024 * 1024),
    Endpoint("DELETE", _ONE, "medical-record-delete", removed, status=204),
)  # fmt: skip
