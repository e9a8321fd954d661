"""Medical records over /api/v1: one write for a visit, notes beside it, versions and what differs."""

from __future__ import annotations

from typing import Any

import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic
from tests.api.v1.surgery import Surgery

Json = dict[str, Any]
HYPERTENSION = {"text": "Hypertension", "code": {"system": "http://snomed.info/sct", "code": "38341003"}}


@pytest.fixture(scope="module")
async def surgery(clinic: Clinic, installation: Settings) -> Surgery:
    return await Surgery(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600)).open()


def visit(surgery: Surgery, **more: Any) -> Json:
    return {
        "patientId": surgery.patient,
        "diagnosis": [HYPERTENSION],
        "treatment": "Less salt\nMore walks & <rest>",
        **more,
    }


async def write(surgery: Surgery, **more: Any) -> Json:
    answer = await surgery.doctor_.post("/medical-records", json=visit(surgery, **more))
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def test_a_visit_is_one_composition_over_resources_of_their_own(surgery: Surgery) -> None:
    prescription = (await surgery.prescribe())["id"]
    made = await write(
        surgery,
        title="Check-up",
        date="2026-03-01T10:00:00Z",
        procedures=[{"text": "ECG", "date": "2026-03-01"}],
        prescriptionIds=[prescription],
        notes=[{"text": "Came by bus"}],
    )
    assert made["treatment"] == "Less salt\nMore walks & <rest>"
    assert made["diagnosis"][0]["code"] == HYPERTENSION["code"]
    shown = await surgery.patient_.get(f"/medical-records/{made['id']}")
    assert (shown.status_code, shown.json()) == (200, made)
    assert [each["text"] for each in made["notes"]] == ["Came by bus"]
    composition = await surgery.fhir(f"Composition/{made['id']}")
    codes = [each["code"]["coding"][0]["code"] for each in composition["section"]]
    assert codes == ["11450-4", "47519-4", "18776-5", "10160-0"]
    found = await surgery.fhir(f"Condition?patient={surgery.patient}&code=http://snomed.info/sct|38341003")
    assert made["diagnosis"][0]["id"] in [each["resource"]["id"] for each in found["entry"]]
    assert (await surgery.fhir(f"Procedure?patient={surgery.patient}&date=2026-03-01"))["total"] == 1
    for each in found["entry"]:
        checked = await surgery.admin.post("/fhir/Condition/$validate", json=each["resource"])
        assert checked.status_code == 200
    assert (await surgery.admin.post("/fhir/Composition/$validate", json=composition)).status_code == 200


async def test_a_change_keeps_what_says_the_same_and_withdraws_what_was_taken_out(surgery: Surgery) -> None:
    made = await write(surgery, diagnosis=[HYPERTENSION, {"text": "Flu"}])
    kept, flu = made["diagnosis"]
    path = f"/medical-records/{made['id']}"
    body = visit(surgery, diagnosis=[HYPERTENSION, {"text": "Asthma"}], treatment="Spray")
    answer = await surgery.doctor_.put(path, json=body, headers={"if-match": 'W/"1"'})
    changed = answer.json()
    assert (answer.status_code, changed["version"], changed["status"]) == (200, 2, "amended")
    assert changed["diagnosis"][0] == kept
    assert changed["diagnosis"][1]["text"] == "Asthma"
    withdrawn = await surgery.fhir(f"Condition/{flu['id']}")
    assert withdrawn["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert (await surgery.fhir(f"Condition/{kept['id']}/_history"))["total"] == 1
    assert (await surgery.doctor_.put(path, json=body, headers={"if-match": 'W/"1"'})).status_code == 412
    asthma = {**changed["diagnosis"][1], "text": "Asthma, mild"}
    again = await surgery.doctor_.put(
        path, json={**body, "diagnosis": [HYPERTENSION, {"id": asthma["id"], "text": asthma["text"]}]}
    )
    assert [each["id"] for each in again.json()["diagnosis"]] == [kept["id"], asthma["id"]]
    unknown = await surgery.doctor_.put(path, json={**body, "diagnosis": [{"id": flu["id"], "text": "Flu"}]})
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "diagnosis[0].id")


