"""Payments: money for a bill, never more than is left of it, taken once.

A payment is written before the gateway is asked and completed by its answer, so that whatever dies in between, money that
was taken is found again (`settled`): the gateway is asked what became of it. What is under way counts as paid until then.
https://hl7.org/fhir/R4/paymentnotice.html
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec

from domain.access import Caller
from domain.clinic import billings
from domain.clinic.acting import acting
from domain.clinic.billing_cards import Bill, BillRecords, Charged, Gateway, Method, Payment
from domain.errors import Conflict, DomainError, Forbidden, InvalidFields, NotProvided
from domain.identity import ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts, opened
from domain.interactions.search import search
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Claim

KIND = "PaymentNotice"
MOST_OF_ONE = 100
OVERDUE = timedelta(minutes=1)
"""After this time a payment under way is asked for: whoever made it has given up."""
_PAYERS = frozenset({"PATIENT", "ADMIN", "RECEPTIONIST"})
_CASHIERS = frozenset({"ADMIN", "RECEPTIONIST"})


class Paid(msgspec.Struct, frozen=True):
    """A payment and the bill after it."""

    payment: Payment
    bill: Bill
    answer: Answer


async def pay(
    parts: Parts,
    bills: BillRecords,
    gateway: Gateway | None,
    occasion: Occasion,
    bill_id: str,
    amount: Decimal,
    method: Method,
    token: str | None,
) -> Paid:
    """Pay something of a bill. Patients pay by card, the reception also takes cash and transfers.

    Raises `InvalidFields` (`overpayment`) for more than is left, `Conflict` for a bill that is paid, cancelled, or whose
    payment was refused, `NotProvided` without a gateway, `NotFound` for a bill the caller does not see.
    """
    _require_payer(occasion.caller, method)
    if method == "CARD" and gateway is None:
        raise NotProvided("No payment service is set up here", reason="no_gateway")
    if method != "CARD" or gateway is None:
        return await _begun(parts, bills, occasion, bill_id, amount, method, None)
    under_way = await _begun(parts, bills, _step(occasion, "begin"), bill_id, amount, method, gateway)
    charged = await gateway.charge(under_way.payment, token)
    done = await _finished(parts, bills, _step(occasion, "end"), under_way.payment, charged)
    if charged.accepted is False:
        raise Conflict("The payment was refused", reason="payment_refused")
    return msgspec.structs.replace(done, answer=msgspec.structs.replace(done.answer, recorded=False))


def _step(occasion: Occasion, name: str) -> Occasion:
    """A write on the way of a request that is recorded at its end."""
    return msgspec.structs.replace(
        occasion, request_id=f"{occasion.request_id}.{name}", interaction=f"payment-{name}", retryable=None
    )


def _require_payer(caller: Caller, method: Method) -> None:
    """Who sees a bill and is not there to treat may pay it; programs that may write bills may record payments."""
    if caller.account is None:
        if not caller.may("u", billings.KIND):
            raise Forbidden("This program may not record payments")
    elif not caller.roles & (_PAYERS if method == "CARD" else _CASHIERS):
        raise Forbidden("Cash and transfers are recorded by the reception", reason="not_cashier")


async def _begun(
    parts: Parts,
    bills: BillRecords,
    occasion: Occasion,
    bill_id: str,
    amount: Decimal,
    method: Method,
    gateway: Gateway | None,
) -> Paid:
    """The payment, written: as under way when a gateway will be asked, else as done."""
    allowed = acting(occasion, "c" if gateway else "u", KIND, billings.KIND)
    payment_id = parts.new_id()

    async def plan() -> Planned:
        name = f"payments of {billings.KIND}/{bill_id}"
        (seen,) = await parts.store.claim([name])
        bill = await billings.shown(parts, bills, occasion, bill_id)
        known = await billings.payments_of(parts, bills, occasion, [bill_id])
        _require_payable(bill, amount, known)
        payment = _payment(parts, payment_id, bill, amount, method, gateway)
        content = bills.notice(payment)
        parts.validate.check({**content, "id": payment_id})
        key = ResourceKey(KIND, payment_id)
        change, answer = changed(parts, allowed, key, content, method="POST", base=None)
        others = await _balancing(parts, bills, allowed, payment) if gateway is None else ()
        return Planned(answer, change, (Claim(name, seen),), others)

    answer = await write_one(parts, allowed, plan)
    found = bills.payment(parts.reading.decoded(answer.content or b"{}"))
    if found is None:
        raise Conflict("This is no payment")
    return Paid(found, await billings.shown(parts, bills, allowed, bill_id), answer)


def _require_payable(bill: Bill, amount: Decimal, known: list[Payment]) -> None:
    if bill.state == "CANCELLED":
        raise Conflict("This bill was cancelled", reason="cancelled")
    if bill.state == "PAID":
        raise Conflict("This bill is paid", reason="already_paid")
    if len(known) >= MOST_OF_ONE:
        raise Conflict(f"A bill takes at most {MOST_OF_ONE} payments", reason="too_many_payments")
    waiting = sum((each.amount for each in known if each.stage == "draft"), Decimal(0))
    if amount > bill.outstanding - waiting:
        raise InvalidFields("This is more than is left to pay", expression="amount", reason="overpayment")


def _payment(
    parts: Parts, payment_id: str, bill: Bill, amount: Decimal, method: Method, gateway: Gateway | None
) -> Payment:
    now = parts.clock()
    if gateway is None:
        return Payment(payment_id, bill.id, amount, bill.currency, method, "active", now)
    return Payment(payment_id, bill.id, amount, bill.currency, method, "draft", now, gateway.name)


async def _finished(parts: Parts, bills: BillRecords, occasion: Occasion, payment: Payment, charged: Charged) -> Paid:
    """The payment as the gateway left it; the bill is balanced in the same write when nothing is left."""
    allowed = acting(occasion, "u", KIND, billings.KIND)
    key = ResourceKey(KIND, payment.id)
    if charged.accepted is None:
        bill = await billings.shown(parts, bills, allowed, payment.bill)
        return Paid(payment, bill, Answer(202))
    done = msgspec.structs.replace(payment, stage="active" if charged.accepted else "cancelled")
    said = msgspec.structs.replace(done, gateway=charged.reference or payment.gateway)

    async def plan() -> Planned:
        base = await parts.store.newest(key)
        (seen,) = await parts.store.claim([f"payments of {billings.KIND}/{payment.bill}"])
        if base is None:
            raise Conflict("This payment is not known")
        current = bills.payment(parts.reading.decoded(await opened(parts, base)))
        if current is not None and current.stage != "draft":
            return Planned(Answer(200, base.head, await opened(parts, base)))
        change, answer = changed(parts, allowed, key, bills.notice(said), method="PUT", base=base)
        others = await _balancing(parts, bills, allowed, said) if charged.accepted else ()
        claim = Claim(f"payments of {billings.KIND}/{payment.bill}", seen)
        return Planned(answer, change, (claim,), others)

    answer = await write_one(parts, allowed, plan)
    bill = await billings.shown(parts, bills, allowed, payment.bill)
    return Paid(said, bill, answer)


async def _balancing(parts: Parts, bills: BillRecords, allowed: Occasion, payment: Payment) -> tuple[Change, ...]:
    """What comes with money: its reconciliation, and the bill as balanced when it was the last of it."""
    content = bills.reconciliation(payment)
    key = ResourceKey("PaymentReconciliation", payment.id)
    parts.validate.check({**content, "id": payment.id})
    changes = [changed(parts, allowed, key, content, method="PUT", base=None)[0]]
    bill = await billings.shown(parts, bills, allowed, payment.bill)
    base = await parts.store.newest(ResourceKey(billings.KIND, payment.bill))
    if base is not None and bill.stage == "issued" and bill.paid + payment.amount >= bill.due:
        invoice = bills.staged(parts.reading.decoded(await opened(parts, base)), "balanced")
        changes.append(changed(parts, allowed, base.head.key, invoice, method="PUT", base=base)[0])
    return tuple(changes)


async def settled(parts: Parts, bills: BillRecords, gateway: Gateway, occasion: Occasion) -> int:
    """Complete the payments whose makers have died, by asking the gateway. Returns how many; for background work."""
    query = parts.search.parse(KIND, [("status", "draft"), ("_count", "50"), ("_total", "none")], strict=True).query
    page = await search(parts, acting(occasion, "r", KIND), query)
    count = 0
    for each in page.matches:
        if isinstance(each.content, DomainError) or each.head.recorded > parts.clock() - OVERDUE:
            continue
        payment = bills.payment(parts.reading.decoded(each.content))
        if payment is not None and payment.gateway == gateway.name:
            charged = await gateway.look(payment.id)
            if charged.accepted is not None:
                await _finished(parts, bills, occasion, payment, charged)
                count += 1
    return count
