"""A patient with everybody around them: who treats them, who files them, who carries out an order, and a stranger."""

from __future__ import annotations

import secrets
from typing import Any

import httpx

from domain.access import Role
from tests.api.v1.clinic import ORIGIN, Clinic, bearer

Json = dict[str, Any]
TEAM: tuple[Role, ...] = ("DOCTOR", "NURSE", "DIETICIAN")
LAB = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "LAB"}


class Ward:
    """One clinic of its own in a shared installation; clients by role, made when first asked for."""

    def __init__(self, clinic: Clinic, program: str) -> None:
        self.clinic = clinic
        name = secrets.token_hex(4)
        self.organization, self.patient = f"o{name}", f"p{name}"
        self.names: dict[Role, str] = {role: f"{role[:3].lower()}{name}" for role in TEAM}
        self._web: dict[str, httpx.AsyncClient] = {}
        self.program = self._client(bearer(program))
        self.fhir = self._client({**bearer(program), "content-type": "application/fhir+json"}, base="/fhir")

    def _client(self, headers: dict[str, str], base: str = "/api/v1") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.clinic.app)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN + base, headers=headers, timeout=60)

    async def fill(self) -> None:
        """Write the patient, the organization, and the team."""
        await self.store({"resourceType": "Organization", "id": self.organization, "name": "Ward"})
        patient: Json = {"resourceType": "Patient", "id": self.patient, "name": [{"family": "Ward", "given": ["Wim"]}]}
        await self.store({**patient, "managingOrganization": {"reference": f"Organization/{self.organization}"}})
        for role in TEAM:
            await self.store({"resourceType": "Practitioner", "id": self.names[role]})
        members = [{"member": {"reference": f"Practitioner/{self.names[role]}"}} for role in TEAM]
        team: Json = {"resourceType": "CareTeam", "id": f"t{self.patient}", "status": "active", "participant": members}
        await self.store({**team, "subject": {"reference": f"Patient/{self.patient}"}})
        order: Json = {
            "resourceType": "ServiceRequest",
            "id": f"r{self.patient}",
            "status": "active",
            "intent": "order",
        }
        lab = {"reference": f"Organization/l{self.organization}"}
        await self.store({"resourceType": "Organization", "id": f"l{self.organization}", "name": "Laboratory"})
        await self.store({**order, "subject": {"reference": f"Patient/{self.patient}"}, "performer": [lab]})

    async def store(self, resource: Json) -> None:
        answer = await self.fhir.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code == 201, answer.text

    async def web(self, role: Role, *, stranger: bool = False) -> httpx.AsyncClient:
        """Somebody of this role who has to do with the patient, or a `stranger` who has not."""
        name = f"{role} {stranger}"
        if name not in self._web:
            self._web[name] = self._client(bearer(await self.clinic.token(role, **self._who(role, stranger))))
        return self._web[name]

    def _who(self, role: Role, stranger: bool) -> Json:
        if stranger:
            kind = "Patient" if role == "PATIENT" else "Practitioner"
            return {"profiles": (f"{kind}/x{secrets.token_hex(4)}",)}
        if role == "PATIENT":
            return {"profiles": (f"Patient/{self.patient}",)}
        if role == "LAB_TECHNICIAN":
            return {"organizations": (f"Organization/l{self.organization}",)}
        profiles = (f"Practitioner/{self.names[role]}",) if role in self.names else ()
        return {"profiles": profiles, "organizations": (f"Organization/{self.organization}",)}

    async def valid(self, content: Json) -> None:
        """FHIR's own validation accepts a resource that was written in friendly words."""
        answer = await self.fhir.post(f"/{content['resourceType']}/$validate", json=content)
        wrong = [each for each in answer.json()["issue"] if each["severity"] in ("error", "fatal")]
        assert answer.status_code == 200, answer.text
        assert not wrong, wrong
