"""The cells `access/…`: the same reads and searches by a system client and by a practitioner bound to care teams.

Consents and labels are in play: every tenth observation is labelled restricted, some patients of the panel deny somebody
else, some outside of it deny everybody. Both ask the same questions, about the panel, so both get the same answers; what
differs is what it takes to be allowed. The practitioner's token is that of a login, so its session counts as well.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence

import msgspec

from api.bench.engine import Cell, Session, Wrong, side_by_side
from api.bench.people import LOINC, code_of

PRACTITIONER = "Practitioner/bench"
PANEL, STRANGERS = 1_000, 200
"""Patients whose care team the practitioner is in, and others."""
OBSERVATIONS = 10
_AT_ONCE = 8
_PER_BUNDLE = 10
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_SCOPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]}
_RECIPIENT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]}


class Practice:
    """Panel and strangers, stored once per target by the system client."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self.patients: list[str] = []
        self.observations: list[str] = []

    async def fill(self, session: Session) -> None:
        if self.patients:
            return
        numbers = range(0, PANEL + STRANGERS, _PER_BUNDLE)

        async def one(at: int) -> None:
            start = numbers[at]
            entries = [row for n in range(start, start + _PER_BUNDLE) for row in self._person(n)]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            await session.ask("POST", "", msgspec.json.encode(bundle), expect=(200,))

        await side_by_side(len(numbers), _AT_ONCE, one)
        self.patients = [self._patient(n) for n in range(PANEL)]
        self.observations = [f"{patient}-{n}" for patient in self.patients for n in range(OBSERVATIONS)]

    def _patient(self, number: int) -> str:
        return f"{self._run}-{number:06d}"

    def _person(self, number: int) -> list[dict[str, object]]:
        patient = self._patient(number)
        subject = {"reference": f"Patient/{patient}"}
        rows: list[dict[str, object]] = [
            {"resourceType": "Patient", "id": patient, "name": [{"family": f"Ward{patient}"}]},
        ]
        if number < PANEL:
            member = {"member": {"reference": PRACTITIONER}}
            rows.append(
                {
                    "resourceType": "CareTeam",
                    "id": patient,
                    "status": "active",
                    "subject": subject,
                    "participant": [member],
                }
            )
        if number % 20 == 0:
            rows.append(_denial(patient, subject, somebody="Practitioner/else" if number < PANEL else None))
        rows += [_observation(f"{patient}-{n}", n, subject) for n in range(OBSERVATIONS)]
        return [
            {"resource": row, "request": {"method": "PUT", "url": f"{row['resourceType']}/{row['id']}"}} for row in rows
        ]


def _observation(name: str, number: int, subject: dict[str, str]) -> dict[str, object]:
    labels = [{"system": _CONFIDENTIALITY, "code": "R"}] if number == 0 else []
    return {
        "resourceType": "Observation",
        "id": name,
        **({"meta": {"security": labels}} if labels else {}),
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code_of(number), "display": "measured at the bedside"}]},
        "subject": subject,
        "effectiveDateTime": f"2026-01-{1 + number:02d}",
        "valueQuantity": {"value": 70 + number, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }


def _denial(patient: str, subject: dict[str, str], *, somebody: str | None) -> dict[str, object]:
    actors = [{"role": _RECIPIENT, "reference": {"reference": somebody}}] if somebody else []
    return {
        "resourceType": "Consent",
        "id": patient,
        "status": "active",
        "scope": _SCOPE,
        "category": [{"coding": [{"system": LOINC, "code": "59284-0"}]}],
        "patient": subject,
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": "deny", **({"actor": actors} if actors else {})},
    }


class Reading:
    """GET of an observation of somebody of the panel."""

    counts_resources = False

    def __init__(self, name: str, practice: Practice, token: str | None) -> None:
        self.name = name
        self.token = token
        self._practice = practice

    async def prepare(self, session: Session) -> None:
        await self._practice.fill(session)

    async def unit(self, session: Session, worker: int) -> None:
        await session.ask("GET", f"/Observation/{random.choice(self._practice.observations)}", expect=(200,))  # noqa: S311

    async def verify(self, session: Session) -> None:
        pass


class Searching(Reading):
    """Half by patient and code, half by name; each has its one right number of matches."""

    async def unit(self, session: Session, worker: int) -> None:
        patient = random.choice(self._practice.patients)  # noqa: S311
        if random.random() < 0.5:  # noqa: S311
            number = random.randrange(OBSERVATIONS)  # noqa: S311
            hits = sum(code_of(each) == code_of(number) for each in range(OBSERVATIONS))
            path = f"/Observation?patient=Patient/{patient}&code={code_of(number)}&_count=20"
        else:
            hits, path = 1, f"/Patient?name=Ward{patient}&_count=20"
        answer = await session.ask("GET", path, expect=(200,))
        if answer.body.count(b'"mode":"match"') != hits:
            session.wrong["wrong number of matches"] += 1


def access_cells(practitioner: str | None) -> dict[str, Cell]:
    """The cells by name; `practitioner` is the token of somebody who is `PRACTITIONER`. Raises `Wrong` without one."""
    practice = Practice()

    def cells(token: str | None, who: str) -> Sequence[Cell]:
        return (
            Reading(f"access/read-{who}", practice, token),
            Searching(f"access/search-{who}", practice, token),
        )

    if practitioner is None:
        raise Wrong("The access cells need a practitioner who can log in: a server of the bench's own has one")
    read, search = zip(cells(None, "system"), cells(practitioner, "practitioner"), strict=False)
    return {cell.name: cell for cell in (*read, *search)}