async def test_versions_tell_who_wrote_them_and_what_differs(surgery: Surgery) -> None:
    made = await write(surgery)
    path, condition = f"/medical-records/{made['id']}", made["diagnosis"][0]["id"]
    body = visit(surgery, diagnosis=[{"id": condition, "text": "Hypertension, grade 2"}], treatment="Pills")
    assert (await surgery.doctor_.put(path, json=body)).status_code == 200
    assert (await surgery.admin.get(f"/fhir/Composition/{made['id']}")).status_code == 200
    history = (await surgery.doctor_.get(f"{path}/history")).json()["items"]
    assert [each["version"] for each in history] == [2, 1]
    assert {each["author"]["profile"] for each in history} == {f"Practitioner/{surgery.mine}"}
    first = (await surgery.doctor_.get(f"{path}/history/1")).json()
    assert first["record"]["diagnosis"][0]["text"] == "Hypertension"
    second = (await surgery.doctor_.get(f"{path}/history/2")).json()
    assert second["record"]["diagnosis"][0]["text"] == "Hypertension, grade 2"
    diff = (await surgery.doctor_.get(f"{path}/diff", params={"from": 1, "to": 2})).json()
    changes = {each["path"]: (each["before"], each["after"]) for each in diff["changes"]}
    assert changes[f"diagnosis[{condition}].text"] == ("Hypertension", "Hypertension, grade 2")
    assert changes["treatment"] == ("Less salt\nMore walks & <rest>", "Pills")
    assert set(changes) == {"treatment", *(f"diagnosis[{condition}].{name}" for name in ("text", "system", "code"))}
    assert (diff["from"]["version"], diff["to"]["author"]["profile"]) == (1, f"Practitioner/{surgery.mine}")
    for wrong, status in [("history/9", 404), ("history/x", 404), ("diff?from=1&to=9", 404), ("diff?from=1", 422)]:
        assert (await surgery.doctor_.get(f"{path}/{wrong}")).status_code == status
    for who, status in [(surgery.nurse, 403), (surgery.patient_, 403), (surgery.stranger, 404)]:
        assert (await who.get(f"{path}/history")).status_code == status


async def test_nurses_add_notes_but_neither_change_nor_delete_anything(surgery: Surgery) -> None:
    made = await write(surgery)
    path = f"/medical-records/{made['id']}"
    added = await surgery.nurse.post(f"{path}/notes", json={"text": "Slept well\nAte little"})
    assert (added.status_code, added.json()["authorId"]) == (201, surgery.nurse_id)
    note = f"{path}/notes/{added.json()['id']}"
    assert added.headers["location"] == f"/api/v1{note}"
    for response in (
        await surgery.nurse.put(note, json={"text": "Slept badly"}),
        await surgery.nurse.patch(note, json={"text": "Slept badly"}),
        await surgery.nurse.delete(note),
        await surgery.nurse.delete(path),
        await surgery.nurse.put(path, json=visit(surgery)),
        await surgery.nurse.post("/medical-records", json=visit(surgery, diagnosis=[{"text": "x"}])),
        await surgery.patient_.post(f"{path}/notes", json={"text": "I feel fine"}),
        await surgery.patient_.put(path, json=visit(surgery)),
    ):
        assert response.status_code == 403, response.text
    assert (await surgery.stranger.post(f"{path}/notes", json={"text": "x"})).status_code == 404
    shown = (await surgery.nurse.get(path)).json()
    assert (shown["version"], [each["text"] for each in shown["notes"]]) == (1, ["Slept well\nAte little"])
    amended = await surgery.doctor_.put(note, json={"text": "Slept"}, headers={"if-match": 'W/"1"'})
    assert (amended.status_code, amended.json()["version"]) == (200, 2)
    assert (await surgery.doctor_.get(f"/medical-records/other/notes/{added.json()['id']}")).status_code == 404
    assert (await surgery.doctor_.delete(note)).status_code == 204
    assert (await surgery.nurse.get(f"{path}/notes")).json()["items"] == []
    found = await surgery.fhir(f"Composition/{added.json()['id']}/_history")
    assert found["total"] == 3


