"""Laboratory reports over /api/v1: written with their results at once, corrected, withdrawn, read when final."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.v1.ward import Ward

Json = dict[str, Any]
REPORT: Json = {
    "title": "Kidney panel",
    "code": {"system": "http://loinc.org", "code": "24362-6"},
    "takenAt": "2026-11-01T08:00:00Z",
    "results": [
        {
            "name": "Creatinine", "code": {"system": "http://loinc.org", "code": "2160-0"},
            "value": 1.9, "unit": "mg/dL", "low": 0.6, "high": 1.2,
        },
        {"name": "Potassium", "value": 4.1, "unit": "mmol/L", "low": 3.5, "high": 5},
        {"name": "Appearance", "text": "clear", "interpretation": "normal"},
    ],
    "conclusion": "Reduced function",
}  # fmt: skip


async def test_a_report_is_written_with_its_results_corrected_and_withdrawn(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/lab-results"
    made = await ward.program.post(address, json=REPORT)
    assert made.status_code == 201, made.text
    card = made.json()
    one = f"{address}/{card['id']}"
    assert (card["status"], card["conclusion"], card["code"]) == ("final", "Reduced function", REPORT["code"])
    assert [(each["name"], each["value"], each["text"], each["interpretation"]) for each in card["results"]] == [
        ("Creatinine", 1.9, None, "high"),
        ("Potassium", 4.1, None, "normal"),
        ("Appearance", None, "clear", "normal"),
    ]
    assert (await ward.program.get(one)).json() == card
    assert (await ward.program.get(address, params={"from": "2026-11-01T00:00:00Z"})).json()["items"] == [card]
    assert (await ward.program.get(address, params={"to": "2026-11-01T00:00:00Z"})).json()["items"] == []
    creatinine = card["results"][0]["id"]
    found = (
        await ward.fhir.get(f"/Observation?patient={ward.patient}&category=laboratory&code=2160-0&value-quantity=gt1.2")
    ).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [creatinine]
    await ward.valid(found["entry"][0]["resource"])
    await ward.valid((await ward.fhir.get(f"/DiagnosticReport/{card['id']}")).json())

    less = {**REPORT, "results": [{**REPORT["results"][0], "value": 1.1}]}
    corrected = await ward.program.put(one, json=less, headers={"if-match": 'W/"1"'})
    assert corrected.status_code == 200, corrected.text
    assert (corrected.json()["status"], len(corrected.json()["results"])) == ("corrected", 1)
    assert (
        corrected.json()["results"][0].items() >= {"id": creatinine, "value": 1.1, "interpretation": "normal"}.items()
    )
    wrong = (await ward.fhir.get(f"/Observation/{card['results'][1]['id']}")).json()
    assert wrong["status"] == "entered-in-error"
    assert (await ward.program.put(one, json=REPORT, headers={"if-match": 'W/"1"'})).status_code == 412
    back = await ward.program.put(one, json={**REPORT, "status": "preliminary"})
    assert (back.status_code, back.json()["errors"][0]["path"]) == (422, "status")

    assert (await ward.program.delete(one)).status_code == 204
    assert (await ward.program.get(one)).status_code == 410
    assert (await ward.program.get(address)).json()["items"] == []
    assert (await ward.fhir.get(f"/Observation/{creatinine}")).json()["status"] == "entered-in-error"


async def test_a_laboratory_with_an_order_writes_and_the_patient_reads_what_is_final(ward: Ward) -> None:
    address = f"/patients/{ward.patient}/lab-results"
    laboratory, own = await ward.web("LAB_TECHNICIAN"), await ward.web("PATIENT")
    made = await laboratory.post(address, json={**REPORT, "status": "preliminary"})
    assert made.status_code == 201, made.text
    assert made.json()["performers"] == [f"Organization/l{ward.organization}"]
    one = f"{address}/{made.json()['id']}"
    assert (await own.get(one)).status_code == 404
    assert (await own.get(address)).json()["items"] == []
    final = await laboratory.put(one, json=REPORT)
    assert (final.status_code, final.json()["status"]) == (200, "final"), final.text
    assert len((await own.get(one)).json()["results"]) == 3
    for role in ("DOCTOR", "NURSE", "DIETICIAN"):
        web = await ward.web(role)
        assert len((await web.get(address)).json()["items"]) == 1, role
        assert (await web.post(address, json=REPORT)).status_code == 403, role
        assert (await web.delete(one)).status_code == 403, role
    for role in ("LAB_TECHNICIAN", "DOCTOR"):
        stranger = await ward.web(role, stranger=True)
        assert (await stranger.get(one)).status_code == 404, role
        assert (await stranger.get(address)).status_code == 404, role
    assert (await (await ward.web("LAB_TECHNICIAN", stranger=True)).post(address, json=REPORT)).status_code == 404
    assert (await laboratory.delete(one)).status_code == 204


@pytest.mark.parametrize(
    ("result", "where"),
    [
        ({"name": "X"}, "results[0].value"),
        ({"name": "X", "value": 1, "text": "one"}, "results[0].value"),
        ({"name": "X", "text": "one", "unit": "mg"}, "results[0].unit"),
        ({"name": "X", "value": 1e300}, "results[0].value"),
        ({"name": "", "value": 1}, "results[0].name"),
    ],
)
async def test_a_wrong_result_is_named(ward: Ward, result: Json, where: str) -> None:
    answer = await ward.program.post(f"/patients/{ward.patient}/lab-results", json={**REPORT, "results": [result]})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, where), answer.text


async def test_a_report_that_is_not_of_a_laboratory_is_none_here(ward: Ward) -> None:
    image = {
        "resourceType": "DiagnosticReport", "id": f"x{ward.patient}", "status": "final", "code": {"text": "X-ray"},
        "subject": {"reference": f"Patient/{ward.patient}"},
    }  # fmt: skip
    await ward.store(image)
    assert (await ward.program.get(f"/patients/{ward.patient}/lab-results/{image['id']}")).status_code == 404
