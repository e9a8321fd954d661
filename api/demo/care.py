"""What happens to a patient: conditions, allergies, vaccinations and the prescriptions that follow from them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from api.demo.chart import Chart, coded, concept, moment, quantity, reference
from api.demo.people import Person, Practice
from api.demo.vocabulary import (
    ALLERGIES,
    CVX,
    DRUGS,
    PROBLEMS,
    RXNORM,
    SNOMED,
    TERMINOLOGY,
    UCUM,
    VACCINES,
    Problem,
    Vaccine,
)
from domain.identity import FhirJson


class Onset(NamedTuple):
    """When a problem began, and when it ended if it did."""

    problem: Problem
    day: date
    end: date | None


class Illness(NamedTuple):
    """A problem as the chart records it, with the reference to its Condition."""

    onset: Onset
    reference: str


def illnesses(chart: Chart, person: Person, today: date) -> list[Onset]:
    """Which problems the patient ever had, by age and sex; the oldest first."""
    pick = chart.random
    found: list[Onset] = []
    for problem in PROBLEMS:
        low, high = problem.ages[0], min(problem.ages[1], person.age(today) - 1)
        unlikely = pick.random() >= problem.share
        if unlikely or high < low or problem.sex not in (None, person.sex):
            continue
        day = person.born + timedelta(days=int(365.25 * pick.randint(low, high)) + pick.randrange(366))
        end = day + timedelta(days=problem.days) if problem.days is not None else None
        if person.age(day) <= problem.ages[1] and (end or day) <= today:
            found.append(Onset(problem, day, end))
    return sorted(found, key=lambda onset: onset.day)


def write_condition(chart: Chart, person: Person, onset: Onset) -> Illness:
    content: FhirJson = {
        "resourceType": "Condition",
        "clinicalStatus": coded(f"{TERMINOLOGY}/condition-clinical", "resolved" if onset.end else "active"),
        "verificationStatus": coded(f"{TERMINOLOGY}/condition-ver-status", "confirmed"),
        "category": [coded(f"{TERMINOLOGY}/condition-category", "problem-list-item")],
        "code": concept(SNOMED, onset.problem.code),
        "subject": reference(person.reference, person.name),
        "onsetDateTime": onset.day.isoformat(),
        "recordedDate": onset.day.isoformat(),
    }
    if onset.end:
        content["abatementDateTime"] = onset.end.isoformat()
    return Illness(onset, chart.add(content))


def write_prescription(
    chart: Chart, person: Person, practice: Practice, illness: Illness, encounter: str, day: date
) -> str | None:
    """The drug for an illness, prescribed at an encounter; `None` for those that need none."""
    if illness.onset.problem.drug is None:
        return None
    drug = DRUGS[illness.onset.problem.drug]
    active = illness.onset.end is None
    return chart.add(
        {
            "resourceType": "MedicationRequest",
            "status": "active" if active else "completed",
            "intent": "order",
            "medicationCodeableConcept": concept(RXNORM, drug.code),
            "subject": reference(person.reference, person.name),
            "encounter": reference(encounter),
            "authoredOn": moment(day, 20),
            "requester": reference(*practice.practitioners[0]),
            "reasonReference": [reference(illness.reference)],
            "dosageInstruction": [
                {
                    "sequence": 1,
                    "text": f"{drug.dose}, {drug.per_day} times a day",
                    "timing": {"repeat": {"frequency": drug.per_day, "period": 1, "periodUnit": "d"}},
                    "asNeededBoolean": illness.onset.problem.code.display in ("Asthma", "Migraine"),
                }
            ],
            "dispenseRequest": {
                "numberOfRepeatsAllowed": 3 if active else 0,
                "expectedSupplyDuration": {"value": 90 if active else 10, "unit": "day", "system": UCUM, "code": "d"},
            },
        }
    )


def write_allergies(chart: Chart, person: Person, today: date) -> None:
    """One allergy in every fourth patient, two in a few."""
    count = chart.random.choice((0, 0, 0, 0, 0, 0, 1, 1, 2))
    for code, category, criticality in chart.random.sample(ALLERGIES, count):
        since = person.born + (today - person.born) * chart.random.uniform(0.1, 0.7)
        chart.add(
            {
                "resourceType": "AllergyIntolerance",
                "clinicalStatus": coded(f"{TERMINOLOGY}/allergyintolerance-clinical", "active"),
                "verificationStatus": coded(f"{TERMINOLOGY}/allergyintolerance-verification", "confirmed"),
                "type": "allergy",
                "category": [category],
                "criticality": criticality,
                "code": concept(SNOMED, code),
                "patient": reference(person.reference, person.name),
                "recordedDate": since.isoformat(),
            }
        )


def due(vaccine: Vaccine, person: Person, day: date) -> bool:
    """Whether the vaccine is given at a visit on that day."""
    age = person.age(day)
    if vaccine.yearly_from is not None:
        return age >= vaccine.yearly_from and day.month >= 9
    return age in vaccine.ages


def write_immunizations(chart: Chart, person: Person, practice: Practice, encounter: str, day: date) -> list[str]:
    """What is due at this visit; returns the names of the vaccines."""
    given = [vaccine for vaccine in VACCINES if due(vaccine, person, day)]
    for vaccine in given:
        chart.add(
            {
                "resourceType": "Immunization",
                "status": "completed",
                "vaccineCode": concept(CVX, vaccine.code),
                "patient": reference(person.reference, person.name),
                "encounter": reference(encounter),
                "occurrenceDateTime": moment(day, 25),
                "primarySource": True,
                "location": reference(practice.location),
                "lotNumber": f"L{chart.random.randrange(10**6):06d}",
                "doseQuantity": quantity(0.5, "mL", 1),
            }
        )
    return [vaccine.code.display for vaccine in given]
