"""One visit to the practice: the encounter, what was measured, what the laboratory found, and the note about it."""

from __future__ import annotations

import base64
import hashlib
from datetime import date
from typing import NamedTuple

from api.demo.chart import Chart, coded, concept, moment, quantity, reference
from api.demo.people import Person, Practice
from api.demo.vocabulary import LOINC, PANELS, SNOMED, TERMINOLOGY, Code, Measure
from domain.identity import FhirJson

CHECK_UP = Code("162673000", "General examination of patient")
WELL_CHILD = Code("410620009", "Well child visit")
FOLLOW_UP = Code("390906007", "Follow-up encounter")
SYMPTOM = Code("185345009", "Encounter for symptom")

_BLOOD_PRESSURE = Code("85354-9", "Blood pressure panel with all children optional")
_SYSTOLIC = Code("8480-6", "Systolic blood pressure")
_DIASTOLIC = Code("8462-4", "Diastolic blood pressure")
_PULSE = Measure(Code("8867-4", "Heart rate"), 72, 8, "/min", 0)
_BREATHS = Measure(Code("9279-1", "Respiratory rate"), 15, 2, "/min", 0)
_TEMPERATURE = Measure(Code("8310-5", "Body temperature"), 36.7, 0.25, "Cel", 1)
_SATURATION = Measure(Code("2708-6", "Oxygen saturation in Arterial blood"), 98, 1, "%", 0)


class Visit(NamedTuple):
    """A visit as written: its encounter, its day, and what a note would say of it."""

    encounter: str
    day: date
    kind: Code
    findings: tuple[str, ...]


class Body(NamedTuple):
    """A patient's build: height as an adult (cm), body mass index as an adult, usual blood pressure."""

    height: float
    mass_index: float
    systolic: float
    diastolic: float


def body_of(chart: Chart, person: Person, *, hypertensive: bool) -> Body:
    pick = chart.random
    height = pick.gauss(178 if person.sex == "male" else 165, 6.5)
    raised = 22 if hypertensive else 0
    return Body(height, pick.uniform(20, 32), pick.gauss(117, 6) + raised, pick.gauss(74, 5) + raised / 2)


def write_encounter(chart: Chart, person: Person, practice: Practice, day: date, kind: Code, reasons: list[str]) -> str:
    content: FhirJson = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB"},
        "type": [concept(SNOMED, kind)],
        "subject": reference(person.reference, person.name),
        "participant": [{"individual": reference(*chart.random.choice(practice.practitioners))}],
        "period": {"start": moment(day), "end": moment(day, 30)},
        "location": [{"location": reference(practice.location), "status": "completed"}],
        "serviceProvider": reference(practice.organization),
    }
    if reasons:
        content["diagnosis"] = [{"condition": reference(reason)} for reason in reasons]
    return chart.add(content)


def write_vitals(chart: Chart, person: Person, encounter: str, day: date, body: Body) -> tuple[str, ...]:
    """Height, weight, blood pressure and the rest; returns the findings in words."""
    pick, age = chart.random, person.age(day)
    height = body.height * _grown(age) + pick.gauss(0, 0.3)
    index = body.mass_index if age >= 18 else 15.5 + (body.mass_index - 15.5) * age / 30
    weight = index * (height / 100) ** 2 + pick.gauss(0, 0.5)
    measures = [
        Measure(Code("8302-2", "Body height"), height, 0, "cm", 1),
        Measure(Code("29463-7", "Body weight"), weight, 0, "kg", 1),
        Measure(Code("39156-5", "Body mass index (BMI) [Ratio]"), weight / (height / 100) ** 2, 0, "kg/m2", 1),
        _PULSE._replace(mean=_PULSE.mean + max(0, 12 - age) * 4),
        _BREATHS._replace(mean=_BREATHS.mean + max(0, 10 - age) * 1.5),
        _TEMPERATURE,
        _SATURATION,
    ]
    for measure in measures:
        value = min(pick.gauss(measure.mean, measure.spread), 100 if measure.unit == "%" else 1000)
        _observation(chart, person, encounter, day, "vital-signs", measure, value)
    scale = 0.75 + 0.25 * min(age, 18) / 18
    systolic, diastolic = pick.gauss(body.systolic, 5) * scale, pick.gauss(body.diastolic, 4) * scale
    pressure = _observed(person, encounter, day, "vital-signs", _BLOOD_PRESSURE)
    pressure["component"] = [
        {"code": concept(LOINC, code), "valueQuantity": quantity(value, "mm[Hg]", 0)}
        for code, value in ((_SYSTOLIC, systolic), (_DIASTOLIC, diastolic))
    ]
    chart.add(pressure)
    return f"Blood pressure {systolic:.0f}/{diastolic:.0f} mmHg", f"Weight {weight:.1f} kg, height {height:.1f} cm"


