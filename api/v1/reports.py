"""Reports that are downloaded. `/api/v1` of PRODUCT 2.11, Billings.

Written while they are computed: a report of any length takes the memory of one page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from api.v1.billings import BILLS, BillView, MoneyView, view
from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic.billing_cards import Bill
from domain.clinic.billing_reports import Month, Sums, bills_of, month_of, require_reporter

COLUMNS = (
    *("date", "billing", "patient", "appointment", "status", "currency"),
    *("amount", "insurance", "paid", "outstanding"),
)


class MonthWanted(Form, frozen=True, kw_only=True):
    """A month of the calendar in UTC."""

    month: Annotated[str, Meta(min_length=7, max_length=7)]
    kind: Literal["json", "csv"] = field(name="format", default="json")


class SumsView(View, frozen=True, kw_only=True):
    """The sums of one currency; what was cancelled is not in them."""

    currency: str
    bills: int
    cancelled: int
    amount: MoneyView
    insurance_coverage: MoneyView
    paid_amount: MoneyView
    outstanding_amount: MoneyView


class ReportView(View, frozen=True, kw_only=True):
    month: str
    items: tuple[BillView, ...]
    totals: tuple[SumsView, ...]


async def monthly(service: Service, visit: Visit, query: MonthWanted) -> Outcome:
    """The bills of a month and their sums, as JSON or CSV"""
    month = month_of(query.month)
    occasion = await asked(service, visit, "report-billing")
    require_reporter(occasion)
    rows = bills_of(service.parts, BILLS, occasion, month)
    if query.kind == "csv":
        name = f'attachment; filename="billing-{month}.csv"'
        headers = {"content-type": "text/csv; charset=utf-8", "content-disposition": name}
        return Outcome(as_csv(rows), headers=headers)
    return Outcome(as_json(rows, month), headers={"content-type": "application/json"})


async def as_csv(bills: AsyncIterator[Bill]) -> AsyncIterator[bytes]:
    """A row for each bill, then a row `total` for each currency: https://www.rfc-editor.org/rfc/rfc4180"""
    yield _row(COLUMNS)
    sums: dict[str, Sums] = {}
    async for bill in bills:
        sums.setdefault(bill.currency, Sums(bill.currency)).add(bill)
        yield _row(
            (
                bill.date.isoformat() if bill.date else "", bill.id, bill.patient_id or "", bill.appointment_id or "",
                bill.state, bill.currency, str(bill.amount), str(bill.insurance), str(bill.paid), str(bill.outstanding),
            )
        )  # fmt: skip
    for each in sums.values():
        amounts = (str(each.amount), str(each.insurance), str(each.paid), str(each.outstanding))
        yield _row(("total", str(each.bills), "", "", "", each.currency, *amounts))


async def as_json(bills: AsyncIterator[Bill], month: Month) -> AsyncIterator[bytes]:
    """A `ReportView`, piece by piece."""
    yield f'{{"month":"{month}","items":['.encode()
    sums: dict[str, Sums] = {}
    first = True
    async for bill in bills:
        sums.setdefault(bill.currency, Sums(bill.currency)).add(bill)
        yield (b"" if first else b",") + msgspec.json.encode(view(bill))
        first = False
    yield b'],"totals":' + msgspec.json.encode([_sums(each) for each in sums.values()]) + b"}"


def _sums(each: Sums) -> SumsView:
    amounts = (each.amount, each.insurance, each.paid, each.outstanding)
    amount, insurance, paid, left = (MoneyView(value=str(value), currency=each.currency) for value in amounts)
    return SumsView(
        currency=each.currency,
        bills=each.bills,
        cancelled=each.cancelled,
        amount=amount,
        insurance_coverage=insurance,
        paid_amount=paid,
        outstanding_amount=left,
    )


def _row(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()


ENDPOINTS = (Endpoint("GET", "/reports/billing/monthly", "report-billing", monthly, ReportView),)
