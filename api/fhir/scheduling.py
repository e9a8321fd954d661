"""Appointment/$find, $hold and $book of IHE Scheduling: https://profiles.ihe.net/ITI/Scheduling/ (ITI-115, 116, 117)

What is found are proposed Appointments; one is held or booked by its reference. `$book` also confirms a hold (by its own
reference or by that of the proposal), and given a whole Appointment in `appt-resource` it books, moves or (with status
`cancelled`) cancels that. A time that is not available is refused with an issue of severity fatal and code not-found, as
ITI-116 asks. Who is not a patient themselves names one in `patient-reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.fhir.exchange import Reply
from api.fhir.operation_answer import require_type, searchset_reply
from api.fhir.operation_input import count_of, rows_of
from api.fhir.searching import self_url
from api.fhir.service import Call, Service
from domain.clinic import appointments, booking, doctors
from domain.clinic.appointment_cards import AppointmentCard, AppointmentChanges, AppointmentForm, Cancellation
from domain.clinic.appointment_lists import Wanted, listed
from domain.clinic.doctors import Doctor
from domain.clinic.free_times import window
from domain.clinic.proposals import Proposal, offered, read_proposal
from domain.clinic.records import Kept
from domain.errors import Conflict, InvalidRequest, Issue, NotFound
from domain.identity import FhirJson, ResourceKey, parse_reference
from domain.interactions.guarding import seen
from domain.interactions.including import Entry
from domain.interactions.parts import present
from domain.revision import encode
from fhir_mapping.bundle import FoundEntry
from fhir_mapping.friendly.elements import moment

_MOST_DOCTORS = 50
"""Doctors of a specialty whose calendars one `$find` looks at."""
_NARROWING = frozenset({"start", "end", "practitioner", "specialty", "organization", "patient-reference", "_count"})
_ACCEPTED = frozenset(
    {"visit-type", "reason", "referral-identifier", "timing", "insurance-reference", "patient-resource"}
)
"""Parameters of ITI-115 that say what for: every time of a doctor is for everything."""
_ANSWER = frozenset({"_format", "_pretty"})
_UNAVAILABLE = frozenset({"slot_taken", "patient_busy", "hold_expired"})
Given = dict[str, list[str]]


async def find(service: Service, call: Call) -> Reply:
    """GET, POST [base]/Appointment/$find"""
    require_type(call, booking.KIND)
    given = _given(call)
    for name in given:
        if name not in _NARROWING | _ACCEPTED | _ANSWER:
            raise InvalidRequest("$find cannot narrow by this", code="not-supported", expression=name[:64])
    within = window(_time(given, "start"), _time(given, "end"), service.parts.clock())
    patient = None
    if "patient-reference" in given:
        patient = _key(given["patient-reference"][0], "Patient")
        stored = await service.parts.store.newest(patient)
        present(await seen(service.parts, call.occasion.caller, stored, patient), patient)
    count = count_of(service, _one(given, "_count"), name="_count", default=service.limits.page)
    found: list[Proposal] = []
    if within is not None:
        who = await _doctors(service, call, given)
        found = await offered(service.desk, who, within, patient=patient and patient.id, count=count)
    now = service.parts.clock()
    contents = [service.desk.records.to_fhir(each.card(now, patient and patient.id), base=None) for each in found]
    rows = [
        FoundEntry(ResourceKey(booking.KIND, each.id), encode({"resourceType": booking.KIND, "id": each.id, **content}))
        for each, content in zip(found, contents, strict=True)
    ]
    pairs = [(name, value) for name, values in given.items() for value in values]
    url = self_url(f"{call.exchange.base_url}/{booking.KIND}/$find", pairs)
    reply = searchset_reply(call, url, rows, [], total=len(rows))
    reply.patients = (patient.id,) if patient is not None else ()
    return reply


async def hold(service: Service, call: Call) -> Reply:
    """POST [base]/Appointment/$hold"""
    return await _answered(service, call, confirm=False)


async def book(service: Service, call: Call) -> Reply:
    """POST [base]/Appointment/$book"""
    return await _answered(service, call, confirm=True)


async def _answered(service: Service, call: Call, *, confirm: bool) -> Reply:
    require_type(call, booking.KIND)
    try:
        kept = await _taken(service, call, confirm=confirm)
    except Conflict as taken:
        if taken.reason not in _UNAVAILABLE:
            raise
        fatal = Issue("not-found", taken.message, "Appointment", "fatal")
        raise Conflict(taken.message, issues=[fatal], reason=taken.reason) from taken
    head, content = kept.answer.head, kept.answer.content
    if head is None or content is None:
        raise NotFound("There is no such appointment")
    entry = Entry(head, content)
    url = f"{call.exchange.base_url}/{booking.KIND}/${'book' if confirm else 'hold'}"
    reply = searchset_reply(call, url, [FoundEntry(head.key, content)], [entry], total=1)
    reply.recorded = kept.answer.recorded
    return reply


async def _taken(service: Service, call: Call, *, confirm: bool) -> Kept[AppointmentCard]:
    """What the parameters ask for, done."""
    desk, occasion = service.desk, call.occasion
    rows = {str(row["name"]): row for row in rows_of(call)}
    unknown = rows.keys() - {"appointment-reference", "appt-resource", "patient-reference", "comment"}
    if unknown:
        raise InvalidRequest("This operation does not take this", expression=min(unknown)[:64])
    resource = rows.get("appt-resource", {}).get("resource")
    if isinstance(resource, dict):
        return await _given_whole(service, call, resource, confirm=confirm)
    key = _key(_reference(rows, "appointment-reference"), booking.KIND)
    proposal = read_proposal(key.id)
    if proposal is None:
        if confirm:
            return await appointments.confirmed(desk, occasion, key.id)
        return await _still_held(service, call, key.id)
    patient = _patient(call, rows)
    if confirm:
        low, high = proposal.span.start, proposal.span.start + timedelta(minutes=1)
        wanted = Wanted(patient, proposal.doctor, "PENDING", low, high)
        mine, _ = await listed(desk, occasion, wanted, after=None, count=1)
        if mine and mine[0].span == proposal.span:
            return await appointments.confirmed(desk, occasion, mine[0].id)
    form = AppointmentForm(patient, proposal.doctor, *proposal.span, notes=rows.get("comment", {}).get("valueString"))
    return await booking.made(desk, occasion, form, confirm=confirm)


async def _still_held(service: Service, call: Call, logical_id: str) -> Kept[AppointmentCard]:
    """A hold that is held already. Raises `Conflict` for an appointment in any other state."""
    kept = await appointments.shown(service.desk, call.occasion, logical_id)
    state = kept.card.state(service.parts.clock())
    if state != "PENDING":
        raise Conflict(
            "This appointment is not on offer", reason="hold_expired" if state == "EXPIRED" else "not_proposed"
        )
    return kept


async def _given_whole(service: Service, call: Call, resource: FhirJson, *, confirm: bool) -> Kept[AppointmentCard]:
    """Book, move or cancel the appointment that a client wrote down as it should be."""
    desk, occasion = service.desk, call.occasion
    if resource.get("resourceType") != booking.KIND:
        raise InvalidRequest("'appt-resource' is an Appointment", expression="Parameters.parameter")
    service.parts.validate.check(resource)
    card = desk.records.from_fhir({"id": "", **resource}, version=0, updated=service.parts.clock())
    if card.id and read_proposal(card.id) is None:
        if card.status == "cancelled" and confirm:
            why = card.cancellation or Cancellation()
            return await appointments.cancelled(desk, occasion, card.id, text=why.text, code=why.code)
        changes = AppointmentChanges(card.start, card.end, card.reason, card.notes, card.patient_instructions)
        moved = await appointments.amended(desk, occasion, card.id, changes)
        pending = moved.card.state(service.parts.clock()) == "PENDING"
        return await appointments.confirmed(desk, occasion, card.id) if confirm and pending else moved
    if card.patient_id is None or card.doctor_id is None or card.span is None:
        raise InvalidRequest(
            "It names no patient, practitioner, start or end", code="required", expression="Appointment"
        )
    form = AppointmentForm(
        card.patient_id, card.doctor_id, *card.span, card.reason, card.notes, card.patient_instructions, card.mode
    )
    return await booking.made(desk, occasion, form, confirm=confirm)


async def _doctors(service: Service, call: Call, given: Given) -> Sequence[Doctor]:
    """Whose calendars are asked for: those named, in their order, or all of a specialty or organization."""
    desk, named = service.desk, given.get("practitioner", [])
    if named:
        keys = [_key(each, "Practitioner") for each in named[:_MOST_DOCTORS]]
        return [await doctors.shown(desk.parts, desk.doctors, call.occasion, key.id) for key in keys]
    more = [(name, ",".join(given[name])) for name in ("specialty", "organization") if name in given]
    found, _ = await doctors.listed(desk.parts, desk.doctors, call.occasion, more=more, after=None, count=_MOST_DOCTORS)
    return found


def _given(call: Call) -> Given:
    """The parameters by name, in order: of the URL, and of a Parameters body."""
    found: Given = {}
    for name, value in call.exchange.pairs:
        found.setdefault(name, []).append(value)
    for row in rows_of(call):
        found.setdefault(str(row["name"]), []).append(_text(row))
    return found


def _text(row: FhirJson) -> str:
    """A parameter of a body as it would stand in a URL; empty for what could not stand there."""
    if isinstance(row.get("valueReference"), dict):
        return str(row["valueReference"].get("reference", ""))
    return next(
        (str(each) for name, each in row.items() if name.startswith("value") and not isinstance(each, dict)), ""
    )


def _one(given: Given, name: str) -> str | None:
    return next(iter(given.get(name, ())), None)


def _time(given: Given, name: str) -> datetime:
    text = _one(given, name)
    if text is None:
        raise InvalidRequest(f"$find needs '{name}'", code="required", expression=name)
    try:
        found = moment(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidRequest("A dateTime is a date, or a time with a zone", code="value", expression=name)
    return found


def _key(text: str, kind: str) -> ResourceKey:
    literal = parse_reference(text if "/" in text else f"{kind}/{text}")
    if literal is None or literal.key.type != kind:
        raise InvalidRequest(f"This is a reference to a {kind}", code="value", expression=kind)
    return literal.key


def _reference(rows: dict[str, FhirJson], name: str) -> str:
    value = rows.get(name, {}).get("valueReference", {})
    text = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidRequest(f"This operation needs '{name}'", code="required", expression=name)
    return text


def _patient(call: Call, rows: dict[str, FhirJson]) -> str:
    """For whom: as named, or the patient who asks."""
    if "patient-reference" in rows:
        return _key(_reference(rows, "patient-reference"), "Patient").id
    caller = call.occasion.caller
    own = [each.partition("/")[2] for each in caller.profiles if each.startswith("Patient/")]
    found = caller.patient or (own[0] if len(own) == 1 else None)
    if found is None:
        raise InvalidRequest("For whom: name 'patient-reference'", code="required", expression="patient-reference")
    return found
