"""Two organisations: a statement of one that somebody works there opens nothing of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import httpx
import pytest
from litestar import Litestar

from tests.api.fhir.callers import PROGRAM, admit, client_of, person
from tests.api.fhir.ward import Json, ref

HERE, THERE = "Organization/here", "Organization/there"
DOCTOR = "Practitioner/doctor"
"""Of THERE."""


class Town(NamedTuple):
    app: Litestar
    program: httpx.AsyncClient
    admin: httpx.AsyncClient
    reception: httpx.AsyncClient


def role(practitioner: str, organization: str, **more: Json) -> Json:
    return {
        "resourceType": "PractitionerRole",
        "practitioner": ref(practitioner),
        "organization": ref(organization),
        **more,
    }


def appointment(*actors: str) -> Json:
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2031-01-01T10:00:00Z",
        "end": "2031-01-01T10:30:00Z",
        "participant": [{"actor": ref(name), "status": "accepted"} for name in actors],
    }


THEIRS: dict[str, Json] = {
    DOCTOR: {"resourceType": "Practitioner"},
    "Practitioner/ours": {"resourceType": "Practitioner"},
    "PractitionerRole/there": role(DOCTOR, THERE),
    "PractitionerRole/here": role("Practitioner/ours", HERE),
    "Location/there": {"resourceType": "Location", "managingOrganization": ref(THERE)},
    "Patient/there": {"resourceType": "Patient", "generalPractitioner": [ref(DOCTOR)]},
    "Schedule/there": {"resourceType": "Schedule", "actor": [ref(DOCTOR)]},
    "Schedule/room": {"resourceType": "Schedule", "actor": [ref("Location/there")]},
    "Appointment/there": appointment("Patient/there", DOCTOR),
    "Appointment/room": appointment("Patient/there", "Location/there"),
    "Invoice/there": {
        "resourceType": "Invoice",
        "status": "issued",
        "subject": ref("Patient/there"),
        "participant": [{"actor": ref(DOCTOR)}],
    },
}
SEEN_BY_NAME = ("Patient/there", "Appointment/there", "Appointment/room", "Invoice/there")


@pytest.fixture
async def town(app: Litestar) -> AsyncIterator[Town]:
    admit(
        app,
        {
            "program": PROGRAM,
            "admin": person("a-admin", "ADMIN", organizations=(HERE,)),
            "reception": person("a-desk", "RECEPTIONIST", organizations=(HERE,)),
            "doctor": person("a-doctor", "DOCTOR", profiles=(DOCTOR,), organizations=(THERE,)),
        },
    )
    async with (
        client_of(app, "program") as program,
        client_of(app, "admin") as admin,
        client_of(app, "reception") as reception,
    ):
        for name in (HERE, THERE):
            await stored(program, name, {"resourceType": "Organization", "name": name})
        for name, body in THEIRS.items():
            await stored(program, name, body)
        yield Town(app, program, admin, reception)


async def stored(program: httpx.AsyncClient, name: str, body: Json) -> None:
    answer = await program.put(name, json={**body, "id": name.partition("/")[2]})
    assert answer.status_code in (200, 201), answer.text


async def opened(client: httpx.AsyncClient) -> set[str]:
    """What of the other organisation a client gets to see, by reading and by searching."""
    found = {name for name in SEEN_BY_NAME if (await client.get(name)).status_code == 200}
    for kind in ("Patient", "Appointment", "Invoice"):
        rows = (await client.get(kind)).json().get("entry", [])
        found |= {f"{kind}/{row['resource']['id']}" for row in rows} & set(SEEN_BY_NAME)
    return found


TAKING = {
    "a new role": role(DOCTOR, HERE),
    "a role among others": role(DOCTOR, HERE, location=[ref("Location/there")]),
    "somebody without a role": role("Practitioner/nobody", HERE),
    "somebody unknown": role("Practitioner/not-yet", HERE),
    "one's own, elsewhere": role("Practitioner/ours", THERE),
}


@pytest.mark.parametrize("what", TAKING)
async def test_an_administrator_cannot_say_that_somebody_of_another_organisation_works_here(
    town: Town, what: str
) -> None:
    assert await opened(town.admin) == await opened(town.reception) == set()
    taken = await town.admin.post("PractitionerRole", json=TAKING[what])
    assert taken.status_code == 403, taken.text
    entries = [{"resource": TAKING[what], "request": {"method": "POST", "url": "PractitionerRole"}}]
    for kind in ("transaction", "batch"):
        await town.admin.post("", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    assert await opened(town.admin) == await opened(town.reception) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"practitioner": ref(DOCTOR)},
        {"organization": ref(THERE)},
        {"practitioner": ref(DOCTOR), "active": True},
    ],
)
async def test_a_role_of_ones_own_does_not_become_that_of_somebody_else(town: Town, change: Json) -> None:
    body = {**THEIRS["PractitionerRole/here"], "id": "here", **change}
    assert (await town.admin.put("PractitionerRole/here", json=body)).status_code == 403
    patch = [{"op": "replace", "path": "/practitioner/reference", "value": DOCTOR}]
    headers = {"content-type": "application/json-patch+json"}
    patched = await town.admin.patch("PractitionerRole/here", json=patch, headers=headers)
    assert patched.status_code == 403, patched.text
    assert await opened(town.admin) == set()


async def test_a_role_that_is_over_is_not_begun_again_for_who_has_left(town: Town) -> None:
    over = role(DOCTOR, HERE, active=False)
    await stored(town.program, "PractitionerRole/over", over)
    ended = role(DOCTOR, HERE, period={"end": "2020-01-01"})
    await stored(town.program, "PractitionerRole/ended", ended)
    for name, body in (("over", over | {"active": True}), ("ended", role(DOCTOR, HERE))):
        refused = await town.admin.put(f"PractitionerRole/{name}", json={**body, "id": name})
        assert refused.status_code == 403, refused.text
    assert await opened(town.admin) == set()


async def test_a_location_is_of_who_manages_it_whatever_a_role_says(town: Town) -> None:
    own = role("Practitioner/ours", HERE, location=[ref("Location/there")])
    await town.admin.post("PractitionerRole", json=own)
    await stored(town.program, "PractitionerRole/room", own)
    assert await opened(town.admin) == await opened(town.reception) == set()
    slot = {"resourceType": "Slot", "schedule": ref("Schedule/room"), "status": "free"}
    slot |= {"start": "2031-01-01T10:00:00Z", "end": "2031-01-01T10:30:00Z"}
    assert (await town.admin.post("Slot", json=slot)).status_code == 403
    await stored(town.program, "Location/there", THEIRS["Location/there"] | {"managingOrganization": ref(HERE)})
    assert await opened(town.admin) == {"Appointment/room"}
    assert (await town.admin.post("Slot", json=slot)).status_code == 201


async def test_whom_everybody_trusts_makes_somebody_work_at_both_and_each_keeps_to_its_own_role(town: Town) -> None:
    both = role(DOCTOR, HERE)
    await stored(town.program, "PractitionerRole/both", both)
    assert await opened(town.admin) == {"Patient/there", "Appointment/there", "Invoice/there"}
    hours = {"availableTime": [{"daysOfWeek": ["mon"], "availableStartTime": "08:00:00"}]}
    mine = {**both, "id": "both", **hours}
    assert (await town.admin.put("PractitionerRole/both", json=mine)).status_code == 200
    theirs = {**THEIRS["PractitionerRole/there"], "id": "there", **hours}
    assert (await town.admin.put("PractitionerRole/there", json=theirs)).status_code in (403, 404)
    # An end may be told, but not taken back.
    assert (await town.admin.put("PractitionerRole/both", json={**mine, "active": False})).status_code == 200
    assert await opened(town.admin) == set()
    assert (await town.admin.put("PractitionerRole/both", json=mine)).status_code == 403


async def test_an_administrator_takes_on_whom_they_put_in_and_whom_nobody_else_employs(town: Town) -> None:
    made = await town.admin.post("Practitioner", json={"resourceType": "Practitioner"})
    new = f"Practitioner/{made.json()['id']}"
    for practitioner in (new, new, "Practitioner/ours"):
        taken = await town.admin.post("PractitionerRole", json=role(practitioner, HERE))
        assert taken.status_code == 201, taken.text
    urn = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries = [
        {"resource": role(urn, HERE), "request": {"method": "POST", "url": "PractitionerRole"}},
        {
            "fullUrl": urn,
            "resource": {"resourceType": "Practitioner"},
            "request": {"method": "POST", "url": "Practitioner"},
        },
    ]
    together = await town.admin.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert together.status_code == 200, together.text


async def test_who_works_somewhere_does_not_take_themselves_elsewhere(town: Town) -> None:
    own = {**THEIRS["PractitionerRole/there"], "id": "there"}
    async with client_of(town.app, "doctor") as doctor:
        hours = {"availableTime": [{"daysOfWeek": ["mon"], "availableStartTime": "08:00:00"}]}
        assert (await doctor.put("PractitionerRole/there", json={**own, **hours})).status_code == 200
        for change in ({"organization": ref(HERE)}, {"practitioner": ref("Practitioner/ours")}):
            assert (await doctor.put("PractitionerRole/there", json={**own, **change})).status_code == 403
    assert await opened(town.admin) == set()
