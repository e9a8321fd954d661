"""Whole charts as transaction Bundles: https://hl7.org/fhir/R4/http.html#transaction

`demo_bundles` gives the practice first, then one Bundle per patient; entries are put under ids of their own, so that
loading them again changes nothing. `self_contained_bundles` gives charts that create everything anew whenever posted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from api.demo.billing import write_bill
from api.demo.care import (
    Illness,
    Onset,
    illnesses,
    write_allergies,
    write_condition,
    write_immunizations,
    write_prescription,
)
from api.demo.chart import Chart
from api.demo.people import Person, Practice, write_patient, write_practice
from api.demo.visits import (
    CHECK_UP,
    FOLLOW_UP,
    SYMPTOM,
    WELL_CHILD,
    Body,
    Visit,
    body_of,
    write_encounter,
    write_note,
    write_panel,
    write_vitals,
)
from domain.identity import FhirJson

TODAY = date(2026, 6, 30)
"""The day on which every chart ends. Fixed, because the same seed must give the same data next year."""


def demo_bundles(patients: int = 20, seed: int = 1) -> Iterator[FhirJson]:
    """The practice and `patients` charts of all ages; the same for the same arguments, always."""
    practice_chart = Chart(f"{seed}/practice")
    practice = _literal(write_practice(practice_chart))
    yield practice_chart.bundle()
    for number in range(1, patients + 1):
        chart = Chart(f"{seed}/{number}")
        _write(chart, practice, number, visits=chart.random.randint(2, 6), ages=(0, 92))
        yield chart.bundle()


def self_contained_bundles(count: int, seed: int = 1) -> Iterator[FhirJson]:
    """`count` charts of 126 to 267 entries, each with a practice of its own, created anew whenever they are posted."""
    number = found = 0
    while found < count:
        number += 1
        chart = Chart(f"{seed}/long/{number}")
        _write(chart, write_practice(chart), number, visits=chart.random.randint(7, 12), ages=(35, 92))
        if 126 <= len(chart.entries) <= 267:
            found += 1
            yield posted(chart.bundle())


def posted(bundle: FhirJson) -> FhirJson:
    """The Bundle with POST in the place of PUT: the server chooses the ids."""
    entries = []
    for entry in bundle["entry"]:
        resource = {name: value for name, value in entry["resource"].items() if name != "id"}
        request = {"method": "POST", "url": resource["resourceType"]}
        entries.append({"fullUrl": entry["fullUrl"], "resource": resource, "request": request})
    return {**bundle, "entry": entries}


def _literal(practice: Practice) -> Practice:
    """The practice as other Bundles refer to it: by type and id."""

    def under(kind: str, urn: str) -> str:
        return f"{kind}/{urn.removeprefix('urn:uuid:')}"

    return Practice(
        under("Organization", practice.organization),
        under("Organization", practice.insurer),
        under("Location", practice.location),
        tuple((under("Practitioner", urn), name) for urn, name in practice.practitioners),
    )


def _write(chart: Chart, practice: Practice, number: int, *, visits: int, ages: tuple[int, int]) -> None:
    """The whole chart of one patient: about a visit a year, with what was new by then."""
    person = write_patient(chart, practice, number, TODAY, ages)
    write_allergies(chart, person, TODAY)
    coming = illnesses(chart, person, TODAY)
    body = body_of(chart, person, hypertensive=any(onset.problem.drug == "lisinopril" for onset in coming))
    known: list[Illness] = []
    for day in _days(chart, person, visits, coming):
        begun = [write_condition(chart, person, onset) for onset in coming if onset.day <= day]
        # The first visit writes down the whole past, but only what still lasts brings the patient there.
        new = [illness for illness in begun if illness.onset.end is None or illness.onset.end >= day]
        coming = [onset for onset in coming if onset.day > day]
        known = [illness for illness in known if illness.onset.end is None] + new
        _visit(chart, person, practice, day, body, known=known, new=new)


def _visit(
    chart: Chart, person: Person, practice: Practice, day: date, body: Body, *, known: list[Illness], new: list[Illness]
) -> None:
    kind = SYMPTOM if new else WELL_CHILD if person.age(day) < 18 else FOLLOW_UP if known else CHECK_UP
    encounter = write_encounter(chart, person, practice, day, kind, [illness.reference for illness in known])
    findings = [f"Known: {illness.onset.problem.code.display}." for illness in known]
    findings += write_vitals(chart, person, encounter, day, body)
    panels = {illness.onset.problem.panel: None for illness in known if illness.onset.problem.panel}
    if not panels and person.age(day) >= 18:
        panels = {"blood count": None}
    for panel in panels:
        findings += write_panel(chart, person, practice, encounter, day, panel)
    for illness in known:
        # What is new is treated at once; what stays is renewed now and then.
        if illness in new or chart.random.random() < 0.3:
            write_prescription(chart, person, practice, illness, encounter, day)
    vaccines = write_immunizations(chart, person, practice, encounter, day)
    findings += [f"Vaccinated: {name}." for name in vaccines]
    write_bill(chart, person, practice, encounter, day, kind, vaccines)
    write_note(chart, person, practice, Visit(encounter, day, kind, tuple(findings)))


def _days(chart: Chart, person: Person, visits: int, coming: list[Onset]) -> list[date]:
    """The working days of the visits, oldest first: about one a year until `TODAY`, and one for each acute problem."""
    days = {TODAY - timedelta(days=350 * back + chart.random.randrange(10, 330)) for back in range(visits)}
    days |= {onset.day + timedelta(days=3) for onset in coming if onset.end is not None and onset.day > min(days)}
    workdays = (day - timedelta(days=max(0, day.weekday() - 4)) for day in days)
    born = person.born + timedelta(days=30)
    return sorted({day for day in workdays if day > born})
