"""Prescriptions over /api/v1: checked, overridden, replaced, stopped, and who may do that."""

from __future__ import annotations

import asyncio

import pytest
from pypdfium2 import PdfDocument

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic
from tests.api.v1.surgery import CLARITHROMYCIN, SIMVASTATIN, Surgery


@pytest.fixture(scope="module")
async def surgery(clinic: Clinic, installation: Settings) -> Surgery:
    return await Surgery(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600)).open()


@pytest.fixture
async def fresh(surgery: Surgery) -> Surgery:
    """A patient who takes nothing yet."""
    return await surgery.with_another_patient()


async def test_a_prescription_is_a_medication_request_and_comes_back_as_it_was(surgery: Surgery) -> None:
    made = await surgery.prescribe(instructions="With food", refills=2, dateIssued="2026-03-01T10:00:00Z")
    assert (made["status"], made["doctorId"], made["refillsRemaining"]) == ("ACTIVE", surgery.mine, 2)
    assert "not a complete interaction check" in made["interactionCheck"]["notice"]
    assert made["interactionCheck"]["unresolved"] == ["Amoxicillin"]
    shown = await surgery.patient_.get(f"/prescriptions/{made['id']}")
    assert shown.headers["etag"] == 'W/"1"'
    same = {name: shown.json()[name] for name in ("medication", "dosage", "instructions", "refills", "dateIssued")}
    assert same == {name: made[name] for name in same}
    as_fhir = await surgery.fhir(f"MedicationRequest/{made['id']}")
    assert as_fhir["medicationCodeableConcept"]["coding"][0]["code"] == "723"
    assert as_fhir["dosageInstruction"][0]["patientInstruction"] == "With food"
    found = await surgery.fhir(f"MedicationRequest?patient={surgery.patient}&code=723&status=active")
    assert made["id"] in [each["resource"]["id"] for each in found["entry"]]


async def test_a_contraindicated_pair_is_refused_with_its_source_until_it_is_overridden(fresh: Surgery) -> None:
    await fresh.prescribe(medication=CLARITHROMYCIN)
    body = fresh.prescription(medication=SIMVASTATIN)
    refused = await fresh.doctor_.post("/prescriptions", json=body)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "interaction")
    (alert,) = problem["alerts"]
    assert (alert["severity"], set(alert["pair"])) == ("contraindicated", {"simvastatin", "clarithromycin"})
    assert "Phansalkar 2012" in alert["source"]
    assert (await fresh.fhir(f"MedicationRequest?patient={fresh.patient}"))["total"] == 1
    wrong = {"overrides": [{"alertId": "another", "reasonCode": "MONITORED"}]}
    assert (await fresh.doctor_.post("/prescriptions", json={**body, **wrong})).status_code == 409
    reason = {"alertId": alert["id"], "reasonCode": "MONITORED", "comment": "CK every week"}
    made = await fresh.prescribe(medication=SIMVASTATIN, overrides=[reason])
    (issue_id,) = made["issueIds"]
    issue = await fresh.fhir(f"DetectedIssue/{issue_id}")
    assert issue["mitigation"][0]["action"]["text"] == "CK every week"
    assert issue["mitigation"][0]["action"]["coding"][0]["code"] == "9"
    assert issue["severity"] == "high"
    assert {"reference": f"MedicationRequest/{made['id']}"} in issue["implicated"]
    assert len(issue["implicated"]) == 2
    assert (await fresh.fhir(f"DetectedIssue?patient={fresh.patient}"))["total"] == 1


async def test_two_prescriptions_at_once_that_do_not_go_together_do_not_both_pass(fresh: Surgery) -> None:
    answers = await asyncio.gather(
        *(
            fresh.doctor_.post("/prescriptions", json=fresh.prescription(medication=each))
            for each in (CLARITHROMYCIN, SIMVASTATIN)
        )
    )
    assert sorted(each.status_code for each in answers) == [201, 409]


async def test_what_the_tables_do_not_know_is_unresolved_and_never_called_safe(surgery: Surgery) -> None:
    made = await surgery.prescribe(medication={"text": "Herbal remedy of my aunt"})
    assert "Herbal remedy of my aunt" in made["interactionCheck"]["unresolved"]
    assert "Herbal remedy of my aunt" not in made["interactionCheck"]["checked"]


