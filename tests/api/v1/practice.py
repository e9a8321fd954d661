"""A practice for the tests of booking: an organization with its administrator, and doctors who work around the clock."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.api.v1.clinic import ORIGIN, Clinic, bearer

Json = dict[str, Any]
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ALWAYS: Json = {
    "timezone": "Europe/Berlin",
    "slotMinutes": 30,
    "weekly": [{"days": EVERY_DAY, "start": "00:00", "end": "24:00"}],
}


class Practice:
    """`desk` is the client of a program that may do everything; people are made as they are needed."""

    def __init__(self, clinic: Clinic, program: str) -> None:
        self.clinic = clinic
        self.organization = f"o{secrets.token_hex(4)}"
        self.desk = self.web(program)
        self.fhir = clinic.fhir(program)

    def web(self, token: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.clinic.app)  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/api/v1", headers=bearer(token), timeout=60)

    async def fill(self) -> None:
        await self.store({"resourceType": "Organization", "id": self.organization, "name": "Practice"})

    async def store(self, resource: Json) -> Json:
        answer = await self.fhir.put(f"/{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text
        stored: Json = answer.json()
        return stored

    async def patient(self, **more: Any) -> str:
        name = f"p{secrets.token_hex(5)}"
        managing = {"managingOrganization": {"reference": f"Organization/{self.organization}"}}
        await self.store({"resourceType": "Patient", "id": name, **managing, **more})
        return name

    async def patients(self, number: int) -> list[str]:
        """Several at once."""
        names = [f"p{secrets.token_hex(5)}" for _ in range(number)]
        entries = [
            {
                "resource": {"resourceType": "Patient", "id": name},
                "request": {"method": "PUT", "url": f"Patient/{name}"},
            }
            for name in names
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await self.fhir.post("/", json=bundle)
        assert answer.status_code == 200, answer.text
        return names

    async def doctor(self, **fields: Any) -> str:
        """The id of a doctor of the practice."""
        body = {"firstName": "Mira", "lastName": f"Okonkwo{secrets.token_hex(3)}", "workSchedule": ALWAYS}
        body |= {"organizationId": f"Organization/{self.organization}", **fields}
        answer = await self.desk.post("/doctors", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def as_admin(self) -> httpx.AsyncClient:
        return self.web(await self.clinic.token("ADMIN", organizations=(f"Organization/{self.organization}",)))

    async def as_receptionist(self) -> httpx.AsyncClient:
        return self.web(await self.clinic.token("RECEPTIONIST", organizations=(f"Organization/{self.organization}",)))

    async def as_patient(self, name: str) -> httpx.AsyncClient:
        return self.web(await self.clinic.token("PATIENT", profiles=(f"Patient/{name}",)))

    async def as_doctor(self, name: str) -> httpx.AsyncClient:
        return self.web(await self.clinic.token("DOCTOR", profiles=(f"Practitioner/{name}",)))


def tomorrow(hour: int = 9, minute: int = 0, *, days: int = 2) -> datetime:
    """A time some days from now, in UTC."""
    day = datetime.now(UTC) + timedelta(days=days)
    return day.replace(hour=hour, minute=minute, second=0, microsecond=0)


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@contextmanager
def clock(practice: Practice, now: Callable[[], datetime]) -> Iterator[None]:
    """While inside, `/api/v1` of the practice lives at another time."""
    surface = practice.clinic.app.state.v1
    before = surface._service
    parts = before.parts._replace(clock=now)
    surface._service = before._replace(parts=parts, desk=before.desk._replace(parts=parts))
    try:
        yield
    finally:
        surface._service = before


def later(minutes: float) -> Callable[[], datetime]:
    """A clock that is ahead."""
    return lambda: datetime.now(UTC) + timedelta(minutes=minutes)
