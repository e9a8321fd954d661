"""Appointments, Slots and Encounters as FHIR and back: https://hl7.org/fhir/R4/appointment.html"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from domain.clinic.appointment_cards import AppointmentCard, Cancellation, SlotCard
from domain.clinic.availability import Span
from domain.identity import FhirJson, ResourceKey
from fhir_mapping.friendly.appointments import Appointments
from fhir_mapping.validation import Validation

START = datetime(2026, 11, 23, 10, 30, tzinfo=ZoneInfo("Europe/Berlin"))
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
CARD = AppointmentCard(
    id="a1",
    version=3,
    updated_at=NOW,
    status="pending",
    patient_id="p1",
    doctor_id="d1",
    start=START,
    end=START + timedelta(minutes=20),
    created_at=NOW,
    reason="Cough",
    notes="Bring the letter",
    patient_instructions="Do not eat before",
    mode="VIDEO",
    hold_expires_at=NOW + timedelta(minutes=10),
    slot=ResourceKey("Slot", "a1"),
)


def there_and_back(card: AppointmentCard, base: FhirJson | None = None) -> AppointmentCard:
    content = Appointments().to_fhir(card, base=base)
    Validation().check(content)
    return Appointments().from_fhir({**content, "id": card.id}, version=card.version, updated=card.updated_at)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "booked", "hold_expires_at": None},
        {"status": "cancelled", "cancellation": Cancellation("pat", "Better"), "slot": None, "hold_expires_at": None},
        {"status": "cancelled", "cancellation": Cancellation("prov")},
        {"status": "fulfilled", "encounter": ResourceKey("Encounter", "a1"), "invoice": ResourceKey("Invoice", "a1")},
        {"reason": None, "notes": None, "patient_instructions": None, "mode": "IN_PERSON"},
    ],
)
def test_a_card_comes_back_as_it_went(changes: dict[str, object]) -> None:
    card = msgspec.structs.replace(CARD, **changes)
    assert there_and_back(card) == card
    base = Appointments().to_fhir(CARD, base=None)
    assert there_and_back(card, base) == card


def test_times_are_written_on_the_clock_they_came_in() -> None:
    content = Appointments().to_fhir(CARD, base=None)
    assert (content["start"], content["minutesDuration"]) == ("2026-11-23T10:30:00+01:00", 20)
    utc = msgspec.structs.replace(CARD, start=START.astimezone(UTC), end=START.astimezone(UTC) + timedelta(hours=1))
    assert Appointments().to_fhir(utc, base=None)["start"] == "2026-11-23T09:30:00Z"


def test_what_a_card_cannot_say_stays() -> None:
    coded = {"coding": [{"system": "http://snomed.info/sct", "code": "49727002", "display": "Cough"}]}
    base: FhirJson = {
        **Appointments().to_fhir(CARD, base=None),
        "reasonCode": [coded],
        "priority": 5,
        "extension": [{"url": "urn:other", "valueString": "x"}],
    }
    kept = Appointments().to_fhir(msgspec.structs.replace(CARD, notes="Other"), base=base)
    assert (kept["reasonCode"], kept["priority"], kept["comment"]) == ([coded], 5, "Other")
    assert {"url": "urn:other", "valueString": "x"} in kept["extension"]
    assert base["comment"] == "Bring the letter"


def test_a_hold_that_ran_out_is_expired_from_that_moment_on() -> None:
    ends = CARD.hold_expires_at
    assert ends is not None
    assert [CARD.state(ends + timedelta(seconds=each)) for each in (-1, 0)] == ["PENDING", "EXPIRED"]
    written = msgspec.structs.replace(CARD, status="cancelled", cancellation=Cancellation(expired=True))
    assert there_and_back(written).state(NOW) == "EXPIRED"
    assert not written.takes_time(NOW)


@pytest.mark.parametrize(
    ("status", "state"),
    [("proposed", "PENDING"), ("arrived", "CONFIRMED"), ("entered-in-error", "CANCELLED"), ("noshow", "NO_SHOW")],
)
def test_codes_of_other_clients_have_a_word(status: str, state: str) -> None:
    content = {"resourceType": "Appointment", "id": "x", "status": status, "participant": [{"status": "accepted"}]}
    card = Appointments().from_fhir(content, version=1, updated=NOW)
    assert (card.state(NOW), card.span, card.doctor_id) == (state, None, None)


def test_a_slot_says_when_and_nothing_of_anybody() -> None:
    slot = SlotCard(Span(START, START + timedelta(minutes=20)), "busy-tentative", NOW, 3)
    content = Appointments().slot(slot, schedule=ResourceKey("Schedule", "d1"))
    Validation().check(content)
    assert Appointments().from_slot(content) == slot
    assert "Patient" not in str(content)


def test_a_visit_that_was_completed_early_has_no_end_before_its_start() -> None:
    done = Appointments().encounter(CARD, now=NOW)
    Validation().check(done)
    assert done["period"]["start"] == done["period"]["end"] == "2026-11-20T08:00:00Z"
    assert done["class"]["code"] == "VR"
    after = Appointments().encounter(CARD, now=START + timedelta(hours=2))
    assert after["period"] == {"start": "2026-11-23T09:30:00Z", "end": "2026-11-23T09:50:00Z"}