async def test_an_allergy_counts_until_it_is_refuted(fresh: Surgery) -> None:
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": f"a{fresh.patient}",
        "patient": {"reference": f"Patient/{fresh.patient}"},
        "code": {"text": "Simvastatin"},
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
            ]
        },
    }
    await fresh._store(allergy)
    refused = await fresh.doctor_.post("/prescriptions", json=fresh.prescription(medication=SIMVASTATIN))
    assert (refused.status_code, refused.json()["alerts"][0]["allergy"]) == (409, True)
    verification = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "refuted"}
        ]
    }
    path = f"/fhir/AllergyIntolerance/{allergy['id']}"
    assert (await fresh.admin.put(path, json={**allergy, "verificationStatus": verification})).status_code == 200
    await fresh.prescribe(medication=SIMVASTATIN)


async def test_a_draft_changes_in_place_and_is_checked_when_it_is_signed(fresh: Surgery) -> None:
    await fresh.prescribe(medication=CLARITHROMYCIN)
    draft = await fresh.prescribe(medication=SIMVASTATIN, status="DRAFT")
    assert (draft["status"], len(draft["interactionCheck"]["alerts"]), draft["issueIds"]) == ("DRAFT", 1, [])
    path = f"/prescriptions/{draft['id']}"
    body = fresh.prescription(medication=SIMVASTATIN, dosage="half a tablet", status="DRAFT")
    changed = await fresh.doctor_.put(path, json=body, headers={"if-match": 'W/"1"'})
    assert (changed.status_code, changed.json()["id"], changed.json()["version"]) == (200, draft["id"], 2)
    assert (await fresh.doctor_.put(path, json=body, headers={"if-match": 'W/"1"'})).status_code == 412
    assert (await fresh.doctor_.put(path, json={**body, "status": "ACTIVE"})).status_code == 409
    safe = fresh.prescription(status="ACTIVE")
    signed = await fresh.doctor_.put(path, json=safe)
    assert (signed.status_code, signed.json()["status"], signed.json()["id"]) == (200, "ACTIVE", draft["id"])


async def test_a_prescription_in_force_is_replaced_instead_of_rewritten(fresh: Surgery) -> None:
    old = await fresh.prescribe(medication=SIMVASTATIN)
    path = f"/prescriptions/{old['id']}"
    answer = await fresh.doctor_.put(path, json=fresh.prescription(medication=SIMVASTATIN, dosage="2 tablets"))
    made = answer.json()
    assert (answer.status_code, made["replaces"], made["status"]) == (201, old["id"], "ACTIVE")
    assert answer.headers["location"] == f"/api/v1/prescriptions/{made['id']}"
    before = (await fresh.doctor_.get(path)).json()
    assert (before["status"], before["reason"], before["dosage"]) == ("STOPPED", "Replaced", old["dosage"])
    again = await fresh.doctor_.put(path, json=fresh.prescription())
    assert (again.status_code, again.json()["code"]) == (409, "prescription_ended")
    other = await fresh.doctor_.put(f"/prescriptions/{made['id']}", json=fresh.prescription(patientId="somebody"))
    assert (other.status_code, other.json()["errors"][0]["path"]) == (422, "patientId")


async def test_a_stopped_prescription_says_why_and_stays(surgery: Surgery) -> None:
    made = await surgery.prescribe()
    path = f"/prescriptions/{made['id']}"
    assert (await surgery.doctor_.delete(path, params={"reason": "Rash"})).status_code == 204
    assert (await surgery.doctor_.delete(path)).status_code == 204
    shown = (await surgery.doctor_.get(path)).json()
    assert (shown["status"], shown["reason"], shown["version"]) == ("STOPPED", "Rash", 2)
    assert (await surgery.fhir(f"MedicationRequest/{made['id']}/_history"))["total"] == 2


