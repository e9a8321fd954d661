"""Bills: one for each visit, made when it is completed, and others that the reception writes. An Invoice each.

A visit has one bill because the bill has the number of the appointment: of two completions, one finds the other's.
https://hl7.org/fhir/R4/invoice.html
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from domain.clinic import records
from domain.clinic.acting import acting
from domain.clinic.billing_cards import Bill, BillForm, BillRecords, Payment, cents
from domain.clinic.records import Kept
from domain.errors import Conflict, DomainError
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.update import update
from domain.interactions.writing import changed
from domain.revision import Change
from domain.search import PageKey

KIND = "Invoice"
MOST_PAYMENTS = 1_000
"""Payments of the bills of one page that are counted; a bill takes at most a tenth of them."""


async def of_visit(
    parts: Parts, bills: BillRecords, occasion: Occasion, form: BillForm, *, encounter: str
) -> tuple[Change, ...]:
    """The bill of a visit that is being completed, as changes of that write; none when it has one already.

    Who completes a visit has its bill made, whoever may write bills: that is the rule.
    """
    key = ResourceKey(KIND, form.appointment or encounter.rpartition("/")[2])
    if await parts.store.newest(key) is not None:
        return ()
    form.require_possible()
    now = parts.clock()
    invoice = bills.to_fhir(form, base=None, now=now)
    charge = bills.charge(form, encounter, now)
    charge_key = ResourceKey("ChargeItem", key.id)
    invoice["lineItem"][0] |= {"chargeItemReference": {"reference": str(charge_key), "display": form.lines[0].text}}
    del invoice["lineItem"][0]["chargeItemCodeableConcept"]
    changes = []
    for each, content in ((key, invoice), (charge_key, charge)):
        parts.validate.check({**content, "id": each.id})
        changes.append(changed(parts, occasion, each, content, method="PUT", base=None)[0])
    return tuple(changes)


async def made(parts: Parts, bills: BillRecords, occasion: Occasion, form: BillForm) -> Kept[Bill]:
    """Write a bill. Raises `Forbidden`, `NotFound` for a patient the caller does not see, `InvalidFields`."""
    form.require_possible()
    await read(parts, occasion, ResourceKey("Patient", form.patient))
    return await records.made(parts, bills, occasion, form)


async def shown(parts: Parts, bills: BillRecords, occasion: Occasion, bill_id: str) -> Bill:
    """A bill with what was paid. Raises `NotFound`, `Gone`."""
    return (await counted(parts, bills, occasion, [await records.shown(parts, bills, occasion, bill_id)]))[0]


async def listed(
    parts: Parts,
    bills: BillRecords,
    occasion: Occasion,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[Bill], PageKey | None]:
    """A page of the bills the caller sees, and where the next begins."""
    found, following = await records.listed(parts, bills, occasion, pairs, after=after, count=count)
    return await counted(parts, bills, occasion, found), following


async def altered(
    parts: Parts,
    bills: BillRecords,
    occasion: Occasion,
    bill_id: str,
    form: BillForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[Bill]:
    """Charge something else. Raises `Conflict` for a bill that is cancelled or of which something was paid."""
    form.require_possible()
    _require_open(await shown(parts, bills, occasion, bill_id))
    return await records.altered(parts, bills, occasion, bill_id, form, if_match=if_match)


async def cancelled(
    parts: Parts,
    bills: BillRecords,
    occasion: Occasion,
    bill_id: str,
    reason: str | None,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Cancel a bill; it stays, with its history. Raises `Conflict` when something was paid."""
    key = ResourceKey(KIND, bill_id)
    _require_open(await shown(parts, bills, occasion, bill_id))
    answer = await read(parts, occasion, key)
    content = bills.staged(parts.reading.decoded(answer.content or b"{}"), "cancelled", reason)
    seen = frozenset({str(answer.head.version)}) if answer.head else None
    return await update(parts, occasion, key, content, if_match=seen if if_match is None else if_match)


def _require_open(bill: Bill) -> None:
    if bill.state == "CANCELLED":
        raise Conflict("This bill was cancelled", reason="cancelled")
    if bill.paid > 0 or bill.state == "PAID":
        raise Conflict("Something was paid for this bill", reason="already_paid")


async def counted(parts: Parts, bills: BillRecords, occasion: Occasion, found: Sequence[Bill]) -> list[Bill]:
    """The bills with what was paid for them. Who sees a bill sees what is left of it: that is the rule."""
    paid: dict[str, Decimal] = {}
    for payment in await payments_of(parts, bills, occasion, [bill.id for bill in found]):
        if payment.stage == "active":
            paid[payment.bill] = paid.get(payment.bill, Decimal(0)) + payment.amount
    return [msgspec.structs.replace(bill, paid=cents(paid.get(bill.id, Decimal(0)))) for bill in found]


async def payments_of(parts: Parts, bills: BillRecords, occasion: Occasion, bill_ids: Sequence[str]) -> list[Payment]:
    """Every payment of these bills, also those that did not come."""
    if not bill_ids:
        return []
    wanted = ",".join(f"{KIND}/{each}" for each in bill_ids)
    pairs = [("request", wanted), ("_total", "none"), ("_count", "100")]
    query = parts.search.parse("PaymentNotice", pairs, strict=True).query
    allowed = acting(occasion, "r", "PaymentNotice")
    found: list[Payment] = []
    while len(found) < MOST_PAYMENTS:
        page = await search(parts, allowed, query)
        contents: list[FhirJson] = [
            parts.reading.decoded(each.content) for each in page.matches if not isinstance(each.content, DomainError)
        ]
        found += [payment for payment in map(bills.payment, contents) if payment is not None]
        if page.next is None:
            break
        query = msgspec.structs.replace(query, after=page.next)
    return found