async def test_a_deleted_record_is_gone_and_its_history_and_findings_are_not(surgery: Surgery) -> None:
    made = await write(surgery)
    path = f"/medical-records/{made['id']}"
    assert (await surgery.patient_.delete(path)).status_code == 403
    assert (await surgery.stranger.delete(path)).status_code == 404
    assert (await surgery.doctor_.delete(path, headers={"if-match": 'W/"9"'})).status_code == 412
    assert (await surgery.doctor_.delete(path)).status_code == 204
    assert (await surgery.doctor_.get(path)).status_code == 410
    assert (await surgery.fhir(f"Composition/{made['id']}/_history"))["total"] == 2
    assert (await surgery.fhir(f"Condition/{made['diagnosis'][0]['id']}"))["id"]
    history = (await surgery.doctor_.get(f"{path}/history")).json()["items"]
    assert [(each["version"], each["deleted"]) for each in history] == [(2, True), (1, False)]
    assert history[0]["author"]["profile"] == f"Practitioner/{surgery.mine}"


async def test_lists_narrow_by_patient_doctor_date_and_words(surgery: Surgery) -> None:
    fresh = await surgery.with_another_patient()
    for month, word in ((1, "xyzzyitis"), (2, "plughosis")):
        await write(fresh, diagnosis=[{"text": word}], date=f"2026-0{month}-01T00:00:00Z")
    for query, count in [
        ({}, 2),
        ({"q": "xyzzyitis"}, 1),
        ({"q": "salt"}, 2),
        ({"q": "nothing"}, 0),
        ({"doctorId": fresh.mine}, 2),
        ({"doctorId": fresh.other}, 0),
        ({"from": "2026-02-01T00:00:00Z"}, 1),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}, 1),
    ]:
        answer = await fresh.doctor_.get("/medical-records", params={"patientId": fresh.patient, **query})
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["items"]) == count, query
    items = (await fresh.nurse.get("/medical-records", params={"patientId": fresh.patient})).json()["items"]
    assert [each["diagnosis"][0]["text"] for each in items] == ["plughosis", "xyzzyitis"]
    assert (await fresh.stranger.get("/medical-records", params={"patientId": fresh.patient})).json()["items"] == []


async def test_a_record_points_only_at_what_is_on_record_of_its_patient(surgery: Surgery) -> None:
    fresh = await surgery.with_another_patient()
    elsewhere = (await surgery.prescribe())["id"]
    for field, value in [
        ("prescriptionIds", elsewhere),
        ("prescriptionIds", "none"),
        ("testResultIds", f"Patient/{fresh.patient}"),
        ("allergyIds", "none"),
    ]:
        answer = await fresh.doctor_.post("/medical-records", json=visit(fresh, **{field: [value]}))
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, f"{field}[0]"), answer.text
    assert (await fresh.stranger.post("/medical-records", json=visit(fresh))).status_code == 404
    assert (await fresh.fhir(f"Condition?patient={fresh.patient}"))["total"] == 0


async def test_a_sensitive_diagnosis_labels_the_record_that_names_it(surgery: Surgery) -> None:
    hiv = {"text": "HIV infection", "code": {"system": "http://snomed.info/sct", "code": "86406008"}}
    made = await write(surgery, diagnosis=[hiv])
    condition = await surgery.fhir(f"Condition/{made['diagnosis'][0]['id']}")
    composition = await surgery.fhir(f"Composition/{made['id']}")
    labels = {each["code"] for each in condition["meta"]["security"]}
    assert labels
    assert labels <= {each["code"] for each in composition["meta"]["security"]}
