"""The bills of a month, row by row, and their sums: computed from the bills when it is asked for.

A row is a bill as it is now. Nothing is kept in memory but a page of bills and the sums.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from domain.clinic import billings
from domain.clinic.billing_cards import Bill, BillRecords, cents
from domain.errors import Forbidden, InvalidFields
from domain.interactions.parts import Occasion, Parts
from domain.revision import instant
from domain.search import PageKey

PAGE = 100
ZERO = Decimal(0)


class Month(msgspec.Struct, frozen=True):
    """A month of the calendar, in UTC."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The start of the next month."""
        return datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)


def month_of(text: str) -> Month:
    """`2026-11` as a month. Raises `InvalidFields`."""
    year, _, month = text.partition("-")
    if not (len(year) == 4 and len(month) == 2 and (year + month).isascii() and (year + month).isdigit()):
        raise InvalidFields("A month is written as 2026-11", expression="?month")
    found = Month(int(year), int(month))
    if not (1 <= found.month <= 12 and 1900 <= found.year <= 9998):
        raise InvalidFields("There is no such month", expression="?month")
    return found


class Sums(msgspec.Struct):
    """What the bills of one currency come to; cancelled ones are counted and charge nothing."""

    currency: str
    bills: int = 0
    cancelled: int = 0
    amount: Decimal = ZERO
    insurance: Decimal = ZERO
    paid: Decimal = ZERO
    outstanding: Decimal = ZERO

    def add(self, bill: Bill) -> None:
        self.bills += 1
        self.paid = cents(self.paid + bill.paid)
        if bill.state == "CANCELLED":
            self.cancelled += 1
            return
        self.amount = cents(self.amount + bill.amount)
        self.insurance = cents(self.insurance + bill.insurance)
        self.outstanding = cents(self.outstanding + bill.outstanding)


def require_reporter(occasion: Occasion) -> None:
    """Raise `Forbidden` unless the caller is an administrator, or a program that may search all bills."""
    caller = occasion.caller
    allowed = "ADMIN" in caller.roles if caller.account is not None else caller.may("s", billings.KIND)
    if not allowed:
        raise Forbidden("Only administrators see reports", reason="role")


async def bills_of(parts: Parts, bills: BillRecords, occasion: Occasion, month: Month) -> AsyncIterator[Bill]:
    """The bills of a month that the caller sees, oldest first."""
    pairs = [("date", f"ge{instant(month.start)}"), ("date", f"lt{instant(month.end)}"), ("_sort", "date")]
    after: PageKey | None = None
    while True:
        found, after = await billings.listed(parts, bills, occasion, pairs, after=after, count=PAGE)
        for bill in found:
            yield bill
        if after is None:
            return
