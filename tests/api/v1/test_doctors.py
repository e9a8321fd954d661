"""Doctors over /api/v1: the directory, hours, and when somebody can be booked."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.v1.practice import ALWAYS, Json, Practice, text, tomorrow

FULL: Json = {
    "firstName": "Mira",
    "lastName": "Okonkwo",
    "specialization": ["Cardiology", "Sports medicine"],
    "contact": {"phone": "+49 30 1", "email": "mira@example.org", "other": ["room 4"]},
    "qualifications": [{"name": "MD", "issuer": "Charité", "year": 2009}],
    "workSchedule": {
        "timezone": "Europe/Berlin",
        "slotMinutes": 20,
        "bufferMinutes": 5,
        "weekly": [{"days": ["mon", "wed"], "start": "09:00", "end": "17:00"}],
        "exceptions": [
            {"date": "2027-12-24", "closed": True},
            {"date": "2027-12-22", "start": "10:00", "end": "12:00"},
        ],
    },
}


async def test_a_doctor_is_shown_as_added_and_stands_in_three_resources(practice: Practice) -> None:
    organization = f"Organization/{practice.organization}"
    made = await practice.desk.post("/doctors", json={**FULL, "organizationId": organization})
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    assert made.headers["location"] == f"/api/v1/doctors/{name}"
    shown = await practice.desk.get(f"/doctors/{name}")
    assert shown.headers["etag"] == f'W/"{shown.json()["version"]}"'
    assert shown.json() == made.json()
    days = [{**day, "closed": day.get("closed", False)} for day in FULL["workSchedule"]["exceptions"]]
    days = [{"start": None, "end": None, **day} for day in days]
    expected = {**FULL, "organizationId": organization, "workSchedule": {**FULL["workSchedule"], "exceptions": days}}
    assert {field: shown.json()[field] for field in expected} == expected
    role = (await practice.fhir.get(f"/PractitionerRole/{name}")).json()
    assert role["availableTime"][0]["availableStartTime"] == "09:00:00"
    assert role["notAvailable"][0]["during"] == {"start": "2027-12-24", "end": "2027-12-24"}
    for kind in ("Practitioner", "PractitionerRole", "Schedule"):
        checked = (await practice.fhir.get(f"/{kind}/{name}/$validate")).json()
        assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")], checked
    found = (await practice.fhir.get(f"/Schedule?actor=Practitioner/{name}")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [name]


async def test_a_change_writes_only_what_differs_and_keeps_what_it_does_not_say(practice: Practice) -> None:
    name = await practice.doctor(specialization=["Neurology"])
    person = (await practice.fhir.get(f"/Practitioner/{name}")).json()
    await practice.store({**person, "birthDate": "1980-01-01"})
    body = {"firstName": "Mira", "lastName": person["name"][0]["family"], "specialization": ["Neurology", "Urology"]}
    before = (await practice.desk.get(f"/doctors/{name}")).headers["etag"]
    changed = await practice.desk.put(f"/doctors/{name}", json=body, headers={"if-match": before})
    assert changed.status_code == 200, changed.text
    assert changed.json()["specialization"] == ["Neurology", "Urology"]
    assert changed.json()["workSchedule"]["weekly"][0]["end"] == "24:00"
    person = (await practice.fhir.get(f"/Practitioner/{name}")).json()
    assert (person["birthDate"], person["meta"]["versionId"]) == ("1980-01-01", "2")
    stale = await practice.desk.put(f"/doctors/{name}", json=body, headers={"if-match": before})
    assert stale.status_code == 412
    same = await practice.desk.put(f"/doctors/{name}", json=body)
    assert same.json()["version"] == changed.json()["version"]


@pytest.mark.parametrize(
    ("schedule", "path"),
    [
        ({"timezone": "Europe/Nowhere"}, "workSchedule.timezone"),
        ({"timezone": "UTC", "slotMinutes": 7}, "workSchedule.slotMinutes"),
        (
            {"timezone": "UTC", "weekly": [{"days": ["mon"], "start": "9", "end": "17:00"}]},
            "workSchedule.weekly[0].start",
        ),
        (
            {"timezone": "UTC", "exceptions": [{"date": "2027-02-30", "closed": True}]},
            "workSchedule.exceptions[0].date",
        ),
        ({"timezone": "UTC", "exceptions": [{"date": "2027-02-20"}]}, "workSchedule.exceptions[0]"),
    ],
)
async def test_hours_that_cannot_be_are_refused_by_name(practice: Practice, schedule: Json, path: str) -> None:
    answer = await practice.desk.post("/doctors", json={"firstName": "A", "lastName": "B", "workSchedule": schedule})
    assert (answer.status_code, answer.json()["errors"][0]["path"].replace("[...]", "[0]")) == (422, path), answer.text


async def test_administrators_add_and_change_the_doctors_of_their_organization_and_no_others(
    practice: Practice,
) -> None:
    other = Practice(practice.clinic, "")
    admin = await practice.as_admin()
    made = await admin.post("/doctors", json={"firstName": "A", "lastName": "Bo", "workSchedule": ALWAYS})
    assert made.status_code == 201, made.text
    name = made.json()["id"]
    assert made.json()["organizationId"] == f"Organization/{practice.organization}"
    body = {"firstName": "A", "lastName": "Bauer"}
    assert (await admin.put(f"/doctors/{name}", json=body)).json()["fullName"] == "A Bauer"
    elsewhere = await admin.post("/doctors", json={**body, "organizationId": f"Organization/{other.organization}"})
    assert elsewhere.status_code == 403
    stranger = practice.web(await practice.clinic.token("ADMIN", organizations=("Organization/elsewhere",)))
    assert (await stranger.put(f"/doctors/{name}", json=body)).status_code == 403
    assert (await stranger.delete(f"/doctors/{name}")).status_code == 403
    assert (await admin.delete(f"/doctors/{name}")).status_code == 204
    assert (await admin.get(f"/doctors/{name}")).status_code == 410
    assert (await practice.fhir.get(f"/Practitioner/{name}/_history")).json()["total"] == 3


async def test_who_works_elsewhere_too_is_not_one_administrators_to_change(practice: Practice) -> None:
    elsewhere = Practice(practice.clinic, "")
    elsewhere.fhir = practice.fhir
    await elsewhere.fill()
    name, admin = await practice.doctor(lastName="Bo"), await practice.as_admin()
    body = {"firstName": "Mira", "lastName": "Bo"}
    taken = {"resourceType": "PractitionerRole", "practitioner": {"reference": f"Practitioner/{name}"}}
    taken["organization"] = {"reference": f"Organization/{elsewhere.organization}"}
    await practice.store({**taken, "id": f"0{name}"})
    hours = {**ALWAYS, "slotMinutes": 15}
    assert (await admin.put(f"/doctors/{name}", json={**body, "workSchedule": hours})).status_code == 200
    for web in (admin, await elsewhere.as_admin()):
        refused = await web.put(f"/doctors/{name}", json={**body, "lastName": "Bauer"})
        assert refused.status_code == 403, refused.text
        assert (await web.delete(f"/doctors/{name}")).status_code == 403
    assert (await practice.desk.get(f"/doctors/{name}")).json()["lastName"] == "Bo"


async def test_doctors_change_their_own_hours_and_patients_only_look(practice: Practice) -> None:
    name, colleague = await practice.doctor(), await practice.doctor()
    doctor, patient = await practice.as_doctor(name), await practice.as_patient(await practice.patient())
    hours = {**ALWAYS, "weekly": [{"days": ["tue"], "start": "08:00", "end": "12:00"}]}
    body = {"firstName": "Mira", "lastName": "Okonkwo", "workSchedule": hours}
    assert (await doctor.put(f"/doctors/{name}", json=body)).json()["workSchedule"]["weekly"] == hours["weekly"]
    assert (await doctor.put(f"/doctors/{colleague}", json=body)).status_code == 403
    assert (await doctor.post("/doctors", json=body)).status_code == 403
    for refused in (patient.put(f"/doctors/{name}", json=body), patient.delete(f"/doctors/{name}")):
        assert (await refused).status_code == 403
    assert (await patient.get(f"/doctors/{name}")).status_code == 200
    assert (await patient.get("/doctors/nobody")).status_code == 404
    assert (await patient.get("/doctors")).status_code == 200


async def test_doctors_are_found_by_what_they_do_their_name_and_their_free_time(practice: Practice) -> None:
    mark = f"zq{secrets.token_hex(4)}"
    knows = await practice.doctor(lastName=mark, specialization=["Cardiology"])
    other = await practice.doctor(lastName=mark, specialization=["Falconry"], workSchedule={"timezone": "UTC"})
    start = tomorrow()
    free = {"availableFrom": text(start), "availableTo": text(start + timedelta(hours=1))}
    patient = await practice.as_patient(await practice.patient())
    for query, expected in (
        ({"q": mark}, {knows, other}),
        ({"q": mark, "specialization": "cardiology"}, {knows}),
        ({"q": mark, "specialization": "Falconry"}, {other}),
        ({"q": mark, **free}, {knows}),
        ({"q": f"{mark} mira"}, {knows, other}),
        ({"q": f"{mark} nobody"}, set()),
    ):
        found = await patient.get("/doctors", params=query)
        assert {each["id"] for each in found.json()["items"]} == expected, (query, found.text)
    one = (await patient.get("/doctors", params={"q": mark, "limit": 1})).json()
    two = (await patient.get("/doctors", params={"q": mark, "limit": 1, "cursor": one["next"], "fields": "id"})).json()
    assert {one["items"][0]["id"], two["items"][0]["id"]} == {knows, other}
    assert two["items"][0].keys() == {"id"}
    half = await patient.get("/doctors", params={"availableFrom": free["availableFrom"]})
    assert half.status_code == 422


@pytest.mark.parametrize(("day", "hours"), [("2027-03-28", 23), ("2027-10-31", 25), ("2027-06-01", 24)])
async def test_a_day_has_the_hours_it_has_when_clocks_change(practice: Practice, day: str, hours: int) -> None:
    name = await practice.doctor(workSchedule={**ALWAYS, "slotMinutes": 60})
    low = datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=UTC) - timedelta(hours=5)
    query = {"from": text(low), "to": text(low + timedelta(hours=36))}
    shown = (await practice.desk.get(f"/doctors/{name}/availability", params=query)).json()
    assert shown["timezone"] == "Europe/Berlin"
    starts = [each["start"] for each in shown["slots"] if each["start"].startswith(day)]
    assert len(starts) == len(set(starts)) == hours


async def test_a_calendar_is_shown_for_two_months_at_most_and_never_the_past(practice: Practice) -> None:
    name = await practice.doctor()
    now = datetime.now(UTC)
    address = f"/doctors/{name}/availability"
    for low, high, status in ((0, 62, 200), (0, 63, 422), (2, 1, 422), (800, 801, 422), (-9, -8, 200)):
        query = {"from": text(now + timedelta(days=low)), "to": text(now + timedelta(days=high))}
        answer = await practice.desk.get(address, params=query)
        assert answer.status_code == status, (low, high, answer.text)
    assert answer.json()["slots"] == []
    query = {"from": text(now - timedelta(days=100)), "to": text(now + timedelta(hours=5)), "duration": "45"}
    shown = (await practice.desk.get(address, params=query)).json()["slots"]
    assert shown
    assert all(datetime.fromisoformat(each["start"]) >= now for each in shown)
    first = shown[0]
    length = datetime.fromisoformat(first["end"]) - datetime.fromisoformat(first["start"])
    assert (length, first["status"]) == (timedelta(minutes=45), "free")
    assert (await practice.desk.get(address, params={**query, "to": "9999-12-31T23:59:59Z"})).status_code == 422
    without = await practice.desk.get(address, params={**query, "from": "2027-01-01T00:00:00"})
    assert without.status_code == 422


async def test_a_practitioner_of_another_client_has_no_times_until_there_is_a_schedule(practice: Practice) -> None:
    name = f"d{secrets.token_hex(4)}"
    await practice.store({"resourceType": "Practitioner", "id": name, "name": [{"text": "Dr. Elsewhere"}]})
    assert (await practice.desk.get(f"/doctors/{name}")).json()["fullName"] == "Dr. Elsewhere"
    query = {"from": text(tomorrow(9)), "to": text(tomorrow(11))}
    assert (await practice.desk.get(f"/doctors/{name}/availability", params=query)).json()["slots"] == []
    actor = {"reference": f"Practitioner/{name}"}
    times = {"daysOfWeek": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "allDay": True}
    await practice.store(
        {"resourceType": "PractitionerRole", "id": f"r{name}", "practitioner": actor, "availableTime": [times]}
    )
    await practice.store({"resourceType": "Schedule", "id": f"s{name}", "actor": [actor]})
    shown = (await practice.desk.get(f"/doctors/{name}/availability", params=query)).json()
    assert (shown["timezone"], len(shown["slots"])) == ("UTC", 4)
    block = {"resourceType": "Slot", "schedule": {"reference": f"Schedule/s{name}"}, "status": "busy-unavailable"}
    await practice.store(
        {**block, "id": f"b{name}", "start": text(tomorrow() - timedelta(days=30)), "end": text(tomorrow(10))}
    )
    left = (await practice.desk.get(f"/doctors/{name}/availability", params=query)).json()["slots"]
    assert [each["start"] for each in left] == [text(tomorrow(10)), text(tomorrow(10, 30))]
