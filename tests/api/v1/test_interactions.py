"""The interaction check beforehand, and its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.settings import Settings
from api.tokens import mint
from tests.api.v1.clinic import Clinic
from tests.api.v1.surgery import CLARITHROMYCIN, SIMVASTATIN, Surgery

Json = dict[str, Any]
DRUGS = "rxcui,name,ingredient_rxcui,synonyms\n,grapefruit,,pomelo\n723,amoxicillin,,\n"
CLASSES = "class_id,name,member_rxcui\n"
RULES = (
    "rule_id,a_kind,a,b_kind,b,severity,effect,management,source,source_url,kb_version,active\n"
    "own-1,drug,723,drug,grapefruit,contraindicated,Made up.,Do not.,Our committee,,own-1,true\n"
)
TABLES = {"drugs": DRUGS, "classes": CLASSES, "rules": RULES}


@pytest.fixture(scope="module")
async def surgery(clinic: Clinic, installation: Settings) -> Surgery:
    return await Surgery(clinic, mint(installation, scopes="system/*.cruds", lifetime_seconds=600)).open()


@pytest.fixture
async def imported(surgery: Surgery) -> AsyncIterator[Json]:
    answer = await surgery.boss.put("/interactions/tables/own", json=TABLES)
    assert answer.status_code == 200, answer.text
    yield answer.json()
    assert (await surgery.boss.delete("/interactions/tables/own")).status_code == 204


async def check(surgery: Surgery, *names: str, **more: Any) -> Json:
    body = {"medications": [{"text": each} for each in names], **more}
    answer = await surgery.doctor_.post("/interactions/check", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def test_a_dry_run_tells_what_was_found_and_stores_nothing(surgery: Surgery) -> None:
    body = {"medications": [CLARITHROMYCIN, SIMVASTATIN, {"text": "Moon dust"}]}
    answer = await surgery.doctor_.post("/interactions/check", json=body)
    found = answer.json()
    assert [each["severity"] for each in found["alerts"]] == ["contraindicated"]
    assert (found["unresolved"], found["kbVersion"]) == (["Moon dust"], "onc-2012")
    assert "not a complete interaction check" in found["notice"]
    assert (await surgery.fhir(f"DetectedIssue?patient={surgery.patient}"))["total"] == 0


async def test_a_dry_run_for_a_patient_counts_what_they_take(surgery: Surgery) -> None:
    statement = {
        "resourceType": "MedicationStatement",
        "id": f"s{surgery.patient}",
        "status": "active",
        "subject": {"reference": f"Patient/{surgery.patient}"},
        "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "clarithromycin"}}],
        "medicationReference": {"reference": "#m"},
    }
    await surgery._store(statement)
    (alert,) = (await check(surgery, "Simvastatin", patientId=surgery.patient))["alerts"]
    assert f"MedicationStatement/s{surgery.patient}" in alert["references"]
    body = {"medications": [SIMVASTATIN], "patientId": surgery.patient}
    assert (await surgery.stranger.post("/interactions/check", json=body)).status_code == 404


async def test_imported_tables_are_used_by_the_next_check_until_they_are_taken_out(
    surgery: Surgery, imported: Json
) -> None:
    assert (imported["version"], imported["kbVersion"], imported["rules"], imported["active"]) == (1, "own-1", 1, True)
    found = await check(surgery, "Amoxicillin", "Pomelo")
    assert [(each["severity"], each["source"]) for each in found["alerts"]] == [("contraindicated", "Our committee")]
    assert found["kbVersion"] == "onc-2012+own-1"
    refused = await surgery.doctor_.post(
        "/interactions/check", json={"medications": [{"text": "Simvastatin"}, {"text": "Clarithromycin"}]}
    )
    assert len(refused.json()["alerts"]) == 1
    assert (await surgery.boss.delete("/interactions/tables/own")).status_code == 204
    assert (await check(surgery, "Amoxicillin", "Pomelo"))["alerts"] == []
    again = await surgery.boss.put("/interactions/tables/own", json=TABLES)
    assert again.json()["version"] == imported["version"] + 2


async def test_exported_tables_can_be_imported_again(surgery: Surgery, imported: Json) -> None:
    texts = {}
    for name in ("drugs", "classes", "rules"):
        answer = await surgery.boss.get(f"/interactions/tables/onc/{name}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        texts[name] = answer.text
    again = await surgery.boss.put("/interactions/tables/copy", json=texts)
    assert again.status_code == 200, again.text
    listed = (await surgery.boss.get("/interactions/tables")).json()["items"]
    rows = {each["name"]: (each["version"] >= 1, each["rules"]) for each in listed}
    assert rows["copy"][1] == rows["onc"][1] > 20
    assert (await surgery.boss.delete("/interactions/tables/copy")).status_code == 204
    assert (await surgery.boss.get("/interactions/tables/none/rules")).status_code == 404
    assert (await surgery.boss.get("/interactions/tables/onc/secrets")).status_code == 404


@pytest.mark.parametrize(
    ("tables", "path"),
    [
        ({**TABLES, "drugs": "a,b\n"}, "ddi_drugs"),
        ({**TABLES, "rules": RULES.replace("723", "999")}, "ddi_rules.own-1"),
        ({**TABLES, "rules": RULES.replace("contraindicated", "deadly")}, "ddi_rules[2]"),
    ],
)
async def test_tables_that_cannot_be_used_are_refused_by_line(surgery: Surgery, tables: Json, path: str) -> None:
    answer = await surgery.boss.put("/interactions/tables/bad", json=tables)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), answer.text


async def test_only_administrators_see_and_change_the_tables(surgery: Surgery) -> None:
    for who in (surgery.doctor_, surgery.nurse, surgery.patient_, surgery.pharmacist):
        assert (await who.get("/interactions/tables")).status_code == 403
        assert (await who.put("/interactions/tables/x", json=TABLES)).status_code == 403
        assert (await who.delete("/interactions/tables/onc")).status_code == 403
        assert (await who.get("/interactions/tables/onc/rules")).status_code == 403
