"""A surgery: a patient, who treats them, a pharmacy, and a doctor who has nothing to do with them."""

from __future__ import annotations

import copy
import secrets
from typing import Any

import httpx

from domain.access import Role
from tests.api.v1.clinic import Clinic
from tests.api.v1.sharing_world import World

Json = dict[str, Any]
CLARITHROMYCIN = {"text": "Clarithromycin", "rxnorm": "21212"}
SIMVASTATIN = {"text": "Simvastatin", "rxnorm": "36567"}


class Surgery(World):
    """`doctor`, `nurse`, `patient_`, `pharmacist`, `stranger` and `boss` are clients of `/api/v1`, logged in."""

    doctor_: httpx.AsyncClient
    nurse: httpx.AsyncClient
    patient_: httpx.AsyncClient
    pharmacist: httpx.AsyncClient
    stranger: httpx.AsyncClient
    boss: httpx.AsyncClient

    def __init__(self, clinic: Clinic, program: str) -> None:
        super().__init__(clinic, program)
        self.nurse_id, self.pharmacy, self.chemist = (f"{kind}{secrets.token_hex(4)}" for kind in ("n", "o", "c"))

    async def open(self) -> Surgery:
        await self.another_patient()
        for name in (self.mine, self.other, self.nurse_id, self.chemist):
            await self._store({"resourceType": "Practitioner", "id": name})
        await self._store({"resourceType": "Organization", "id": self.pharmacy, "name": "Pharmacy"})
        self.doctor_ = await self._person("DOCTOR", f"Practitioner/{self.mine}")
        self.stranger = await self._person("DOCTOR", f"Practitioner/{self.other}")
        self.nurse = await self._person("NURSE", f"Practitioner/{self.nurse_id}")
        self.patient_ = await self._person("PATIENT", f"Patient/{self.patient}")
        organizations = (f"Organization/{self.pharmacy}",)
        self.pharmacist = await self._person("PHARMACIST", f"Practitioner/{self.chemist}", organizations=organizations)
        self.boss = await self._person("ADMIN", f"Practitioner/{secrets.token_hex(4)}")
        return self

    async def with_another_patient(self) -> Surgery:
        """The same people with a patient who takes nothing yet, and is not logged in."""
        found = copy.copy(self)
        del found.patient_
        found.patient = f"p{secrets.token_hex(4)}"
        await found.another_patient()
        return found

    async def another_patient(self) -> None:
        await self._store({"resourceType": "Patient", "id": self.patient})
        team: Json = {"resourceType": "CareTeam", "id": f"t{self.patient}", "status": "active"}
        members = [{"member": {"reference": f"Practitioner/{each}"}} for each in (self.mine, self.nurse_id)]
        await self._store({**team, "subject": {"reference": f"Patient/{self.patient}"}, "participant": members})

    async def _person(self, role: Role, profile: str, **given: Any) -> httpx.AsyncClient:
        return self.web(await self.clinic.token(role, profiles=(profile,), **given))

    def prescription(self, **more: Any) -> Json:
        return {
            "patientId": self.patient,
            "medication": {"text": "Amoxicillin", "rxnorm": "723"},
            "dosage": "1 tablet twice a day",
            "pharmacyId": self.pharmacy,
            **more,
        }

    async def prescribe(self, **more: Any) -> Json:
        answer = await self.doctor_.post("/prescriptions", json=self.prescription(**more))
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def fhir(self, path: str) -> Json:
        answer = await self.admin.get(f"/fhir/{path}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found
