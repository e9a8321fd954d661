"""A bill as people know it: what is charged, what the insurance covers, what was paid and what is left.

Amounts are decimals of one currency, to the cent; what is outstanding is always worked out, never stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.errors import InvalidFields
from domain.identity import FhirJson

CENT = Decimal("0.01")
State: TypeAlias = Literal["PENDING", "PARTIAL", "PAID", "CANCELLED"]
Method: TypeAlias = Literal["CARD", "CASH", "TRANSFER"]


def cents(value: Decimal) -> Decimal:
    """The amount to the cent: `12.5` is `12.50`."""
    return value.quantize(CENT)


class Line(msgspec.Struct, frozen=True):
    """One thing that is charged for."""

    text: str
    amount: Decimal

    def __repr__(self) -> str:
        return "Line(…)"


class Fee(msgspec.Struct, frozen=True):
    """What a visit costs unless somebody says something else."""

    amount: Decimal
    currency: str


class BillForm(msgspec.Struct, frozen=True):
    """What is said of a bill. `insurance` is what the insurance covers of it, `issuer` who charges (`Organization/1`) and
    `doctor` whose work it is (`Practitioner/1`)."""

    patient: str
    currency: str
    lines: tuple[Line, ...]
    insurance: Decimal = Decimal(0)
    date: datetime | None = None
    appointment: str | None = None
    doctor: str | None = None
    issuer: str | None = None

    def __repr__(self) -> str:
        return "BillForm(…)"

    @property
    def amount(self) -> Decimal:
        return cents(sum((line.amount for line in self.lines), Decimal(0)))

    def require_possible(self) -> None:
        """Raise `InvalidFields` when the insurance covers more than is charged."""
        if self.insurance > self.amount:
            raise InvalidFields("The insurance covers more than the amount", expression="insuranceCoverage")


class Bill(msgspec.Struct, frozen=True):
    """What is shown of a bill. `stage` is the status of the Invoice, `paid` the sum of its payments."""

    id: str
    version: int
    updated_at: datetime
    patient_id: str | None
    stage: str
    currency: str
    amount: Decimal
    insurance: Decimal
    lines: tuple[Line, ...] = ()
    date: datetime | None = None
    appointment_id: str | None = None
    paid: Decimal = Decimal(0)

    def __repr__(self) -> str:
        return f"Bill({self.id})"

    @property
    def due(self) -> Decimal:
        """What the patient has to pay in all."""
        return cents(self.amount - self.insurance)

    @property
    def outstanding(self) -> Decimal:
        return cents(Decimal(0)) if self.state == "CANCELLED" else cents(self.due - self.paid)

    @property
    def state(self) -> State:
        if self.stage in ("cancelled", "entered-in-error"):
            return "CANCELLED"
        if self.paid >= self.due:
            return "PAID"
        return "PARTIAL" if self.paid > 0 else "PENDING"


class Payment(msgspec.Struct, frozen=True):
    """Money for a bill. `stage` is `draft` while the gateway is asked, `active` when it came, `cancelled` when not."""

    id: str
    bill: str
    amount: Decimal
    currency: str
    method: Method
    stage: Literal["draft", "active", "cancelled"]
    created: datetime
    gateway: str | None = None

    def __repr__(self) -> str:
        return f"Payment({self.id})"


class BillRecords(Protocol):
    """Bills to FHIR and back. Implemented by `fhir_mapping.friendly.billings`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: BillForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """The Invoice that says what the form says."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> Bill:
        """The bill an Invoice is, its payments not yet counted."""
        ...

    def staged(self, content: FhirJson, stage: str, reason: str | None = None) -> FhirJson:
        """The Invoice with another status."""
        ...

    def charge(self, form: BillForm, encounter: str, now: datetime) -> FhirJson:
        """The ChargeItem that ties a visit to what is charged for it."""
        ...

    def notice(self, payment: Payment) -> FhirJson:
        """The PaymentNotice of a payment."""
        ...

    def reconciliation(self, payment: Payment) -> FhirJson:
        """The PaymentReconciliation of a payment that came."""
        ...

    def payment(self, content: FhirJson) -> Payment | None:
        """The payment a PaymentNotice is; `None` for one that is something else."""
        ...

    def claim(self, bill: Bill, coverages: Sequence[str], now: datetime) -> FhirJson:
        """The draft of a Claim to these insurances (`Coverage/1`)."""
        ...


class Charged(msgspec.Struct, frozen=True):
    """What a gateway says of a payment: whether the money came, or `None` while it does not know."""

    accepted: bool | None
    reference: str | None = None


class Gateway(Protocol):
    """A payment service. Implemented by `storage.payment_gateways`."""

    @property
    def name(self) -> str: ...

    async def charge(self, payment: Payment, token: str | None) -> Charged:
        """Take the money. The same payment id is charged once, however often this is called. Raises `Unavailable`."""
        ...

    async def look(self, payment_id: str) -> Charged:
        """What became of an earlier charge; not accepted when it never arrived. Raises `Unavailable`."""
        ...
