"""Searches as data: the shapes whose plans `test_search_plans.py` reads, by family.

https://hl7.org/fhir/R4/search.html. `{name}` stands for a value sampled from the data (`SAMPLES`). Every family has one value
that never matches. Each shape is asked as a client would, with the totals that come unasked.
Not here: `:contains` of one or two letters, which opens every candidate up to a stated limit.
"""

from __future__ import annotations

from collections.abc import Mapping

PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")
NEVER = ("Qqqqqq", "qqqqqq", "2100", "1e30", "nobody", "nothing-1")
"""What stands in the shapes that must find nothing."""
LOINC = "http://loinc.org|"

SAMPLES: Mapping[str, tuple[str, str]] = {
    "patient": ("Patient?_count=1", "id"),
    "family": ("Patient?_count=1", "name.0.family"),
    "given": ("Patient?_count=1", "name.0.given.0"),
    "city": ("Patient?_count=1", "address.0.city"),
    "state": ("Patient?_count=1", "address.0.state"),
    "street": ("Patient?_count=1", "address.0.line.0"),
    "mrn": ("Patient?_count=1", "identifier.0.value"),
    "organization": ("Organization?_count=1", "name"),
    "practitioner": ("Practitioner?_count=1", "name.0.family"),
    "encounter": ("Observation?_count=1", "encounter.reference"),
    "condition": ("Condition?_count=1", "code.coding.0.code"),
    "requester": ("MedicationRequest?_count=1", "requester.reference"),
    "medication": ("MedicationRequest?_count=1", "medicationCodeableConcept.coding.0.code"),
}
"""Where each value comes from: a search, and the path to it in the first match."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    "string, name": (
        "Patient?name={family}",
        "Patient?family={family}&_count=20",
        "Patient?given={given}",
        "Patient?family:exact={family}",
        "Patient?name={family}&given={given}&birthdate=gt1900",
        "Practitioner?name={practitioner}",
        "Organization?name={organization}",
        "Patient?name=Qqqqqq",
    ),
    "string, address": (
        "Patient?address={city}",
        "Patient?address-city={city}",
        "Patient?address-state={state}",
        "Patient?address={street}",
        "Patient?address=Qqqqqq",
    ),
    "string, :contains": (
        "Patient?family:contains={family[1:5]}",
        "Patient?name:contains={given[1:4]}",
        "Patient?address-city:contains={city[2:6]}",
        "Patient?family:contains=qqqqqq",
    ),
    "date": (
        *(f"Observation?date={prefix}2012-05" for prefix in PREFIXES),
        *(f"Encounter?date={prefix}2010" for prefix in PREFIXES),
        *(f"Condition?onset-date={prefix}2008-03" for prefix in PREFIXES),
        *(f"Patient?birthdate={prefix}1970" for prefix in PREFIXES),
        "Condition?abatement-date=gt2015",
        "Condition?recorded-date=ge2010&recorded-date=lt2011",
        "Observation?date=gt2100",
    ),
    "token": (
        "Observation?category=vital-signs",
        "Observation?category=survey",
        f"Observation?code={LOINC}8302-2",
        "Observation?code=8302-2&status=final",
        "Condition?clinical-status=active",
        "Condition?code=444814009&clinical-status=resolved",
        "Encounter?class=AMB",
        "Encounter?class=EMER&status=finished",
        "Encounter?status=finished",
        "MedicationRequest?status=stopped",
        "MedicationRequest?code={medication}",
        "Patient?identifier={mrn}",
        "Patient?gender=male",
        "Patient?gender:not=male",
        "Observation?code=8302-2,29463-7,39156-5",
        "Observation?code=nothing-1",
    ),
    "quantity": (
        "Observation?value-quantity=gt180",
        "Observation?value-quantity=170",
        "Observation?value-quantity=lt10|http://unitsofmeasure.org|kg",
        "Observation?value-quantity=ap80||kg",
        "Observation?code=29463-7&value-quantity=gt100",
        "Observation?component-value-quantity=ge140",
        "Observation?value-quantity=gt1e30",
    ),
    "reference": (
        "Observation?patient={patient}",
        "Observation?subject=Patient/{patient}&code=8302-2",
        "Observation?encounter={encounter}",
        "Encounter?patient={patient}",
        "MedicationRequest?requester={requester}",
        "Claim?patient={patient}&_count=5",
        "Observation?patient=Patient/nobody",
    ),
    "composite": (
        "Observation?code-value-quantity=29463-7$gt100",
        "Observation?code-value-quantity=8302-2$lt60",
        "Observation?code-value-quantity=8302-2$gt170||cm",
        "Observation?component-code-value-quantity=8480-6$gt140",
        "Observation?combo-code-value-quantity=8480-6$gt150",
        "Observation?code-value-concept=72166-2$266919005",
        "Observation?code-value-date=nothing-1$2010",
    ),
    "common": (
        f"Observation?code={LOINC}72514-3",
        "Condition?code=444814009",
        "Encounter?date=ge2015-01-01&date=lt2015-02-01",
        "Patient?birthdate=ge1980-01-01&gender=female",
        "Observation?patient={patient}&category=vital-signs&date=ge2010&_sort=-date",
        "MedicationRequest?patient={patient}&status=stopped&_include=MedicationRequest:requester",
        "Patient?_has:Observation:patient:code=72514-3",
        "Patient?_has:Observation:patient:code=718-7&gender=female",
        "Patient?_has:Condition:patient:code={condition}",
        "Patient?_has:Observation:patient:code=nothing-1",
        "Patient?family:contains={family[1:6]}",
    ),
    "chains": (
        "Observation?patient.gender=male&code=8302-2",
        "Observation?patient.gender=male&code=718-7",
        "Observation?patient.name={family}&code=8302-2",
        "Observation?subject:Patient.identifier={mrn}",
        "Encounter?patient.address-city={city}&class=AMB",
        "Encounter?service-provider.name={organization}",
        "Observation?patient.name=Qqqqqq",
    ),
    "inclusions": (
        "Patient?_id={patient}&_revinclude=Encounter:patient",
        "Encounter?patient={patient}&_include=Encounter:patient&_include=Encounter:service-provider",
        "Observation?code=718-7&_include=Observation:encounter&_count=20",
    ),
}
