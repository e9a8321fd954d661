"""Appointments over /api/v1: held, confirmed, moved, cancelled, completed; by whom, and as FHIR sees it."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest

from api.video import DemonstrationRooms
from domain.clinic.expiring import write_down
from tests.api.v1.practice import Json, Practice, clock, later, text, tomorrow


class Booking:
    """A doctor, a patient, and a client to book with."""

    def __init__(self, practice: Practice, doctor: str, patient: str) -> None:
        self.practice, self.doctor, self.patient = practice, doctor, patient
        self.web = practice.desk

    def body(self, start: datetime, **more: object) -> Json:
        return {"patientId": self.patient, "doctorId": self.doctor, "start": text(start), **more}

    async def book(self, start: datetime, **more: object) -> httpx.Response:
        return await self.web.post("/appointments", json=self.body(start, **more))

    async def made(self, start: datetime, **more: object) -> Json:
        answer = await self.book(start, **more)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def do(self, made: Json, verb: str, body: Json | None = None) -> httpx.Response:
        return await self.web.post(f"/appointments/{made['id']}/{verb}", json=body)

    async def free(self, start: datetime, minutes: int = 30) -> bool:
        query = {"from": text(start), "to": text(start + timedelta(minutes=minutes))}
        shown = await self.practice.desk.get(f"/doctors/{self.doctor}/availability", params=query)
        return bool(shown.json()["slots"])

    async def fhir(self, kind: str, made: Json) -> httpx.Response:
        return await self.practice.fhir.get(f"/{kind}/{made['id']}")


@pytest.fixture
async def booking(practice: Practice) -> Booking:
    return Booking(practice, await practice.doctor(), await practice.patient())


async def test_a_time_is_held_then_confirmed_and_fhir_sees_the_same(booking: Booking) -> None:
    start = tomorrow()
    made = await booking.made(start, reason="Check-up", notes="Bring the letter", mode="VIDEO")
    assert (made["status"], made["version"], made["mode"]) == ("PENDING", 1, "VIDEO")
    assert datetime.fromisoformat(made["start"]) == start
    assert made["start"].endswith(("+01:00", "+02:00"))
    expires = datetime.fromisoformat(made["holdExpiresAt"]) - datetime.fromisoformat(made["createdAt"])
    assert timedelta(minutes=9) < expires <= timedelta(minutes=10, seconds=1)
    assert not await booking.free(start)
    slot = (await booking.fhir("Slot", made)).json()
    assert slot["status"] == "busy-tentative"
    assert booking.patient not in str(slot)
    assert (await booking.fhir("Appointment", made)).json()["status"] == "pending"
    confirmed = await booking.do(made, "confirm")
    assert (confirmed.status_code, confirmed.json()["status"]) == (200, "CONFIRMED"), confirmed.text
    assert confirmed.headers["etag"] == 'W/"2"'
    assert (await booking.fhir("Slot", made)).json()["status"] == "busy"
    appointment = (await booking.fhir("Appointment", made)).json()
    assert [each["status"] for each in appointment["participant"]] == ["accepted", "accepted"]
    assert (appointment["status"], appointment["comment"]) == ("booked", "Bring the letter")
    for kind in ("Appointment", "Slot"):
        checked = (await booking.practice.fhir.get(f"/{kind}/{made['id']}/$validate")).json()
        assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")], checked
    query = f"/Appointment?practitioner=Practitioner/{booking.doctor}&status=booked&date=ge{text(start)}"
    found = (await booking.practice.fhir.get(query)).json()
    assert [each["resource"]["id"] for each in found["entry"]] == [made["id"]]
    again = await booking.do(made, "confirm")
    assert (again.status_code, again.json()["code"]) == (409, "already_confirmed")


async def test_a_taken_time_is_refused_with_other_times(booking: Booking) -> None:
    start, other = tomorrow(), Booking(booking.practice, booking.doctor, await booking.practice.patient())
    await booking.made(start, confirm=True)
    for minutes in (0, 5, -10, 25):
        refused = await other.book(start + timedelta(minutes=minutes))
        assert (refused.status_code, refused.json()["code"]) == (409, "slot_taken"), refused.text
    offered = refused.json()["alternatives"]
    assert len(offered) == 5
    first = datetime.fromisoformat(offered[0]["start"])
    assert await other.free(first)
    await other.made(first, confirm=True)


async def test_a_patient_is_in_one_place_at_a_time(booking: Booking) -> None:
    start, other = tomorrow(), Booking(booking.practice, await booking.practice.doctor(), booking.patient)
    await booking.made(start)
    refused = await other.book(start + timedelta(minutes=15))
    assert (refused.status_code, refused.json()["code"]) == (409, "patient_busy")
    for each in refused.json()["alternatives"]:
        assert not start < datetime.fromisoformat(each["end"]) <= start + timedelta(minutes=30)
    await other.made(start + timedelta(minutes=30))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"start": "2020-01-01T09:00:00Z"}, "in_past"),
        ({"start": "9999-12-31T23:55:00Z"}, "too_far"),
        ({"start": "0001-01-01T00:00:00+14:00"}, "in_past"),
        ({"start": text(tomorrow(9, 3))}, "invalid_fields"),
        ({"end": text(tomorrow(9, 33))}, "invalid_fields"),
        ({"end": text(tomorrow(8))}, "invalid_fields"),
        ({"end": text(tomorrow(18))}, "invalid_fields"),
        ({"start": "2027-01-01T09:00:00"}, "invalid_fields"),
        ({"colour": "red"}, "invalid_fields"),
    ],
)
async def test_a_time_nobody_can_book_is_refused(booking: Booking, change: Json, code: str) -> None:
    answer = await booking.web.post("/appointments", json={**booking.body(tomorrow()), **change})
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


async def test_nobody_is_booked_when_the_doctor_does_not_work(booking: Booking) -> None:
    start = tomorrow(9)
    hours = {"timezone": "UTC", "weekly": [{"days": [start.strftime("%a").lower()], "start": "09:00", "end": "12:00"}]}
    working = Booking(booking.practice, await booking.practice.doctor(workSchedule=hours), booking.patient)
    for moment in (tomorrow(8, 45), tomorrow(11, 45), tomorrow(9, days=3)):
        refused = await working.book(moment)
        assert (refused.status_code, refused.json()["code"]) == (422, "outside_hours"), refused.text
    await working.made(tomorrow(11, 30))
    unknown = await Booking(booking.practice, "nobody", booking.patient).book(start)
    assert unknown.status_code == 404


async def test_a_cancelled_time_is_free_at_once(booking: Booking) -> None:
    start = tomorrow()
    for confirm in (False, True):
        made = await booking.made(start, confirm=confirm)
        gone = await booking.do(made, "cancel", {"reason": "Better again", "reasonCode": "pat-fb"})
        assert (gone.status_code, gone.json()["status"]) == (200, "CANCELLED"), gone.text
        assert gone.json()["cancellation"] == {"reason": "Better again", "reasonCode": "pat-fb"}
        assert await booking.free(start)
        assert (await booking.fhir("Slot", made)).status_code == 410
        stored = (await booking.fhir("Appointment", made)).json()
        assert stored["cancelationReason"]["coding"][0]["code"] == "pat-fb"
        assert (await booking.do(made, "cancel", {})).json()["version"] == gone.json()["version"]
        assert (await booking.do(made, "confirm")).json()["code"] == "already_cancelled"
    made = await booking.made(start)
    assert (await booking.web.delete(f"/appointments/{made['id']}")).status_code == 204
    assert (await booking.web.get(f"/appointments/{made['id']}")).json()["status"] == "CANCELLED"
    await booking.made(start)


async def test_an_appointment_moves_and_keeps_its_id(booking: Booking) -> None:
    start = tomorrow()
    made = await booking.made(start, confirm=True)
    other = Booking(booking.practice, booking.doctor, await booking.practice.patient())
    await other.made(start + timedelta(hours=1), confirm=True)
    taken = await booking.do(made, "reschedule", {"start": text(start + timedelta(hours=1))})
    assert (taken.status_code, taken.json()["code"]) == (409, "slot_taken")
    moved = await booking.do(made, "reschedule", {"start": text(start + timedelta(minutes=10))})
    assert (moved.status_code, moved.json()["status"], moved.json()["id"]) == (200, "CONFIRMED", made["id"]), moved.text
    assert (await other.book(start + timedelta(minutes=5))).status_code == 409
    assert (await other.book(start, end=text(start + timedelta(minutes=10)))).status_code == 201
    slot = (await booking.fhir("Slot", made)).json()
    assert datetime.fromisoformat(slot["start"]) == start + timedelta(minutes=10)
    etag = moved.headers["etag"]
    address = f"/appointments/{made['id']}"
    put = await booking.web.put(address, json={"notes": "New"}, headers={"if-match": etag})
    assert (put.status_code, put.json()["notes"], put.json()["start"]) == (200, "New", moved.json()["start"])
    assert (await booking.web.put(address, json={"notes": "Newer"}, headers={"if-match": etag})).status_code == 412
    again = await booking.web.put(address, json={"start": text(start + timedelta(hours=3))})
    assert (again.status_code, again.json()["notes"]) == (200, "New")
    assert await booking.free(start + timedelta(minutes=30))


async def test_a_hold_runs_out_by_itself(booking: Booking) -> None:
    start, other = tomorrow(), Booking(booking.practice, booking.doctor, await booking.practice.patient())
    made = await booking.made(start)
    with clock(booking.practice, later(11)):
        assert (await booking.web.get(f"/appointments/{made['id']}")).json()["status"] == "EXPIRED"
        assert await booking.free(start)
        late = await booking.do(made, "confirm")
        assert (late.status_code, late.json()["code"]) == (409, "hold_expired")
        thief = await other.made(start)
        for state, expected in (("EXPIRED", [made["id"]]), ("PENDING", [thief["id"]])):
            query = {"doctorId": booking.doctor, "status": state, "fields": "id"}
            assert (await booking.web.get("/appointments", params=query)).json()["items"] == [
                {"id": each} for each in expected
            ]
        desk = booking.practice.clinic.app.state.v1._service.desk
        await write_down(desk)
        assert (await booking.fhir("Appointment", made)).json()["status"] == "cancelled"
        assert (await booking.fhir("Slot", made)).status_code == 410
        shown = (await booking.web.get(f"/appointments/{made['id']}")).json()
        assert (shown["status"], shown["cancellation"]) == ("EXPIRED", None)
        assert (await other.do(thief, "confirm")).status_code == 200
        await write_down(desk)
        assert (await other.web.get(f"/appointments/{thief['id']}")).json()["status"] == "CONFIRMED"


async def test_a_visit_is_completed_by_its_doctor_once(booking: Booking) -> None:
    made = await booking.made(tomorrow(), confirm=True, reason="Check-up")
    practice = booking.practice
    doctor, colleague = await practice.as_doctor(booking.doctor), await practice.as_doctor(await practice.doctor())
    address = f"/appointments/{made['id']}/complete"
    assert (await colleague.post(address)).status_code == 404
    assert (await (await practice.as_patient(booking.patient)).post(address)).json()["code"] == "not_the_doctor"
    assert (await (await practice.as_receptionist()).post(address)).json()["code"] == "not_the_doctor"
    done = await doctor.post(address)
    assert (done.status_code, done.json()["status"]) == (200, "COMPLETED"), done.text
    encounter = (await practice.fhir.get(f"/Encounter/{done.json()['encounterId']}")).json()
    assert (encounter["status"], encounter["appointment"][0]["reference"]) == ("finished", f"Appointment/{made['id']}")
    for verb, body in (
        ("complete", None),
        ("cancel", {}),
        ("reschedule", {"start": text(tomorrow(12))}),
        ("confirm", None),
    ):
        refused = await booking.do(made, verb, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "already_completed"), verb


async def test_who_did_not_come_is_recorded_once_it_has_begun(booking: Booking) -> None:
    start = tomorrow()
    made = await booking.made(start, confirm=True)
    assert (await booking.do(made, "no-show")).json()["code"] == "not_started"
    patient = await booking.practice.as_patient(booking.patient)
    with clock(booking.practice, lambda: start + timedelta(minutes=20)):
        assert (await patient.post(f"/appointments/{made['id']}/no-show")).status_code == 403
        done = await booking.do(made, "no-show")
        assert (done.status_code, done.json()["status"]) == (200, "NO_SHOW")
    assert (await booking.fhir("Appointment", made)).json()["status"] == "noshow"


async def test_everybody_books_for_whom_they_may(booking: Booking) -> None:
    practice, start = booking.practice, tomorrow()
    stranger = await practice.as_patient(await practice.patient())
    patient = await practice.as_patient(booking.patient)
    nurse = practice.web(await practice.clinic.token("NURSE", organizations=(f"Organization/{practice.organization}",)))
    assert (await stranger.post("/appointments", json=booking.body(start))).status_code == 404
    assert (await nurse.post("/appointments", json=booking.body(start))).status_code == 403
    made = await patient.post("/appointments", json=booking.body(start))
    assert made.status_code == 201, made.text
    address = f"/appointments/{made.json()['id']}"
    for verb in ("confirm", "cancel"):
        assert (await stranger.post(f"{address}/{verb}", json={})).status_code == 404
        assert (await nurse.post(f"{address}/{verb}", json={})).status_code == 403
    assert (await stranger.get(address)).status_code == 404
    assert (await nurse.get(address)).status_code == 200
    assert (await patient.post(f"{address}/confirm")).status_code == 200
    doctor, desk = await practice.as_doctor(booking.doctor), await practice.as_receptionist()
    assert (await doctor.get(address)).status_code == 200
    moved = await desk.post(f"{address}/reschedule", json={"start": text(start + timedelta(hours=2))})
    assert moved.status_code == 200, moved.text
    assert (await stranger.get("/appointments")).json()["items"] == []
    for web in (patient, doctor, desk, nurse):
        items = (await web.get("/appointments", params={"patientId": booking.patient})).json()["items"]
        assert [each["id"] for each in items] == [made.json()["id"]]
    follow_up = await doctor.post("/appointments", json=booking.body(start + timedelta(hours=4)))
    assert follow_up.status_code == 201, follow_up.text
    cancelled = await doctor.post(f"{address}/cancel", json={"reason": "Ill"})
    assert cancelled.json()["cancellation"] == {"reason": "Ill", "reasonCode": "prov"}


async def test_lists_are_filtered_sorted_and_paged(booking: Booking) -> None:
    start = tomorrow()
    made = [await booking.made(start + timedelta(hours=each), confirm=each > 0) for each in range(3)]
    ids = [each["id"] for each in made]
    for query, expected in (
        ({"doctorId": booking.doctor}, ids),
        ({"patientId": booking.patient, "sort": "-date"}, ids[::-1]),
        ({"doctorId": booking.doctor, "status": "SCHEDULED"}, ids[1:]),
        ({"doctorId": booking.doctor, "status": "PENDING"}, ids[:1]),
        ({"doctorId": booking.doctor, "status": "CANCELED"}, []),
        ({"doctorId": booking.doctor, "from": text(start + timedelta(hours=1)), "to": text(start + timedelta(hours=2))}, ids[1:2]),
    ):  # fmt: skip
        found = await booking.web.get("/appointments", params=query)
        assert [each["id"] for each in found.json()["items"]] == expected, (query, found.text)
    one = (await booking.web.get("/appointments", params={"doctorId": booking.doctor, "limit": 2})).json()
    query = {"doctorId": booking.doctor, "limit": 2, "cursor": one["next"]}
    two = (await booking.web.get("/appointments", params=query)).json()
    assert [each["id"] for each in one["items"] + two["items"]] == ids
    assert two["next"] is None


async def test_a_person_holds_only_so_much_at_once(booking: Booking) -> None:
    patient = await booking.practice.as_patient(booking.patient)
    start = tomorrow()
    made = []
    for number in range(5):
        made.append(await patient.post("/appointments", json=booking.body(start + timedelta(hours=number))))
        assert made[-1].status_code == 201, made[-1].text
    refused = await patient.post("/appointments", json=booking.body(start + timedelta(hours=9)))
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_holds")
    assert int(refused.headers["retry-after"]) > 0
    assert (await patient.post(f"/appointments/{made[0].json()['id']}/confirm")).status_code == 200
    again = await patient.post("/appointments", json=booking.body(start + timedelta(hours=9)))
    assert again.status_code == 201


async def test_conflicts_are_told_without_booking_anything(booking: Booking) -> None:
    start = tomorrow()
    made = await booking.made(start)
    other = await booking.practice.doctor()
    address = "/appointments/conflicts"
    free = (await booking.web.post(address, json=booking.body(start + timedelta(hours=1)))).json()
    assert free == {"conflicts": [], "alternatives": []}
    both = (await booking.web.post(address, json=booking.body(start))).json()
    assert [each["code"] for each in both["conflicts"]] == ["slot_taken", "patient_busy"]
    assert both["alternatives"]
    busy = (await booking.web.post(address, json={**booking.body(start), "doctorId": other})).json()
    assert [each["code"] for each in busy["conflicts"]] == ["patient_busy"]
    moving = {**booking.body(start + timedelta(minutes=5)), "appointmentId": made["id"]}
    assert (await booking.web.post(address, json=moving)).json()["conflicts"] == []
    past = (await booking.web.post(address, json=booking.body(tomorrow(days=-3)))).json()
    assert [each["code"] for each in past["conflicts"]] == ["in_past"]


async def test_what_a_fhir_client_wrote_into_the_calendar_counts(booking: Booking) -> None:
    start = tomorrow()
    actors = [f"Patient/{await booking.practice.patient()}", f"Practitioner/{booking.doctor}"]
    foreign = {
        "resourceType": "Appointment",
        "id": f"raw{booking.patient}",
        "status": "booked",
        "start": text(start),
        "end": text(start + timedelta(minutes=30)),
        "participant": [{"actor": {"reference": each}, "status": "accepted"} for each in actors],
    }
    await booking.practice.store(foreign)
    assert not await booking.free(start)
    assert (await booking.book(start)).json()["code"] == "slot_taken"
    await booking.practice.store({**foreign, "status": "cancelled"})
    assert await booking.free(start)
    role = [actors[0], f"PractitionerRole/{booking.doctor}"]
    named = [{"actor": {"reference": each}, "status": "accepted"} for each in role]
    await booking.practice.store({**foreign, "id": f"role{booking.patient}", "participant": named})
    assert not await booking.free(start)
    await booking.practice.store({**foreign, "id": f"role{booking.patient}", "status": "cancelled"})
    made = await booking.made(start, confirm=True)
    stored = (await booking.fhir("Appointment", made)).json()
    other = Booking(booking.practice, booking.doctor, await booking.practice.patient())
    moved = {"start": text(start + timedelta(hours=5)), "end": text(start + timedelta(hours=5, minutes=30))}
    await booking.practice.store({**stored, **moved})
    assert await booking.free(start)
    assert not await booking.free(start + timedelta(hours=5))
    assert (await other.book(start + timedelta(hours=5))).json()["code"] == "slot_taken"
    await other.made(start)
    await booking.practice.store({**stored, **moved, "status": "cancelled"})
    await other.made(start + timedelta(hours=5))


async def test_a_buffer_is_kept_on_both_sides(booking: Booking) -> None:
    start = tomorrow()
    hours = {"timezone": "UTC", "bufferMinutes": 10, "weekly": [{"days": [start.strftime("%a").lower()], "start": "06:00", "end": "20:00"}]}  # fmt: skip
    name = await booking.practice.doctor(workSchedule=hours)
    await Booking(booking.practice, name, booking.patient).made(start)
    other = Booking(booking.practice, name, await booking.practice.patient())
    for minutes, status in ((-35, 409), (-40, 201), (35, 409), (40, 201)):
        answer = await other.book(start + timedelta(minutes=minutes))
        assert answer.status_code == status, (minutes, answer.text)


async def test_a_video_call_is_for_those_who_take_part(booking: Booking) -> None:
    practice, start = booking.practice, tomorrow()
    made = await booking.made(start, confirm=True, mode="VIDEO")
    address = f"/appointments/{made['id']}/video-session"
    patient, doctor = await practice.as_patient(booking.patient), await practice.as_doctor(booking.doctor)
    assert (await patient.post(address)).status_code == 501
    surface = practice.clinic.app.state.v1
    before = surface._service
    rooms = DemonstrationRooms("https://video.example.org/r/", b"k" * 32)
    surface._service = before._replace(desk=before.desk._replace(rooms=rooms))
    try:
        one, two = [(await web.post(address)).json() for web in (patient, doctor)]
        assert one["joinUrl"].partition("#")[0] == two["joinUrl"].partition("#")[0] != one["joinUrl"]
        assert one["joinUrl"].startswith("https://video.example.org/r/")
        assert datetime.fromisoformat(one["expiresAt"]) == start + timedelta(hours=1)
        assert made["id"] not in one["joinUrl"]
        desk = await (await practice.as_receptionist()).post(address)
        assert (desk.status_code, desk.json()["code"]) == (403, "not_a_participant")
        plain = await booking.made(start + timedelta(hours=2), confirm=True)
        assert (await patient.post(f"/appointments/{plain['id']}/video-session")).json()["code"] == "not_video"
    finally:
        surface._service = before
