"""CDS Hooks 2.0: the same checks for the order screens of other systems."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic
from tests.api.v1.surgery import CLARITHROMYCIN, SIMVASTATIN, Surgery

Json = dict[str, Any]
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture(scope="module")
async def surgery(clinic: Clinic, installation: Settings) -> Surgery:
    return await Surgery(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600)).open()


def order(patient: str, medication: Json, name: str = "draft", status: str = "draft") -> Json:
    coding = [{"system": RXNORM, "code": medication["rxnorm"]}]
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": status,
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationCodeableConcept": {"coding": coding, "text": medication["text"]},
    }


def bundle(*resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def question(patient: str, *drafts: Json, hook: str = "order-sign", **more: Any) -> Json:
    context = {
        "userId": "Practitioner/1",
        "patientId": patient,
        "draftOrders": bundle(*drafts),
        **more.pop("context", {}),
    }
    return {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "extra": {"ignored": True}, **more}


async def cards(surgery: Surgery, body: Json, service: str = "ddi-order-sign") -> list[Json]:
    answer = await surgery.doctor_.post(f"/cds-services/{service}", json=body)
    assert answer.status_code == 200, answer.text
    assert "not a complete interaction check" in answer.json()["extension"]["notice"]
    found: list[Json] = answer.json()["cards"]
    return found


async def test_services_are_found_at_both_addresses_without_a_token(surgery: Surgery) -> None:
    for address in ("/cds-services", "/api/v1/cds-services"):
        answer = await surgery.clinic.web.get(f"http://127.0.0.1:8000{address}")
        assert answer.status_code == 200, answer.text
        services = answer.json()["services"]
        assert {each["id"]: each["hook"] for each in services} == {
            "ddi-order-select": "order-select",
            "ddi-order-sign": "order-sign",
        }
        assert "{{context.patientId}}" in services[0]["prefetch"]["AllergyIntolerance"]
    unsigned = await surgery.clinic.web.post("http://127.0.0.1:8000/cds-services/ddi-order-sign", json=question("x"))
    assert unsigned.status_code == 401


async def test_an_order_is_checked_against_what_is_on_record(surgery: Surgery) -> None:
    fresh = await surgery.with_another_patient()
    taken = await fresh.prescribe(medication=CLARITHROMYCIN)
    (card,) = await cards(fresh, question(fresh.patient, order(fresh.patient, SIMVASTATIN)))
    assert (card["indicator"], len(card["summary"]) < 140) == ("critical", True)
    assert "Phansalkar 2012" in card["source"]["label"]
    assert "MONITORED" in [each["code"] for each in card["overrideReasons"]]
    (action,) = card["suggestions"][0]["actions"]
    issue = action["resource"]
    assert (action["type"], issue["resourceType"]) == ("create", "DetectedIssue")
    implicated = {each["reference"] for each in issue["implicated"]}
    assert implicated == {"MedicationRequest/draft", f"MedicationRequest/{taken['id']}"}
    assert (await fresh.admin.post("/fhir/DetectedIssue/$validate", json=issue)).status_code == 200
    body = question(fresh.patient, order(fresh.patient, SIMVASTATIN), issue)
    assert await cards(fresh, body) == []


async def test_only_what_was_chosen_is_checked_while_orders_are_selected(surgery: Surgery) -> None:
    fresh = await surgery.with_another_patient()
    drafts = [
        order(fresh.patient, CLARITHROMYCIN, "a"),
        order(fresh.patient, SIMVASTATIN, "b"),
        order(fresh.patient, {"text": "Amoxicillin", "rxnorm": "723"}, "c"),
    ]
    for selected, kinds in [("MedicationRequest/b", ["critical", "info"]), ("MedicationRequest/c", ["info"])]:
        body = question(fresh.patient, *drafts, hook="order-select", context={"selections": [selected]})
        found = await cards(fresh, body, "ddi-order-select")
        assert [each["indicator"] for each in found] == kinds
    assert "Amoxicillin" in found[0]["detail"]


async def test_what_is_sent_along_is_believed_for_patients_who_are_not_here(surgery: Surgery) -> None:
    draft = order("elsewhere", SIMVASTATIN)
    refused = await surgery.doctor_.post("/cds-services/ddi-order-sign", json=question("elsewhere", draft))
    assert (refused.status_code, refused.json()["code"]) == (412, "missing_data")
    prefetch: Json = {
        "MedicationRequest": bundle(order("elsewhere", CLARITHROMYCIN, "other", "active")),
        "MedicationStatement": bundle(),
        "AllergyIntolerance": bundle(),
    }
    (card,) = await cards(surgery, question("elsewhere", draft, prefetch=prefetch))
    assert card["indicator"] == "critical"
    partly = {**prefetch, "AllergyIntolerance": None}
    answer = await surgery.doctor_.post(
        "/cds-services/ddi-order-sign", json=question("elsewhere", draft, prefetch=partly)
    )
    assert answer.status_code == 412


async def test_what_breaks_the_rules_of_fhir_is_not_believed_but_told(surgery: Surgery) -> None:
    prefetch: Json = {
        "MedicationRequest": bundle({"resourceType": "MedicationRequest", "id": "x", "medicationCodeableConcept": 7}),
        "MedicationStatement": bundle(),
        "AllergyIntolerance": bundle({"resourceType": "AllergyIntolerance", "code": []}),
    }
    (card,) = await cards(surgery, question("elsewhere", order("elsewhere", SIMVASTATIN), prefetch=prefetch))
    assert (card["indicator"], "cannot be read" in card["detail"]) == ("info", True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hook": "order-select"}, 422),
        ({"hook": "patient-view"}, 422),
        ({"context": {"userId": "1", "patientId": "x", "draftOrders": 7}}, 422),
        ({"context": {"userId": "1", "patientId": "x", "draftOrders": {"resourceType": "Bundle", "entry": {}}}}, 422),
        ({"context": {"userId": "1"}}, 422),
        ({"prefetch": {"MedicationRequest": "x"}}, 422),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(surgery: Surgery, change: Json, status: int) -> None:
    body = {**question(surgery.patient, order(surgery.patient, SIMVASTATIN)), **change}
    answer = await surgery.doctor_.post("/cds-services/ddi-order-sign", json=body)
    assert answer.status_code == status, answer.text
    assert (await surgery.doctor_.post("/cds-services/none", json=question("x"))).status_code == 404


async def test_feedback_is_counted_by_alert_without_what_was_written(surgery: Surgery) -> None:
    drafts = (order(surgery.patient, CLARITHROMYCIN, "a"), order(surgery.patient, SIMVASTATIN, "b"))
    reason = {"reason": {"code": "MONITORED", "system": "x"}, "userComment": "Mrs Lindqvist comes weekly"}
    for _ in range(2):
        (card,) = await cards(surgery, question(surgery.patient, *drafts))
        body = {"feedback": [{"card": card["uuid"], "outcome": "overridden", "overrideReason": reason}]}
        for _ in range(2):  # the same card again counts once
            assert (await surgery.doctor_.post("/cds-services/ddi-order-sign/feedback", json=body)).status_code == 200
    rows = (await surgery.boss.get("/interactions/feedback")).json()["items"]
    assert [(each["outcome"], each["reason"], each["times"]) for each in rows] == [("overridden", "MONITORED", 2)]
    known = (
        await surgery.doctor_.post("/interactions/check", json={"medications": [CLARITHROMYCIN, SIMVASTATIN]})
    ).json()
    assert known["alerts"][0]["id"].startswith(rows[0]["alert"])
    assert (await surgery.doctor_.get("/interactions/feedback")).status_code == 403
