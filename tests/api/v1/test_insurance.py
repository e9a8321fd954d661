"""Verifying insurances over /api/v1: asked and kept as FHIR, answered at once or later."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from api.v1.service import Service
from domain.clinic.insurance import InsuranceCard
from domain.clinic.insurance_checks import Verdict
from storage.insurance_verifiers import StubVerifier
from tests.api.v1.ward import Ward

Json = dict[str, Any]
YESTERDAY, TOMORROW = ((date.today() + timedelta(days=days)).isoformat() for days in (-2, 2))


class Broken:
    """An insurer whose line is down."""

    async def verify(self, insurance: InsuranceCard, today: date) -> Verdict:
        raise OSError("no line")


def answered_by(ward: Ward, verifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this one answer for the installation."""
    surface = ward.clinic.app.state.v1
    service: Service = surface._service
    monkeypatch.setattr(surface, "_service", service._replace(verifier=verifier))


async def insured(ward: Ward, **more: Any) -> str:
    body = {"provider": "Acme", "policyNumber": "POL-77", **more}
    made = await ward.program.post(f"/patients/{ward.patient}/insurance", json=body)
    assert made.status_code == 201, made.text
    return f"/patients/{ward.patient}/insurance/{made.json()['id']}/verify"


@pytest.mark.parametrize(
    ("policy", "status", "reason"),
    [
        ({"validFrom": YESTERDAY, "validTo": TOMORROW}, "VERIFIED", None),
        ({"validTo": YESTERDAY}, "NOT_COVERED", "The policy has ended"),
        ({"validFrom": TOMORROW}, "NOT_COVERED", "The policy has not begun"),
        ({"policyNumber": "PENDING-1"}, "PENDING", None),
    ],
)
async def test_an_insurer_answers(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, policy: Json, status: str, reason: str | None
) -> None:
    answered_by(ward, StubVerifier(), monkeypatch)
    address = await insured(ward, **policy)
    asked = await ward.program.post(address)
    assert (asked.status_code, asked.json()["status"], asked.json()["reason"]) == (202, status, reason), asked.text
    assert (await ward.program.get(address)).json() == asked.json()
    for kind, count in (("Request", 1), ("Response", int(status != "PENDING"))):
        found = (await ward.fhir.get(f"/CoverageEligibility{kind}?patient={ward.patient}")).json().get("entry", [])
        assert len(found) == count
        for entry in found:
            await ward.valid(entry["resource"])


async def test_a_question_nobody_answers_stays_open_until_somebody_does(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verifier in (None, Broken()):
        answered_by(ward, verifier, monkeypatch)
        address = await insured(ward)
        assert (await ward.program.get(address)).status_code == 404
        asked = (await ward.program.post(address)).json()
        assert (asked["status"], asked["answeredAt"]) == ("PENDING", None)
    request = (await ward.fhir.get(f"/CoverageEligibilityRequest/{asked['id']}")).json()
    answer: Json = {
        "resourceType": "CoverageEligibilityResponse",
        "id": f"r{asked['id']}",
        "status": "active",
        "purpose": ["validation"],
        "patient": request["patient"],
        "created": "2026-11-20",
        "request": {"reference": f"CoverageEligibilityRequest/{asked['id']}"},
        "outcome": "complete",
        "insurer": request["insurer"],
        "insurance": [{"coverage": request["insurance"][0]["coverage"], "inforce": True}],
    }
    await ward.store(answer)
    assert (await ward.program.get(address)).json()["status"] == "VERIFIED"


async def test_who_may_change_an_insurance_has_it_verified(ward: Ward) -> None:
    address = await insured(ward)
    for role in ("PATIENT", "RECEPTIONIST", "ADMIN"):
        assert (await (await ward.web(role)).post(address)).status_code == 202, role
    doctor = await ward.web("DOCTOR")
    assert (await doctor.post(address)).status_code == 403
    assert (await doctor.get(address)).json()["status"] == "PENDING"
    stranger = await ward.web("PATIENT", stranger=True)
    assert {(await stranger.request(method, address)).status_code for method in ("GET", "POST")} == {404}
