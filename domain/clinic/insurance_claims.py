"""What an insurance is asked to pay of a bill: a draft of a Claim, one for each bill, to be sent by other means.

https://hl7.org/fhir/R4/claim.html
"""

from __future__ import annotations

from domain.clinic import billings
from domain.clinic.acting import acting
from domain.clinic.billing_cards import BillRecords
from domain.errors import Conflict, DomainError
from domain.identity import ResourceKey
from domain.interactions.guarding import may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.search import search
from domain.interactions.writing import Planned, changed, write_one

KIND = "Claim"
MOST_COVERAGES = 10


async def drafted(parts: Parts, bills: BillRecords, occasion: Occasion, bill_id: str) -> Answer:
    """The draft for a bill: made now (201), or the one there is (200).

    Raises `Conflict` (`no_coverage`) when the patient has no insurance on file, `Forbidden`, `NotFound`.
    """
    bill = await billings.shown(parts, bills, occasion, bill_id)
    if bill.state == "CANCELLED":
        raise Conflict("This bill was cancelled", reason="cancelled")
    key = ResourceKey(KIND, bill_id)
    coverages = await _coverages(parts, occasion, bill.patient_id)
    if not coverages:
        raise Conflict("The patient has no insurance on file", reason="no_coverage")
    content = bills.claim(bill, coverages, parts.clock())
    parts.validate.check({**content, "id": key.id})

    async def plan() -> Planned:
        base = await parts.store.newest(key)
        if base is not None and not base.head.deleted:
            if not await may_see(parts, occasion.caller, "r", base):
                raise Conflict("There is a claim for this bill", reason="claimed")
            return Planned(Answer(200, base.head, await opened(parts, base)))
        change, answer = changed(parts, occasion, key, content, method="PUT", base=base)
        return Planned(answer, change)

    return await write_one(parts, occasion, plan)


async def _coverages(parts: Parts, occasion: Occasion, patient: str | None) -> list[str]:
    """The active insurances of the patient of a bill the caller sees."""
    if patient is None:
        return []
    pairs = [("beneficiary", f"Patient/{patient}"), ("status", "active"), ("_count", str(MOST_COVERAGES))]
    query = parts.search.parse("Coverage", [*pairs, ("_total", "none")], strict=True).query
    page = await search(parts, acting(occasion, "r", "Coverage"), query)
    return [str(each.head.key) for each in page.matches if not isinstance(each.content, DomainError)]