async def test_lists_narrow_by_patient_status_and_date_and_go_on(fresh: Surgery) -> None:
    for month in (1, 2, 3):
        await fresh.prescribe(dateIssued=f"2026-0{month}-01T00:00:00Z")
    stopped = await fresh.prescribe(dateIssued="2026-04-01T00:00:00Z")
    await fresh.doctor_.delete(f"/prescriptions/{stopped['id']}")
    for query, count in [
        ({}, 4),
        ({"status": "ACTIVE"}, 3),
        ({"status": "STOPPED"}, 1),
        ({"from": "2026-02-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, 1),
        ({"doctorId": fresh.mine}, 4),
        ({"doctorId": fresh.other}, 0),
    ]:
        answer = await fresh.doctor_.get("/prescriptions", params={"patientId": fresh.patient, **query})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == count, (query, answer.text)
    of = {"patientId": fresh.patient, "limit": 3}
    first = (await fresh.doctor_.get("/prescriptions", params={**of, "fields": "id,dateIssued"})).json()
    assert [each["dateIssued"][:7] for each in first["items"]] == ["2026-04", "2026-03", "2026-02"]
    rest = await fresh.doctor_.get("/prescriptions", params={**of, "cursor": first["next"]})
    assert rest.status_code == 200, rest.text
    assert len(rest.json()["items"]) == 1


async def test_only_doctors_of_the_patient_prescribe(surgery: Surgery) -> None:
    made = await surgery.prescribe()
    body, path = surgery.prescription(), f"/prescriptions/{made['id']}"
    for who, post, put, get in [
        (surgery.nurse, 403, 403, 200),
        (surgery.patient_, 403, 403, 200),
        (surgery.stranger, 404, 404, 404),
        (surgery.pharmacist, 403, 403, 200),
        (surgery.boss, 403, 403, 403),
    ]:
        assert (await who.post("/prescriptions", json=body)).status_code == post
        assert (await who.put(path, json=body)).status_code == put
        assert (await who.delete(path)).status_code == put
        assert (await who.get(path)).status_code == get


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("dosage", None, "dosage"),
        ("refills", -1, "refills"),
        ("refills", 100, "refills"),
        ("medication", {"text": ""}, "medication.text"),
        ("medication", {"text": "x", "rxnorm": "abc"}, "medication.rxnorm"),
        ("colour", "red", "colour"),
    ],
)
async def test_a_wrong_field_is_named(surgery: Surgery, field: str, value: object, path: str) -> None:
    answer = await surgery.doctor_.post("/prescriptions", json=surgery.prescription(**{field: value}))
    assert (answer.status_code, [each["path"] for each in answer.json()["errors"]]) == (422, [path]), answer.text


async def test_a_repeated_request_prescribes_once(fresh: Surgery) -> None:
    body, key = fresh.prescription(), {"idempotency-key": "once"}
    first, second = [await fresh.doctor_.post("/prescriptions", json=body, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    assert (await fresh.fhir(f"MedicationRequest?patient={fresh.patient}"))["total"] == 1


async def test_a_download_is_a_page_for_who_sees_the_prescription_and_is_audited(surgery: Surgery) -> None:
    made = await surgery.prescribe(instructions="With food", refills=2)
    path = f"/prescriptions/{made['id']}/download"
    answer = await surgery.patient_.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert "no-store" in answer.headers["cache-control"]
    text = PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert "Amoxicillin (RxNorm 723)" in text
    assert "2 of 2 left" in text
    for who, status in [(surgery.pharmacist, 200), (surgery.nurse, 200), (surgery.stranger, 404), (surgery.boss, 403)]:
        assert (await who.get(path)).status_code == status
    accesses = (await surgery.patient_.get("/audit", params={"patientId": surgery.patient, "limit": 100})).json()
    assert "prescription-download" in {each["interaction"] for each in accesses["items"]}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_a_time_at_the_ends_of_the_calendar_is_refused(surgery: Surgery, moment: str) -> None:
    assert (await surgery.doctor_.get("/prescriptions", params={"from": moment})).status_code == 422
    body = surgery.prescription(dateIssued=moment)
    assert (await surgery.doctor_.post("/prescriptions", json=body)).status_code == 422


async def test_an_alert_is_as_closed_as_what_it_names(fresh: Surgery) -> None:
    taken = await fresh.prescribe(medication=CLARITHROMYCIN)
    path = f"/fhir/MedicationRequest/{taken['id']}"
    confidential = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    stored = (await fresh.admin.get(path)).json()
    stored["meta"]["security"] = [{"system": confidential, "code": "R"}]
    assert (await fresh.admin.put(path, json=stored)).status_code == 200
    refused = await fresh.doctor_.post("/prescriptions", json=fresh.prescription(medication=SIMVASTATIN))
    reason = {"alertId": refused.json()["alerts"][0]["id"], "reasonCode": "MONITORED"}
    made = await fresh.prescribe(medication=SIMVASTATIN, overrides=[reason])
    issue = await fresh.fhir(f"DetectedIssue/{made['issueIds'][0]}")
    assert [each["code"] for each in issue["meta"]["security"]] == ["R"]


@pytest.mark.parametrize(("mode", "alerts", "issues"), [("warn", 1, 1), ("off", None, 0)])
async def test_checks_that_only_warn_or_are_switched_off_stop_nobody(
    fresh: Surgery, monkeypatch: pytest.MonkeyPatch, mode: str, alerts: int | None, issues: int
) -> None:
    surface = fresh.clinic.app.state.v1
    using = surface._service.prescribing._replace(mode=mode)
    monkeypatch.setattr(surface, "_service", surface._service._replace(prescribing=using))
    await fresh.prescribe(medication=CLARITHROMYCIN)
    made = await fresh.prescribe(medication=SIMVASTATIN)
    found = made["interactionCheck"]
    assert (None if found is None else len(found["alerts"])) == alerts
    assert len(made["issueIds"]) == issues
