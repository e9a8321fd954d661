"""Who may have a document: https://hl7.org/fhir/R4/binary.html#security, sharing by Consent.

The Binary of a document is seen by exactly those who see the document, whatever way they ask for it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from tests.api.fhir.callers import admit, client_of
from tests.api.fhir.ward import Json, actor, build, callers, consent, profile, ref, when

LETTER = b"the stranger has a zebradisease"


class Case(msgspec.Struct):
    """A document of a patient the doctor does not treat, and its Binary."""

    app: Litestar
    program: httpx.AsyncClient
    doctor: httpx.AsyncClient
    document: str
    binary: str


def letter(patient: str, content: bytes = LETTER) -> Json:
    attachment = {"contentType": "text/plain", "data": base64.b64encode(content).decode()}
    subject = ref(f"Patient/{patient}")
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": subject,
        "content": [{"attachment": attachment}],
    }


@pytest.fixture
async def case(app: Litestar) -> AsyncIterator[Case]:
    admit(app, callers())
    async with client_of(app, "program") as program, client_of(app, "DOCTOR") as doctor:
        await build(program)
        answer = await program.post("DocumentReference", json=letter("foreign"))
        assert answer.status_code == 201, answer.text
        url = answer.json()["content"][0]["attachment"]["url"]
        yield Case(app, program, doctor, f"DocumentReference/{answer.json()['id']}", url)


def bare(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["issue"][0]["code"]


async def test_a_strangers_document_is_as_if_it_had_never_been(case: Case) -> None:
    for accept in ("*/*", "application/fhir+json"):
        for path in (case.binary, f"{case.binary}/_history/1"):
            answer = await case.doctor.get(path, headers={"accept": accept})
            unknown = await case.doctor.get(path.replace(case.binary, "Binary/unknown"), headers={"accept": accept})
            assert bare(answer) == bare(unknown) == (404, "not-found")
            assert answer.text.replace(case.binary, "Binary/unknown") == unknown.text
    head = await case.doctor.head(case.binary, headers={"accept": "*/*"})
    assert head.status_code == 404
    for search in ("DocumentReference?_content=zebradisease", "Binary?_content=zebradisease", "Binary?_summary=count"):
        assert (await case.doctor.get(search)).json()["total"] == 0


async def test_a_link_to_a_strangers_binary_tells_nothing(case: Case) -> None:
    mine = letter("team")
    mine["content"] = [{"attachment": {"contentType": "text/plain", "url": case.binary}}]
    answer = await case.doctor.post("DocumentReference", json=mine)
    assert answer.status_code == 201, answer.text
    assert answer.json()["content"][0]["attachment"] == mine["content"][0]["attachment"]
    assert (await case.doctor.get("DocumentReference?_content=zebradisease")).json()["total"] == 0
    whole = await case.doctor.get(f"DocumentReference/{answer.json()['id']}?_attachments=inline")
    assert "data" not in whole.json()["content"][0]["attachment"]
    guess = {"hash": base64.b64encode(hashlib.sha1(b"a guess").digest()).decode(), "size": 5}
    mine["content"][0]["attachment"] |= guess
    assert (await case.doctor.post("DocumentReference", json=mine)).status_code == 201


async def test_a_shared_document_comes_with_its_bytes_and_goes_with_them(case: Case) -> None:
    about = [{"meaning": "instance", "reference": ref(case.document)}]
    shared = consent("share", "foreign", "permit", period=when(-1, 1), actor=[actor(profile("DOCTOR"))], data=about)
    answer = await case.program.put("Consent/share", json=shared)
    assert answer.status_code == 201, answer.text
    assert (await case.doctor.get(case.document)).status_code == 200
    assert (await case.doctor.get(case.binary, headers={"accept": "*/*"})).content == LETTER
    assert (await case.program.put("Consent/share", json={**shared, "status": "inactive"})).status_code == 200
    assert (await case.doctor.get(case.document)).status_code == 404
    assert (await case.doctor.get(case.binary, headers={"accept": "*/*"})).status_code == 404


async def test_a_doctor_publishes_for_the_own_patients_only(case: Case) -> None:
    mine = await case.doctor.post("DocumentReference", json=letter("team"))
    assert mine.status_code == 201, mine.text
    url = mine.json()["content"][0]["attachment"]["url"]
    assert (await case.doctor.get(url, headers={"accept": "*/*"})).content == LETTER
    assert (await case.doctor.post("DocumentReference", json=letter("foreign"))).status_code == 403
    for context, status in (("Patient/team", 201), ("Patient/foreign", 403)):
        headers = {"content-type": "text/plain", "x-security-context": context}
        assert (await case.doctor.post("Binary", content=b"words", headers=headers)).status_code == status
    patient = client_of(case.app, "patient-team")
    async with patient:
        assert (await patient.get(url, headers={"accept": "*/*"})).content == LETTER


async def test_only_who_may_change_a_document_may_replace_it(case: Case) -> None:
    next_one = letter("team", b"the other")
    next_one["relatesTo"] = [{"code": "replaces", "target": ref(case.document)}]
    assert (await case.doctor.post("DocumentReference", json=next_one)).status_code == 201  # as for an unknown one
    next_one["relatesTo"][0]["target"] = ref("DocumentReference/unknown")
    assert (await case.doctor.post("DocumentReference", json=next_one)).status_code == 201
    theirs = await case.program.post("DocumentReference", json=letter("team"))
    next_one["relatesTo"][0]["target"] = ref(f"DocumentReference/{theirs.json()['id']}")
    assert (await case.doctor.post("DocumentReference", json=next_one)).status_code == 403
    assert (await case.program.get(case.document)).json()["status"] == "current"
