"""Every endpoint the user's documents ask for exists under its path and keeps its role rule: one row each.

A role that is named gets through to the record; everybody else is refused, or told that there is nothing. Whoever may change
or remove something asks with an If-Match that never holds, and is stopped by that alone. Nobody here is a pharmacist of this
patient, nor the source of this document.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_args

import httpx
import pytest

from api.settings import Settings
from api.tokens import mint
from api.v1.table import TABLE
from domain.access import Role
from domain.clinic.sync_log import Line, Wanted
from tests.api.v1.clinic import Clinic
from tests.api.v1.practice import ALWAYS
from tests.api.v1.ward import Ward

Json = dict[str, Any]
ROLES: tuple[Role, ...] = get_args(Role)
EVERYBODY = " ".join(ROLES)
CARE = "DOCTOR NURSE DIETICIAN"


class Row(NamedTuple):
    """An endpoint of the documents, where it is asked for, and who may use it."""

    method: str
    path: str
    said: str
    roles: str


ROWS = (
    Row("GET", "/users", "S3:107", "SUPER_ADMIN ADMIN"),
    Row("GET", "/users/me", "S1:219", EVERYBODY),
    Row("GET", "/users/{user}", "S3:108", "SUPER_ADMIN ADMIN"),
    Row("POST", "/users", "S3:109", "SUPER_ADMIN ADMIN DIETICIAN"),
    Row("PUT", "/users/{user}", "S3:110", "SUPER_ADMIN ADMIN"),
    Row("DELETE", "/users/{user}", "S3:111", "SUPER_ADMIN ADMIN"),
    Row("GET", "/patients", "S0:101", "ADMIN DOCTOR NURSE RECEPTIONIST DIETICIAN PATIENT"),
    Row("GET", "/patients/{patient}", "S0:102", f"ADMIN {CARE} RECEPTIONIST PATIENT LAB_TECHNICIAN"),
    Row("POST", "/patients", "S0:103", "ADMIN DOCTOR RECEPTIONIST DIETICIAN"),
    Row("PUT", "/patients/{patient}", "S0:104", "ADMIN DOCTOR RECEPTIONIST PATIENT"),
    Row("DELETE", "/patients/{patient}", "S0:105", "ADMIN"),
    Row("GET", "/medical-records", "S0:108", f"{CARE} PATIENT"),
    Row("GET", "/medical-records/{record}", "S0:109", f"{CARE} PATIENT"),
    Row("POST", "/medical-records", "S0:110", "DOCTOR"),
    Row("PUT", "/medical-records/{record}", "S0:111", "DOCTOR"),
    Row("DELETE", "/medical-records/{record}", "S0:112", "DOCTOR"),
    Row("GET", "/doctors", "S0:115", EVERYBODY),
    Row("GET", "/doctors/{doctor}", "S0:116", EVERYBODY),
    Row("POST", "/doctors", "S0:117", "SUPER_ADMIN ADMIN"),
    Row("PUT", "/doctors/{doctor}", "S0:118", "SUPER_ADMIN ADMIN DOCTOR"),
    Row("DELETE", "/doctors/{doctor}", "S0:119", "SUPER_ADMIN ADMIN"),
    Row("GET", "/appointments", "S0:122", "ADMIN DOCTOR NURSE PATIENT RECEPTIONIST DIETICIAN"),
    Row("GET", "/appointments/{appointment}", "S0:123", "ADMIN DOCTOR NURSE PATIENT RECEPTIONIST"),
    Row("POST", "/appointments", "S0:124", "ADMIN DOCTOR PATIENT RECEPTIONIST"),
    Row("PUT", "/appointments/{appointment}", "S0:125", "ADMIN DOCTOR PATIENT RECEPTIONIST"),
    Row("DELETE", "/appointments/{appointment}", "S0:126", "ADMIN DOCTOR PATIENT RECEPTIONIST"),
    Row("GET", "/billings", "S0:129", "ADMIN RECEPTIONIST PATIENT"),
    Row("GET", "/billings/{billing}", "S0:130", "ADMIN RECEPTIONIST PATIENT DOCTOR"),
    Row("POST", "/billings", "S0:131", "ADMIN RECEPTIONIST"),
    Row("PUT", "/billings/{billing}", "S0:132", "ADMIN"),
    Row("DELETE", "/billings/{billing}", "S0:133", "ADMIN"),
    Row("GET", "/prescriptions", "S0:136", f"{CARE} PATIENT PHARMACIST"),
    Row("GET", "/prescriptions/{prescription}", "S0:137", f"{CARE} PATIENT"),
    Row("POST", "/prescriptions", "S0:138", "DOCTOR"),
    Row("PUT", "/prescriptions/{prescription}", "S0:139", "DOCTOR"),
    Row("DELETE", "/prescriptions/{prescription}", "S0:140", "DOCTOR"),
    Row("GET", "/patients/{patient}/documents", "S3:123", f"{CARE} PATIENT"),
    Row("GET", "/documents/{document}", "S3:124", f"{CARE} PATIENT LAB_TECHNICIAN"),
    Row("POST", "/patients/{patient}/documents", "S3:125", f"{CARE} PATIENT LAB_TECHNICIAN"),
    Row("PUT", "/documents/{document}", "S3:126", ""),
    Row("DELETE", "/documents/{document}", "S3:127", ""),
    Row("GET", "/patients/{patient}/logs", "S3:133", f"{CARE} PATIENT"),
    Row("GET", "/logs/{log}", "S3:134", f"{CARE} PATIENT"),
    Row("POST", "/patients/{patient}/sync", "S3:135", "DOCTOR DIETICIAN"),
    Row("POST", "/patients/{patient}/request-documents", "S3:139", "DOCTOR DIETICIAN"),
    Row("GET", "/patients/{patient}/shared-documents", "S3:140", EVERYBODY),
    Row("POST", "/documents/{document}/share", "S3:141", "PATIENT"),
)
PUBLIC = (
    ("POST", "/auth/register", "S0:96"),
    ("POST", "/auth/login", "S0:97"),
    ("POST", "/auth/refresh", "S1:228"),
)
REFUSED = {403, 404}
THROUGH = {200, 201, 204, 303, 409, 412, 422}
NEVER = {"if-match": 'W/"999"'}


def test_what_the_documents_ask_for_is_in_the_table() -> None:
    shapes = {(each.method, _shape(each.path)) for each in TABLE}
    asked = [(row.method, row.path) for row in ROWS] + [(method, path) for method, path, _ in PUBLIC]
    missing = [pair for pair in [*asked, ("POST", "/auth/logout")] if (pair[0], _shape(pair[1])) not in shapes]
    assert not missing


def _shape(path: str) -> str:
    return "/".join("{}" if each.startswith("{") else each for each in path.split("/"))


class Hospital(NamedTuple):
    """The ward, and one of everything in it."""

    ward: Ward
    names: dict[str, str]


@pytest.fixture(scope="module")
async def hospital(clinic: Clinic, installation: Settings) -> Hospital:
    ward = Ward(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600))
    await ward.fill()
    doctor = ward.names["DOCTOR"]
    works = {"organizationId": f"Organization/{ward.organization}", "workSchedule": ALWAYS}
    answer = await ward.program.put(f"/doctors/{doctor}", json={"firstName": "Mira", "lastName": "Okonkwo", **works})
    assert answer.status_code == 200, answer.text
    user = await clinic.person("NURSE", organizations=(f"Organization/{ward.organization}",))
    names = {"user": user.account.id, "patient": ward.patient, "doctor": doctor}
    web = await ward.web("DOCTOR")
    names["document"] = await _made(ward.program, f"/patients/{ward.patient}/documents", _document())
    names["billing"] = await _made(ward.program, "/billings", {**_bill(ward), "doctorId": doctor})
    names["prescription"] = await _made(web, "/prescriptions", _prescription(ward))
    names["record"] = await _made(web, "/medical-records", _record(ward))
    names["appointment"] = await _booked(ward)
    names["log"] = await _logged(ward)
    return Hospital(ward, names)


async def _made(web: httpx.AsyncClient, path: str, body: Json) -> str:
    answer = await web.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def _booked(ward: Ward) -> str:
    name = f"a{ward.patient}"
    people = (f"Patient/{ward.patient}", f"Practitioner/{ward.names['DOCTOR']}")
    start = datetime.now(UTC).replace(microsecond=0, second=0, minute=0) + timedelta(days=3)
    await ward.store(
        {
            "resourceType": "Appointment",
            "id": name,
            "status": "booked",
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=30)).isoformat(),
            "participant": [{"actor": {"reference": each}, "status": "accepted"} for each in people],
        }
    )
    return name


async def _logged(ward: Ward) -> str:
    said: Json = {"action": "MANUAL_SYNC", "status": "SUCCESS", "details": "One document"}
    line = Line(cause="a run", patient=ward.patient, at=datetime.now(UTC), **said)
    log = ward.clinic.service.sync.log
    await log.write([line])
    (found,), _ = await log.page(Wanted(ward.patient), after=None, count=1)
    return found.id


def _document() -> Json:
    return {"type": "progress-note", "title": "Note", "content": {"text": f"a note {secrets.token_hex(4)}"}}


def _bill(ward: Ward) -> Json:
    return {"patientId": ward.patient, "amount": {"value": "10.00", "currency": "EUR"}}


def _prescription(ward: Ward) -> Json:
    medication = {"text": f"unheard of {secrets.token_hex(3)}"}
    return {"patientId": ward.patient, "medication": medication, "dosage": "1 daily", "refills": 1}


def _record(ward: Ward) -> Json:
    return {"patientId": ward.patient, "diagnosis": [{"text": "Hypertension"}], "treatment": "Less salt"}


def body_of(row: Row, hospital: Hospital) -> Json:
    """A body that is fine for whoever may send it."""
    ward, day = hospital.ward, datetime.now(UTC) + timedelta(days=30, minutes=secrets.randbelow(10_000) * 5)
    start = day.replace(second=0, microsecond=0, minute=day.minute // 5 * 5).isoformat()
    new = secrets.token_hex(5)
    bodies: dict[str, Json] = {
        "/users": {"email": f"{new}@example.org", "firstName": "Bo", "lastName": "Ek", "role": "PATIENT"},
        "/users/{user}": {"firstName": "Bea"},
        "/patients": {"firstName": f"Bo{new}", "lastName": f"Ek{new}", "dateOfBirth": "1980-02-03"},
        "/patients/{patient}": {"contact": {"phone": "+46 8 555 0100"}},
        "/medical-records": _record(ward),
        "/medical-records/{record}": _record(ward),
        "/doctors": {
            "firstName": "Mira",
            "lastName": f"Okonkwo{new}",
            "organizationId": f"Organization/{ward.organization}",
        },
        "/doctors/{doctor}": {"firstName": "Mira", "lastName": f"Okonkwo{new}"},
        "/appointments": {"patientId": ward.patient, "doctorId": ward.names["DOCTOR"], "start": start},
        "/appointments/{appointment}": {"reason": "Cough"},
        "/billings": _bill(ward),
        "/billings/{billing}": {"amount": {"value": "11.00", "currency": "EUR"}},
        "/prescriptions": _prescription(ward),
        "/prescriptions/{prescription}": _prescription(ward),
        "/patients/{patient}/documents": _document(),
        "/documents/{document}": {"title": "Another"},
        "/patients/{patient}/sync": {},
        "/patients/{patient}/request-documents": {"types": ["lab-report"], "message": "Results, please"},
        "/documents/{document}/share": {"practitionerId": ward.names["NURSE"]},
    }
    return bodies[row.path]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
async def test_an_endpoint_lets_in_whom_it_is_for_and_nobody_else(row: Row, hospital: Hospital) -> None:
    path = row.path.format(**hospital.names)
    wrong: list[str] = []
    for role in ROLES:
        web = await hospital.ward.web(role)
        headers = NEVER if row.method in ("PUT", "DELETE") and role in row.roles.split() else {}
        given: Json = {"json": body_of(row, hospital)} if row.method in ("POST", "PUT") else {}
        answer = await web.request(row.method, path, headers=headers, **given)
        wanted = THROUGH if role in row.roles.split() else REFUSED
        if answer.status_code not in wanted:
            wrong.append(f"{role}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
async def test_an_endpoint_needs_a_token(row: Row, clinic: Clinic, hospital: Hospital) -> None:
    answer = await clinic.web.request(row.method, row.path.format(**hospital.names))
    assert answer.status_code == 401


@pytest.mark.parametrize(("method", "path", "said"), PUBLIC)
async def test_who_has_no_account_yet_can_get_in(method: str, path: str, said: str, clinic: Clinic) -> None:
    answer = await clinic.web.request(method, path, json={})
    assert answer.status_code == 422, said
