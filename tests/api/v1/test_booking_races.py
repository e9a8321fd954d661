"""Many who want one time at once: of a doctor, of a patient, of a hold that runs out. One gets it, always.

https://hl7.org/fhir/R4/appointment.html. Rounds by `CHARTVAULT_ROUNDS`; each is at a time of its own.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.api.v1.practice import ALWAYS, Json, Practice, clock, text, tomorrow

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("CHARTVAULT_ROUNDS", "2"))
MANY = 40


class Crowd:
    """A doctor everybody wants, patients, and a time that nobody had before."""

    def __init__(self, practice: Practice, doctor: str, patients: Sequence[str]) -> None:
        self.practice, self.doctor, self.patients = practice, doctor, patients
        self._times = self._series()

    @staticmethod
    def _series() -> Iterator[datetime]:
        start = tomorrow(0)
        for number in range(100_000):
            yield start + timedelta(hours=number)

    def time(self) -> datetime:
        return next(self._times)

    async def book(self, start: datetime, patient: str, doctor: str | None = None, **more: object) -> httpx.Response:
        body = {"patientId": patient, "doctorId": doctor or self.doctor, "start": text(start), **more}
        return await self.practice.desk.post("/appointments", json=body)

    async def confirm(self, made: Json) -> httpx.Response:
        return await self.practice.desk.post(f"/appointments/{made['id']}/confirm")

    async def holders(self, start: datetime, now: datetime, doctor: str | None = None) -> list[Json]:
        """Whose the half hour is, as stored."""
        low, high = start - timedelta(minutes=30), start + timedelta(minutes=30)
        query = {"doctorId": doctor or self.doctor, "from": text(low), "to": text(high)}
        with clock(self.practice, lambda: now):
            items = (await self.practice.desk.get("/appointments", params=query)).json()["items"]
        return [each for each in items if each["status"] in ("PENDING", "CONFIRMED")]


@pytest.fixture
async def crowd(practice: Practice) -> Crowd:
    patients = await practice.patients(MANY)
    return Crowd(practice, await practice.doctor(workSchedule={**ALWAYS, "timezone": "UTC"}), patients)


async def answers(*asked: Awaitable[httpx.Response]) -> tuple[list[Json], Counter[str]]:
    """Who succeeded, and how often which code refused."""
    found = await asyncio.gather(*asked)
    return (
        [each.json() for each in found if each.status_code < 300],
        Counter(each.json()["code"] for each in found if each.status_code >= 300),
    )


async def test_one_of_forty_gets_the_time(crowd: Crowd) -> None:
    for _ in range(ROUNDS):
        start = crowd.time()
        won, refused = await answers(*(crowd.book(start, each, confirm=True) for each in crowd.patients))
        assert (len(won), refused) == (1, {"slot_taken": MANY - 1})
        assert [each["id"] for each in await crowd.holders(start, datetime.now(UTC))] == [won[0]["id"]]


async def test_one_of_those_who_overlap_gets_the_time(crowd: Crowd) -> None:
    for _ in range(ROUNDS):
        start = crowd.time()
        starts = [start + timedelta(minutes=5 * (number % 3)) for number in range(MANY // 2)]
        won, refused = await answers(*map(crowd.book, starts, crowd.patients))
        assert (len(won), refused) == (1, {"slot_taken": MANY // 2 - 1})


async def test_a_patient_gets_one_of_twenty_doctors(crowd: Crowd) -> None:
    doctors = [await crowd.practice.doctor() for _ in range(20)]
    for _ in range(ROUNDS):
        start = crowd.time()
        won, refused = await answers(*(crowd.book(start, crowd.patients[0], each) for each in doctors))
        assert (len(won), refused) == (1, {"patient_busy": 19})


async def test_a_hold_is_confirmed_once(crowd: Crowd) -> None:
    for _ in range(ROUNDS):
        made = (await crowd.book(crowd.time(), crowd.patients[0])).json()
        won, refused = await answers(*(crowd.confirm(made) for _ in range(20)))
        assert (len(won), refused) == (1, {"already_confirmed": 19})


async def test_a_hold_that_ran_out_goes_to_one_other_and_never_back(crowd: Crowd) -> None:
    for _ in range(ROUNDS):
        start = crowd.time()
        made = (await crowd.book(start, crowd.patients[0])).json()
        after = datetime.fromisoformat(made["holdExpiresAt"])
        with clock(crowd.practice, lambda after=after: after):  # type: ignore[misc]
            thieves = (crowd.book(start, each) for each in crowd.patients[1:21])
            (late, *stolen) = await asyncio.gather(crowd.confirm(made), *thieves)
        assert late.json()["code"] == "hold_expired"
        won = [each.json()["id"] for each in stolen if each.status_code == 201]
        assert len(won) == 1
        assert [each["id"] for each in await crowd.holders(start, after)] == won


async def test_at_the_end_of_a_hold_there_is_one_owner(crowd: Crowd) -> None:
    """Everybody's clock says something else: some think the hold has ended, some do not."""
    rng = random.Random(11)
    for _ in range(ROUNDS):
        start = crowd.time()
        made = (await crowd.book(start, crowd.patients[0])).json()
        end = datetime.fromisoformat(made["holdExpiresAt"])
        with clock(crowd.practice, lambda end=end: end + timedelta(milliseconds=rng.choice((-1, 0, 1)))):  # type: ignore[misc]
            others = (crowd.book(start, each) for each in crowd.patients[1:10])
            (confirmed, *stolen) = await asyncio.gather(crowd.confirm(made), *others)
        won = [each.json()["id"] for each in (confirmed, *stolen) if each.status_code < 300]
        assert len(won) <= 1, [each.text for each in (confirmed, *stolen)]
        assert [each["id"] for each in await crowd.holders(start, end)] == won
