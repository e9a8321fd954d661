"""Asking an insurer whether they cover a patient: https://hl7.org/fhir/R4/coverageeligibilityrequest.html

The question is kept as a CoverageEligibilityRequest and the answer as the response to it, both in one write. Where nobody
outside answers for this installation, or not in time, the question stays open: whoever can answer it writes the response, as
a FHIR client does, and it is shown as if it had come at once.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.clinic import chart
from domain.clinic.acting import acting
from domain.clinic.chart import ChartRecords
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.errors import DomainError, Forbidden, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts, present
from domain.interactions.search import search
from domain.interactions.writing import Planned, changed, write_one

REQUEST, RESPONSE = "CoverageEligibilityRequest", "CoverageEligibilityResponse"
SECONDS = 10.0
CheckStatus: TypeAlias = Literal["VERIFIED", "NOT_COVERED", "PENDING"]


class Verdict(msgspec.Struct, frozen=True):
    """What an insurer says; `PENDING` when they will answer later."""

    status: CheckStatus
    reason: str | None = None


class Verifier(Protocol):
    """Somebody outside who knows whether an insurance covers. Implemented by `storage.insurance_verifiers`."""

    async def verify(self, insurance: InsuranceCard, today: date) -> Verdict:
        """What they say of it today. May fail or take long: then the question stays open."""
        ...


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A question to an insurer, and what is known of the answer."""

    id: str
    insurance_id: str
    status: CheckStatus
    reason: str | None
    asked_at: datetime | None
    answered_at: datetime | None

    def __repr__(self) -> str:
        return f"Check({self.id})"


class CheckRecords(Protocol):
    """Questions and answers to resources and back. Implemented by `fhir_mapping.friendly.insurance_checks`."""

    def request(self, coverage: FhirJson, now: datetime) -> FhirJson:
        """The question about a Coverage."""
        ...

    def response(self, request: FhirJson, verdict: Verdict, now: datetime) -> FhirJson:
        """The answer to a question, which has its id."""
        ...

    def check(self, request: FhirJson, response: FhirJson | None) -> Check: ...


async def verified(
    parts: Parts,
    insurances: ChartRecords[InsuranceForm, InsuranceCard],
    records: CheckRecords,
    verifier: Verifier | None,
    occasion: Occasion,
    patient: ResourceKey,
    insurance_id: str,
) -> tuple[Check, Answer]:
    """Ask, and keep question and answer. For who may change the insurance. Raises `NotFound`, `Forbidden`."""
    card, answer = await chart.found(parts, insurances, occasion, patient, insurance_id)
    key = ResourceKey(insurances.type, insurance_id)
    if not await may_see(parts, occasion.caller, "u", present(await parts.store.newest(key), key)):
        raise Forbidden("You may not have this insurance verified")
    verdict = await _asked(verifier, card, parts.clock().date())
    request = records.request(parts.reading.decoded(answer.content or b"{}"), parts.clock())
    request_key, response_key = ResourceKey(REQUEST, parts.new_id()), ResourceKey(RESPONSE, parts.new_id())
    request = {**request, "id": request_key.id}
    response = None
    if verdict.status != "PENDING":
        response = {**records.response(request, verdict, parts.clock()), "id": response_key.id}

    async def plan() -> Planned:
        parts.validate.check(request)
        change, made = changed(parts, occasion, request_key, request, method="POST", base=None)
        if response is None:
            return Planned(made, change)
        parts.validate.check(response)
        other, _ = changed(parts, occasion, response_key, response, method="POST", base=None)
        return Planned(made, change, (), (other,))

    written = await write_one(parts, acting(occasion, "c", REQUEST, RESPONSE), plan)
    return records.check(request, response), written


async def newest(
    parts: Parts,
    insurances: ChartRecords[InsuranceForm, InsuranceCard],
    records: CheckRecords,
    occasion: Occasion,
    patient: ResourceKey,
    insurance_id: str,
) -> Check:
    """What came of the last question. For who may read the insurance. Raises `NotFound` when nobody asked."""
    await chart.found(parts, insurances, occasion, patient, insurance_id)
    for request in await _all(parts, occasion, REQUEST, patient, ("_sort", "-created")):
        check = records.check(request, None)
        if check.insurance_id == insurance_id:
            answers = await _all(parts, occasion, RESPONSE, patient, ("request", f"{REQUEST}/{check.id}"))
            return records.check(request, next(iter(answers), None))
    raise NotFound("Nobody had this insurance verified yet")


async def _asked(verifier: Verifier | None, card: InsuranceCard, today: date) -> Verdict:
    """The verdict, or `PENDING`: what goes wrong outside never undoes the question."""
    if verifier is None:
        return Verdict("PENDING")
    try:
        async with asyncio.timeout(SECONDS):
            return await verifier.verify(card, today)
    except (TimeoutError, OSError, DomainError):
        return Verdict("PENDING")


async def _all(
    parts: Parts, occasion: Occasion, kind: str, patient: ResourceKey, *pairs: tuple[str, str]
) -> list[FhirJson]:
    query = parts.search.parse(kind, [("patient", patient.id), *pairs, ("_total", "none")], strict=True).query
    page = await search(parts, acting(occasion, "s", kind), msgspec.structs.replace(query, count=100))
    return [parts.reading.decoded(each.content) for each in page.matches if isinstance(each.content, bytes)]
