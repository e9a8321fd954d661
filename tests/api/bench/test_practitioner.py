"""A practitioner with an account and a login of their own, over HTTP: sees whom they treat, for as long as they do."""

from __future__ import annotations

import httpx

from api.bench.access import PRACTITIONER
from api.bench.practitioner import practitioner_token
from api.settings import Settings


async def test_who_logs_in_sees_the_patients_of_their_team_until_it_ends(
    settings: Settings, fhir: httpx.AsyncClient
) -> None:
    for name in ("mine", "foreign"):
        assert (await fhir.put(f"Patient/{name}", json={"resourceType": "Patient", "id": name})).status_code == 201
    team = {
        "resourceType": "CareTeam",
        "id": "t",
        "status": "active",
        "subject": {"reference": "Patient/mine"},
        "participant": [{"member": {"reference": PRACTITIONER}}],
    }
    assert (await fhir.put("CareTeam/t", json=team)).status_code == 201
    person = {"authorization": f"Bearer {await practitioner_token(settings)}"}
    assert (await fhir.get("Patient/mine", headers=person)).status_code == 200
    assert (await fhir.get("Patient/foreign", headers=person)).status_code == 404
    found = (await fhir.get("Patient?_total=accurate", headers=person)).json()
    assert [row["resource"]["id"] for row in found["entry"]] == ["mine"]
    assert found["total"] == 1
    for _ in range(2):  # the second time the look-up starts before the caller is known
        assert (await fhir.get("Patient/mine", headers=person)).status_code == 200
    assert (await fhir.put("CareTeam/t", json={**team, "status": "inactive"})).status_code == 200
    assert (await fhir.get("Patient/mine", headers=person)).status_code == 404
    assert (await fhir.get("Patient", headers=person)).json()["total"] == 0
