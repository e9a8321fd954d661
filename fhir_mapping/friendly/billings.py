"""Bills as Invoices, their payments as PaymentNotices, and what insurances are asked for as Claims.

https://hl7.org/fhir/R4/invoice.html, https://hl7.org/fhir/R4/paymentnotice.html, https://hl7.org/fhir/R4/claim.html
`totalGross` is what is charged, `totalNet` what is left of it for the patient, a deduction what the insurance covers. The
appointment is an identifier, since an Invoice has no element for it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast, get_args

from domain.clinic.billing_cards import Bill, BillForm, Line, Method, Payment, cents
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import concept, first, instant, moment, put, reference, text_of, to

APPOINTMENT, PAYMENT = "urn:chartvault:appointment", "urn:chartvault:payment"
METHOD, GATEWAY = "urn:chartvault:payment-method", "urn:chartvault:payment-gateway"
_CODES = "http://terminology.hl7.org/CodeSystem"
VISIT = "Visit"


class Bills:
    """Implements `domain.clinic.billing_cards.BillRecords`."""

    type = "Invoice"

    def to_fhir(self, form: BillForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """See `BillRecords.to_fhir`."""
        content: FhirJson = {"resourceType": "Invoice", "status": "issued"} if base is None else copy.deepcopy(base)
        content["subject"] = content["recipient"] = to(f"Patient/{form.patient}")
        content["date"] = instant(form.date or moment(content.get("date")) or now)
        put(content, "issuer", to(form.issuer) if form.issuer else content.get("issuer"))
        doctor = [{"actor": to(form.doctor)}] if form.doctor else content.get("participant")
        put(content, "participant", doctor)
        others = [each for each in content.get("identifier", ()) if each.get("system") != APPOINTMENT]
        if form.appointment:
            others.append({"system": APPOINTMENT, "value": form.appointment})
        put(content, "identifier", others if base is None or form.appointment else content.get("identifier"))
        content["lineItem"] = [
            {
                "sequence": number,
                "chargeItemCodeableConcept": concept(line.text),
                "priceComponent": [{"type": "base", "amount": _money(line.amount, form.currency)}],
            }
            for number, line in enumerate(form.lines, 1)
        ]
        covered = {
            "type": "deduction",
            "code": concept("Insurance coverage"),
            "amount": _money(-form.insurance, form.currency),
        }
        put(content, "totalPriceComponent", [covered] if form.insurance else None)
        content["totalNet"] = _money(form.amount - form.insurance, form.currency)
        content["totalGross"] = _money(form.amount, form.currency)
        return content

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> Bill:
        """See `BillRecords.from_fhir`."""
        lines = tuple(_line(each) for each in content.get("lineItem", ()))
        amount = _amount(content.get("totalGross"))
        if amount is None:
            amount = sum((line.amount for line in lines), Decimal(0))
        net = _amount(content.get("totalNet"))
        subject = reference(content.get("subject"))
        money: Mapping[str, Any] = content.get("totalGross") or content.get("totalNet") or {}
        return Bill(
            id=content["id"],
            version=version,
            updated_at=updated,
            patient_id=subject.id if subject is not None and subject.type == "Patient" else None,
            stage=content["status"],
            currency=money.get("currency", "XXX"),
            amount=cents(amount),
            insurance=cents(amount - net) if net is not None else cents(Decimal(0)),
            lines=lines,
            date=moment(content.get("date")),
            appointment_id=first(content.get("identifier"), APPOINTMENT).get("value"),
        )

    def staged(self, content: FhirJson, stage: str, reason: str | None = None) -> FhirJson:
        """See `BillRecords.staged`."""
        changed = {**content, "status": stage}
        put(changed, "cancelledReason", reason if stage == "cancelled" else None)
        return changed

    def charge(self, form: BillForm, encounter: str, now: datetime) -> FhirJson:
        """See `BillRecords.charge`. https://hl7.org/fhir/R4/chargeitem.html"""
        content: FhirJson = {
            "resourceType": "ChargeItem",
            "status": "billed",
            "code": concept(form.lines[0].text if form.lines else VISIT),
            "subject": to(f"Patient/{form.patient}"),
            "context": to(encounter),
            "occurrenceDateTime": instant(form.date or now),
            "enteredDate": instant(now),
        }
        put(content, "performer", [{"actor": to(form.doctor)}] if form.doctor else None)
        return content

    def notice(self, payment: Payment) -> FhirJson:
        """See `BillRecords.notice`."""
        identifiers = [{"system": METHOD, "value": payment.method}]
        if payment.gateway is not None:
            identifiers.append({"system": GATEWAY, "value": payment.gateway})
        content: FhirJson = {
            "resourceType": "PaymentNotice",
            "identifier": identifiers,
            "status": payment.stage,
            "request": to(f"Invoice/{payment.bill}"),
            "created": instant(payment.created),
            "payment": {"identifier": {"system": PAYMENT, "value": payment.id}},
            "recipient": {"display": "Clinic"},
            "amount": _money(payment.amount, payment.currency),
        }
        if payment.stage == "active":
            content["payment"] |= to(f"PaymentReconciliation/{payment.id}")
            content["paymentDate"] = instant(payment.created)[:10]
            content["paymentStatus"] = concept(system=f"{_CODES}/paymentstatus", code="paid")
        return content

    def reconciliation(self, payment: Payment) -> FhirJson:
        """See `BillRecords.reconciliation`. https://hl7.org/fhir/R4/paymentreconciliation.html"""
        amount = _money(payment.amount, payment.currency)
        return {
            "resourceType": "PaymentReconciliation",
            "status": "active",
            "created": instant(payment.created),
            "paymentDate": instant(payment.created)[:10],
            "paymentAmount": amount,
            "paymentIdentifier": {"system": PAYMENT, "value": payment.id},
            "detail": [
                {
                    "type": concept(system=f"{_CODES}/payment-type", code="payment"),
                    "request": to(f"Invoice/{payment.bill}"),
                    "amount": amount,
                }
            ],
        }

    def payment(self, content: FhirJson) -> Payment | None:
        """See `BillRecords.payment`."""
        bill, amount = reference(content.get("request")), _amount(content.get("amount"))
        created, stage = moment(content.get("created")), content.get("status")
        if bill is None or bill.type != "Invoice" or amount is None or created is None:
            return None
        if stage not in ("draft", "active", "cancelled"):
            return None
        method = first(content.get("identifier"), METHOD).get("value")
        return Payment(
            id=content["id"],
            bill=bill.id,
            amount=cents(amount),
            currency=content["amount"].get("currency", "XXX"),
            method=cast(Method, method) if method in get_args(Method) else "TRANSFER",
            stage=stage,
            created=created,
            gateway=first(content.get("identifier"), GATEWAY).get("value"),
        )

    def claim(self, bill: Bill, coverages: Sequence[str], now: datetime) -> FhirJson:
        """See `BillRecords.claim`."""
        return {
            "resourceType": "Claim",
            "status": "draft",
            "type": concept(system=f"{_CODES}/claim-type", code="professional"),
            "use": "claim",
            "patient": to(f"Patient/{bill.patient_id}"),
            "created": instant(now),
            "provider": {"display": "Clinic"},
            "priority": concept(system=f"{_CODES}/processpriority", code="normal"),
            "insurance": [
                {"sequence": number, "focal": number == 1, "coverage": to(each)}
                for number, each in enumerate(coverages, 1)
            ],
            "item": [
                {
                    "sequence": number,
                    "productOrService": concept(line.text),
                    "unitPrice": _money(line.amount, bill.currency),
                    "net": _money(line.amount, bill.currency),
                }
                for number, line in enumerate(bill.lines, 1)
            ],
            "total": _money(bill.amount, bill.currency),
        }


def _money(value: Decimal, currency: str) -> FhirJson:
    return {"value": cents(value), "currency": currency}


def _amount(money: Mapping[str, Any] | None) -> Decimal | None:
    value = (money or {}).get("value")
    return None if value is None else Decimal(value)


def _line(item: Mapping[str, Any]) -> Line:
    """A line costs its base price and surcharges, minus discounts and deductions."""
    prices = [each for each in item.get("priceComponent", ()) if each.get("type") != "informational"]
    amount = sum((_amount(each.get("amount")) or Decimal(0) for each in prices), Decimal(0))
    charged = text_of(item.get("chargeItemCodeableConcept")) or item.get("chargeItemReference", {}).get("display")
    return Line(charged or VISIT, cents(amount))
