"""The bill for a visit: the claim and the insurer's answer to it."""

from __future__ import annotations

from datetime import date

from api.demo.chart import Chart, coded, concept, decimal, moment, reference
from api.demo.people import INSURANCE, Person, Practice
from api.demo.vocabulary import SNOMED, TERMINOLOGY, Code
from domain.identity import FhirJson

CURRENCY = "EUR"
PRICES = (85.0, 120.0, 145.5, 210.75)


def write_bill(
    chart: Chart, person: Person, practice: Practice, encounter: str, day: date, kind: Code, extras: list[str]
) -> None:
    """A claim for the visit and its `extras` (vaccines given), and the explanation of benefit that settles it."""
    services = [kind.display, *extras]
    prices = [chart.random.choice(PRICES), *(32.5 for _ in extras)]
    items = [_item(n, text, price, encounter) for n, (text, price) in enumerate(zip(services, prices, strict=True), 1)]
    items[0]["productOrService"] = concept(SNOMED, kind)
    claim = chart.add(
        {
            "resourceType": "Claim",
            "status": "active",
            "type": coded(f"{TERMINOLOGY}/claim-type", "professional"),
            "use": "claim",
            "patient": reference(person.reference, person.name),
            "billablePeriod": {"start": moment(day), "end": moment(day, 30)},
            "created": moment(day, 45),
            "insurer": reference(practice.insurer),
            "provider": reference(practice.organization),
            "priority": coded(f"{TERMINOLOGY}/processpriority", "normal"),
            "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": INSURANCE}}],
            "item": items,
            "total": _money(sum(prices)),
        }
    )
    chart.add(_settlement(person, practice, claim, day, items, prices))


def _settlement(
    person: Person, practice: Practice, claim: str, day: date, items: list[FhirJson], prices: list[float]
) -> FhirJson:
    """https://hl7.org/fhir/R4/explanationofbenefit.html: the insurer pays four fifths of everything."""
    share = 0.8
    return {
        "resourceType": "ExplanationOfBenefit",
        "status": "active",
        "type": coded(f"{TERMINOLOGY}/claim-type", "professional"),
        "use": "claim",
        "patient": reference(person.reference, person.name),
        "billablePeriod": {"start": moment(day), "end": moment(day, 30)},
        "created": moment(day, 60),
        "insurer": reference(practice.insurer),
        "provider": reference(practice.organization),
        "claim": reference(claim),
        "outcome": "complete",
        "insurance": [{"focal": True, "coverage": {"display": INSURANCE}}],
        "item": [
            {
                "sequence": item["sequence"],
                "productOrService": item["productOrService"],
                "servicedPeriod": {"start": moment(day), "end": moment(day, 30)},
                "net": item["net"],
                "encounter": item["encounter"],
                "adjudication": [
                    _adjudication("submitted", price),
                    _adjudication("eligible", price),
                    _adjudication("benefit", price * share),
                    _adjudication("copay", price * (1 - share)),
                ],
            }
            for item, price in zip(items, prices, strict=True)
        ],
        "total": [_adjudication("submitted", sum(prices)), _adjudication("benefit", sum(prices) * share)],
        "payment": {"date": day.isoformat(), "amount": _money(sum(prices) * share)},
    }


def _item(sequence: int, text: str, price: float, encounter: str) -> FhirJson:
    content: FhirJson = {"sequence": sequence, "productOrService": {"text": text}, "net": _money(price)}
    content["encounter"] = [reference(encounter)]
    return content


def _adjudication(category: str, amount: float) -> FhirJson:
    return {"category": coded(f"{TERMINOLOGY}/adjudication", category), "amount": _money(amount)}


def _money(amount: float) -> FhirJson:
    return {"value": decimal(amount, 2), "currency": CURRENCY}
