"""A patient of ours who is a patient of a provider too: a second Chartvault on a real socket, with an office to work in it."""

from __future__ import annotations

import asyncio
import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from domain.clinic.provider_ports import Auth, Connection
from domain.clinic.sync_parts import Sync
from tests.api.providers import Provider
from tests.api.v1.ward import Ward

Json = dict[str, Any]
LETTER = b"a letter from the provider"
TYPES = ("Observation", "AllergyIntolerance", "Condition", "DocumentReference")
OVER_SECONDS = 20.0


class Office:
    """Who works at the provider: writes into the record of one patient there."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.patient = provider, f"r{secrets.token_hex(4)}"
        headers = {"authorization": f"Bearer {provider.token}", "content-type": "application/fhir+json"}
        self.web = httpx.AsyncClient(base_url=provider.base, headers=headers, trust_env=False, timeout=30)

    async def store(self, resource: Json) -> Json:
        answer = await self.web.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text
        found: Json = answer.json()
        return found

    async def open(self) -> None:
        await self.store({"resourceType": "Patient", "id": self.patient, "name": [{"family": "Ward"}]})

    def observation(self, number: int, value: str = "71.50", **given: Any) -> Json:
        value_quantity = {"value": float(value), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"}
        code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Body weight"}
        return {
            "resourceType": "Observation",
            "id": f"o{self.patient}-{number}",
            "status": "final",
            "code": code,
            "subject": {"reference": f"Patient/{self.patient}"},
            "effectiveDateTime": f"2026-10-{number + 1:02}T08:00:00Z",
            "valueQuantity": value_quantity,
            **given,
        }

    def document(self, name: str, content: bytes = LETTER, **given: Any) -> Json:
        attachment = {
            "contentType": "text/plain",
            "data": base64.b64encode(content).decode(),
            "title": f"Letter {name}",
        }
        return {
            "resourceType": "DocumentReference",
            "id": f"d{self.patient}-{name}",
            "status": "current",
            "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
            "subject": {"reference": f"Patient/{self.patient}"},
            "content": [{"attachment": attachment}],
            **given,
        }

    def allergy(self, name: str = "Peanut", **given: Any) -> Json:
        return {
            "resourceType": "AllergyIntolerance",
            "id": f"a{self.patient}",
            "clinicalStatus": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
                ]
            },
            "code": {"text": name},
            "patient": {"reference": f"Patient/{self.patient}"},
            **given,
        }


class Shared:
    """The patient on both sides, and who works on ours."""

    def __init__(self, ward: Ward, office: Office | None = None) -> None:
        self.ward = ward
        if office is not None:
            self.office = office
        self.patient = ward.patient
        self.sync: Sync = ward.clinic.service.sync

    async def connect(self, base: str | None = None, *, due: bool = False, **given: Any) -> Connection:
        """Agree on a connection, or change the one there is."""
        told = {"id": f"c{self.patient}", "patient": self.patient, "name": "St Erewhon", "types": TYPES, **given}
        if base is None:
            auth = Auth(kind="BEARER", secret=self.office.provider.token)
            base, told = self.office.provider.base, {"remote_patient": self.office.patient, "auth": auth, **told}
        made = Connection(base=base, **told)
        before = await self.sync.connections.get(self.patient)
        seen = None if before is None else before.version
        return await self.sync.connections.put(made, seen=seen, due=datetime.now(UTC) if due else None)

    async def started(self, **body: Any) -> Json:
        """What a dietician is answered who starts a run."""
        answer = await (await self.ward.web("DIETICIAN")).post(f"/patients/{self.patient}/sync", json=body)
        assert answer.status_code == 202, answer.text
        found: Json = answer.json()
        return found

    async def over(self, run: str | None = None) -> Json:
        """A run, the newest by default, when it is over."""
        web, until = await self.ward.web("DIETICIAN"), datetime.now(UTC) + timedelta(seconds=OVER_SECONDS)
        while datetime.now(UTC) < until:
            answer = await web.get(f"/patients/{self.patient}/sync" if run is None else f"/sync/{run}")
            if answer.status_code == 200 and answer.json()["status"] not in ("QUEUED", "RUNNING"):
                found: Json = answer.json()
                return found
            await asyncio.sleep(0.05)
        raise AssertionError("the synchronisation does not end")

    async def synchronised(self, **body: Any) -> Json:
        return await self.over((await self.started(**body))["id"])

    async def ours(self, kind: str, **query: str) -> list[Json]:
        """The resources of a type in the record of our patient."""
        answer = await self.ward.fhir.get(f"/{kind}", params={"patient": self.patient, **query})
        assert answer.status_code == 200, answer.text
        return [entry["resource"] for entry in answer.json().get("entry", ())]

    async def logs(self, **query: str) -> list[Json]:
        answer = await (await self.ward.web("DOCTOR")).get(f"/patients/{self.patient}/logs", params=query)
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["items"]
        return found
