"""A document, its source, and somebody who has nothing to do with it: the world of the tests of sharing."""

from __future__ import annotations

import secrets
from typing import Any

import httpx

from tests.api.v1.clinic import ORIGIN, Clinic, bearer

PDF = b"%PDF-1.4 shared"
Json = dict[str, Any]


class World:
    """A patient, a doctor who treats them and is the source of a document, and one who has nothing to do with them."""

    def __init__(self, clinic: Clinic, program: str) -> None:
        self.clinic = clinic
        self.patient, self.mine, self.other = (f"{kind}{secrets.token_hex(4)}" for kind in ("p", "d", "e"))
        transport = httpx.ASGITransport(clinic.app)  # type: ignore[arg-type]
        self.admin = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=bearer(program))

    def web(self, token: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.clinic.app)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=bearer(token))

    async def fill(self) -> None:
        await self._store({"resourceType": "Patient", "id": self.patient})
        for name in (self.mine, self.other):
            await self._store({"resourceType": "Practitioner", "id": name})
        member = {"member": {"reference": f"Practitioner/{self.mine}"}}
        team: Json = {"resourceType": "CareTeam", "id": f"t{self.patient}", "status": "active", "participant": [member]}
        await self._store({**team, "subject": {"reference": f"Patient/{self.patient}"}})

    async def _store(self, resource: Json) -> None:
        address = f"/fhir/{resource['resourceType']}/{resource['id']}"
        answer = await self.admin.put(address, json=resource)
        assert answer.status_code == 201, answer.text

    async def doctor(self, name: str) -> httpx.AsyncClient:
        return self.web(await self.clinic.token("DOCTOR", profiles=(f"Practitioner/{name}",)))

    async def upload(self, web: httpx.AsyncClient) -> str:
        files = {"file": ("a.pdf", PDF, "application/pdf")}
        answer = await web.post(f"/patients/{self.patient}/documents", files=files)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])