def write_panel(
    chart: Chart, person: Person, practice: Practice, encounter: str, day: date, name: str
) -> tuple[str, ...]:
    """A laboratory panel: its values and the report that holds them; returns what is out of range, in words."""
    code, measures = PANELS[name]
    results, remarks = [], []
    for measure in measures:
        value = max(chart.random.gauss(measure.mean, measure.spread), measure.mean / 4)
        results.append(reference(_observation(chart, person, encounter, day, "laboratory", measure, value)))
        if measure.normal is not None and not measure.normal[0] <= value <= measure.normal[1]:
            remarks.append(f"{measure.code.display}: {value:.{measure.decimals}f} {measure.unit}")
    chart.add(
        {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "category": [coded(f"{TERMINOLOGY}/v2-0074", "LAB")],
            "code": concept(LOINC, code),
            "subject": reference(person.reference, person.name),
            "encounter": reference(encounter),
            "effectiveDateTime": moment(day, 15),
            "issued": moment(day, 400),
            "performer": [reference(practice.organization)],
            "result": results,
        }
    )
    return tuple(remarks)


def write_note(chart: Chart, person: Person, practice: Practice, visit: Visit) -> None:
    """The visit in words: https://hl7.org/fhir/R4/documentreference.html with the text inside."""
    lines = [
        f"{visit.kind.display}, {visit.day.isoformat()}",
        f"{person.name}, {person.age(visit.day)} years, {person.sex}.",
        *visit.findings,
        "Plan discussed with the patient; questions answered.",
    ]
    text = "\n".join(lines).encode()
    chart.add(
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "docStatus": "final",
            "type": concept(LOINC, Code("11506-3", "Progress note")),
            "category": [concept(LOINC, Code("11488-4", "Consult note"))],
            "subject": reference(person.reference, person.name),
            "date": moment(visit.day, 35),
            "author": [reference(*practice.practitioners[0])],
            "custodian": reference(practice.organization),
            "content": [
                {
                    "attachment": {
                        "contentType": "text/plain; charset=utf-8",
                        "data": base64.b64encode(text).decode(),
                        "size": len(text),
                        "hash": base64.b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode(),
                        "title": f"{visit.kind.display}, {visit.day.isoformat()}",
                        "creation": moment(visit.day, 35),
                    }
                }
            ],
            "context": {"encounter": [reference(visit.encounter)], "period": {"start": moment(visit.day)}},
        }
    )


def _grown(age: int) -> float:
    """The share of the adult height reached at an age."""
    return 1.0 if age >= 18 else 0.3 + 0.7 * (age / 18) ** 0.7


def _observation(
    chart: Chart, person: Person, encounter: str, day: date, category: str, measure: Measure, value: float
) -> str:
    content = _observed(person, encounter, day, category, measure.code)
    content["valueQuantity"] = quantity(value, measure.unit, measure.decimals)
    if measure.normal is not None:
        low, high = (quantity(bound, measure.unit, measure.decimals) for bound in measure.normal)
        content["referenceRange"] = [{"low": low, "high": high}]
        flag = "L" if value < measure.normal[0] else "H" if value > measure.normal[1] else "N"
        content["interpretation"] = [coded(f"{TERMINOLOGY}/v3-ObservationInterpretation", flag)]
    return chart.add(content)


def _observed(person: Person, encounter: str, day: date, category: str, code: Code) -> FhirJson:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [coded(f"{TERMINOLOGY}/observation-category", category)],
        "code": concept(LOINC, code),
        "subject": reference(person.reference, person.name),
        "encounter": reference(encounter),
        "effectiveDateTime": moment(day, 10),
        "issued": moment(day, 12),
    }
