"""Random resources and random searches of them, from small sets of values so that searches do find something."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from domain.identity import FhirJson

DATES = ["2019", "2020", "2020-05", "2020-05-11", "2020-05-12", "2020-05-11T16:32:15Z", "2020-05-11T16:32:15.500Z"]
DATES += ["2020-05-11T23:30:00-02:00", "2020-12-31", "2021-01-01", "2021-01", "1999-12-31", "2020-05-11T16:32:00+01:00"]
BIRTHS = ["1974-12-25", "1982", "1982-01", "1982-01-23", "1982-01-24", "2000-02-29", "1999-12-31", "1990-12", "1989"]
NUMBERS = ["0.8", "0.80", "0.25", "100", "99.5", "100.5", "5.4", "5", "-3", "1e2", "0", "83.9", "185", "5400", "0.0054"]
UNITS = [
    ("mg", "mg"),
    ("g", "g"),
    ("kg", "kg"),
    ("lbs", "[lb_av]"),
    ("beats/minute", "/min"),
    ("mmHg", "mm[Hg]"),
    ("odd", "x"),
]
UCUM = "http://unitsofmeasure.org"
SYSTEMS = ["http://loinc.org", "http://snomed.info/sct", None]
CODES = ["8480-6", "8462-4", "Abc", "abc", "a,b", "a|b", "a$b"]
FAMILIES = ["Chalmers", "CHALMERS", "Van der Berg", "van", "Müller", "Smith-Jones", "O'Brien", "Li", "Salmersen"]
GIVEN = ["Peter", "James", "Zoë", "Ann-Marie", "Jo", "peter"]
URLS = ["http://x.org/vs", "http://x.org/vs/one", "http://x.org/vs/one/two", "urn:oid:1.2", "http://x.org/vsx"]
WORDS = ["Blue tint", "blue", "Body weight, measured", "Diabetes mellitus type 2", "viral pharyngitis"]
PREFIXES = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
Make = Callable[[random.Random], FhirJson]


def maybe(rng: random.Random, content: FhirJson, name: str, value: Any, chance: float = 0.7) -> None:
    if rng.random() < chance:
        content[name] = value


def coding(rng: random.Random) -> FhirJson:
    system = rng.choice(SYSTEMS)
    found: FhirJson = {"code": rng.choice(CODES)}
    maybe(rng, found, "display", rng.choice(WORDS), 0.5)
    return found if system is None else {"system": system, **found}


def concept(rng: random.Random) -> FhirJson:
    found: FhirJson = {"coding": [coding(rng) for _ in range(rng.randint(1, 2))]}
    maybe(rng, found, "text", rng.choice(WORDS), 0.4)
    return found


def period(rng: random.Random) -> FhirJson:
    start, end = sorted(rng.sample(DATES, 2), key=lambda text: text[:4])
    return rng.choice([{"start": start, "end": end}, {"start": start}, {"end": end}])


def quantity(rng: random.Random) -> FhirJson:
    unit, code = rng.choice(UNITS)
    found: FhirJson = {"value": Decimal(rng.choice(NUMBERS))}
    maybe(rng, found, "comparator", rng.choice(["<", "<=", ">", ">="]), 0.15)
    maybe(rng, found, "unit", unit)
    if rng.random() < 0.8:
        found |= {"system": UCUM, "code": code}
    return found


def reference(rng: random.Random, *types: str) -> FhirJson:
    return {"reference": f"{rng.choice(types)}/{rng.choice('123')}"}


def patient(rng: random.Random) -> FhirJson:
    content: FhirJson = {"resourceType": "Patient"}
    names = [
        {"family": rng.choice(FAMILIES), "given": rng.sample(GIVEN, rng.randint(1, 2))}
        for _ in range(rng.randint(1, 2))
    ]
    maybe(rng, content, "name", names)
    maybe(rng, content, "gender", rng.choice(["male", "female"]))
    maybe(rng, content, "birthDate", rng.choice(BIRTHS))
    maybe(rng, content, "deceasedDateTime", rng.choice(DATES), 0.4)
    maybe(rng, content, "active", rng.choice([True, False]))
    kind = {"coding": [{"system": "urn:kinds", "code": rng.choice(["MR", "SS"])}]}
    identifiers = [{"type": kind, "system": "urn:mrn", "value": rng.choice(CODES)}, {"value": rng.choice(CODES)}]
    maybe(rng, content, "identifier", rng.sample(identifiers, rng.randint(1, 2)))
    maybe(rng, content, "address", [{"city": rng.choice(FAMILIES), "line": [rng.choice(WORDS)]}], 0.4)
    doctor = reference(rng, "Practitioner", "Organization")
    maybe(rng, doctor, "identifier", {"system": rng.choice(["urn:npi", "urn:mrn"]), "value": rng.choice(CODES)}, 0.5)
    maybe(rng, content, "generalPractitioner", [doctor], 0.5)
    return content


def observation(rng: random.Random) -> FhirJson:
    content: FhirJson = {
        "resourceType": "Observation",
        "status": rng.choice(["final", "amended"]),
        "code": concept(rng),
    }
    maybe(rng, content, "subject", reference(rng, "Patient", "Device"))
    maybe(rng, content, "category", [concept(rng)])
    when = {"effectiveDateTime": rng.choice(DATES), "effectivePeriod": period(rng)}
    name = rng.choice([*when, None])
    content |= {} if name is None else {name: when[name]}
    values = {"valueQuantity": quantity(rng), "valueCodeableConcept": concept(rng), "valueString": rng.choice(WORDS)}
    name = rng.choice([*values, None])
    content |= {} if name is None else {name: values[name]}
    component = [{"code": concept(rng), "valueQuantity": quantity(rng)} for _ in range(rng.randint(1, 2))]
    component += [{"code": concept(rng), "valueCodeableConcept": concept(rng)} for _ in range(rng.randint(0, 1))]
    maybe(rng, content, "component", component, 0.5)
    return content


def risk(rng: random.Random) -> FhirJson:
    values = {"probabilityDecimal": Decimal(rng.choice(NUMBERS)), "probabilityRange": span(rng)}
    predictions = []
    for _ in range(rng.randint(0, 2)):
        name = rng.choice(list(values))
        predictions.append({name: values[name]})
    content: FhirJson = {"resourceType": "RiskAssessment", "status": "final", "subject": reference(rng, "Patient")}
    return content | ({"prediction": predictions} if predictions else {})


def span(rng: random.Random) -> FhirJson:
    low, high = sorted(rng.sample(["1", "5.4", "40", "45.5", "80"], 2), key=float)
    ends = {
        "low": {"value": Decimal(low), "system": UCUM, "code": "a"},
        "high": {"value": Decimal(high), "system": UCUM, "code": "a"},
    }
    return ends if rng.random() < 0.7 else {name: ends[name] for name in [rng.choice(["low", "high"])]}


def condition(rng: random.Random) -> FhirJson:
    content: FhirJson = {"resourceType": "Condition", "subject": reference(rng, "Patient")}
    age = {"value": Decimal(rng.choice(["1", "40", "45", "45.5"])), "system": UCUM, "code": rng.choice(["a", "mo"])}
    onset = {"onsetDateTime": rng.choice(DATES), "onsetAge": age, "onsetRange": span(rng), "onsetPeriod": period(rng)}
    name = rng.choice([*onset, None])
    content |= {} if name is None else {name: onset[name]}
    maybe(rng, content, "code", concept(rng))
    maybe(rng, content, "recordedDate", rng.choice(DATES))
    return content


def value_set(rng: random.Random) -> FhirJson:
    content: FhirJson = {"resourceType": "ValueSet", "status": "draft"}
    maybe(rng, content, "url", rng.choice(URLS))
    maybe(rng, content, "title", rng.choice(WORDS))
    contexts = [{"code": coding(rng), "valueQuantity": quantity(rng)}, {"code": coding(rng), "valueRange": span(rng)}]
    contexts.append({"code": coding(rng), "valueCodeableConcept": concept(rng)})
    maybe(rng, content, "useContext", rng.sample(contexts, rng.randint(1, 3)), 0.6)
    return content


def location(rng: random.Random) -> FhirJson:
    """Somewhere around a few points: the date line and a pole are among them."""
    content: FhirJson = {"resourceType": "Location"}
    latitude, longitude = rng.choice(POINTS)
    position = {
        "latitude": Decimal(str(max(-90.0, min(90.0, round(latitude + rng.uniform(-1, 1), 4))))),
        "longitude": Decimal(str(round((longitude + rng.uniform(-1, 1) + 180) % 360 - 180, 4))),
    }
    maybe(rng, content, "position", position, 0.9)
    maybe(rng, content, "name", rng.choice(WORDS))
    return content


POINTS = [(51.5, -0.1), (-17.8, 179.9), (89.5, 40.0), (0.0, 0.0), (-33.9, 151.2)]
MAKERS: dict[str, Make] = {
    "Location": location,
    "Patient": patient,
    "Observation": observation,
    "RiskAssessment": risk,
    "Condition": condition,
    "ValueSet": value_set,
}


def _escaped(text: str) -> str:
    for sign in "\\,|$":
        text = text.replace(sign, f"\\{sign}")
    return text


def _date(rng: random.Random, dates: list[str] = DATES) -> str:
    return rng.choice(PREFIXES) + rng.choice(dates)


def _number(rng: random.Random) -> str:
    return rng.choice(PREFIXES) + rng.choice(NUMBERS)


def _quantity(rng: random.Random) -> str:
    unit, code = rng.choice(UNITS)
    return _number(rng) + rng.choice(["", f"||{unit}", f"||{code}", f"|{UCUM}|{code}"])


def _token(rng: random.Random) -> str:
    code = _escaped(rng.choice(CODES))
    return rng.choice([code, f"|{code}", f"{rng.choice(SYSTEMS) or 'urn:mrn'}|{code}", f"{SYSTEMS[0]}|"])


def _code(rng: random.Random) -> str:
    code = _escaped(rng.choice(CODES))
    return rng.choice([code, f"{rng.choice(SYSTEMS[:2])}|{code}"])


def _start(rng: random.Random, texts: list[str]) -> str:
    text = rng.choice(texts)
    return _escaped(text[: rng.randint(1, len(text))].strip() or text)


def _middle(rng: random.Random, texts: list[str]) -> str:
    text = rng.choice(texts)
    start = rng.randint(0, len(text) - 2)
    return _escaped(text[start : start + rng.randint(2, 6)])


def _near(rng: random.Random) -> str:
    latitude, longitude = rng.choice(POINTS)
    reach = rng.choice(["", "|50", "|20000|m", "|100|km", "|60|[mi_i]", "|3000|km", "|0.5|km"])
    return f"{latitude}|{longitude}{reach}"


Ask = Callable[[random.Random], str]
QUERIES: dict[str, list[tuple[str, Ask]]] = {
    "Patient": [
        ("birthdate", lambda rng: _date(rng, [*BIRTHS, "1983", "1982-01-23T10:00Z"])),
        ("death-date", _date),
        ("family", lambda rng: _start(rng, FAMILIES)),
        ("name", lambda rng: _start(rng, [*FAMILIES, *GIVEN])),
        ("family:exact", lambda rng: _escaped(rng.choice(FAMILIES))),
        ("name:exact", lambda rng: _escaped(rng.choice([*FAMILIES, *GIVEN]))),
        ("family:contains", lambda rng: _middle(rng, FAMILIES)),
        ("name:contains", lambda rng: _middle(rng, [*FAMILIES, *GIVEN])),
        ("address", lambda rng: _start(rng, [*FAMILIES, *WORDS])),
        ("address:contains", lambda rng: _middle(rng, [*FAMILIES, *WORDS])),
        ("gender", lambda rng: rng.choice(["male", "female", "http://hl7.org/fhir/administrative-gender|male"])),
        ("gender:not", lambda rng: rng.choice(["male", "female"])),
        ("active", lambda rng: rng.choice(["true", "false"])),
        ("identifier", _token),
        ("identifier:of-type", lambda rng: f"urn:kinds|{rng.choice(['MR', 'ss'])}|{_escaped(rng.choice(CODES))}"),
        ("general-practitioner:identifier", lambda rng: f"{rng.choice(['urn:npi|', 'urn:mrn|', ''])}{_escaped(rng.choice(CODES))}"),
        ("general-practitioner", lambda rng: rng.choice(["1", "Practitioner/2", "Organization/3"])),
        ("general-practitioner:Practitioner", lambda rng: rng.choice("123")),
    ],
    "Observation": [
        ("date", _date),
        ("value-quantity", _quantity),
        ("component-value-quantity", _quantity),
        ("combo-value-quantity", _quantity),
        ("code", _token),
        ("code:not", _code),
        ("combo-code", _token),
        ("code:text", lambda rng: _start(rng, WORDS)),
        ("value-string", lambda rng: _start(rng, WORDS)),
        ("status", lambda rng: rng.choice(["final", "amended"])),
        ("subject", lambda rng: rng.choice(["1", "Patient/2", "Device/3"])),
        ("patient", lambda rng: rng.choice(["1", "Patient/2"])),
        ("code-value-quantity", lambda rng: f"{_code(rng)}${_quantity(rng)}"),
        ("component-code-value-quantity", lambda rng: f"{_code(rng)}${_quantity(rng)}"),
        ("combo-code-value-quantity", lambda rng: f"{_code(rng)}${_quantity(rng)}"),
        ("code-value-concept", lambda rng: f"{_token(rng)}${_code(rng)}"),
        ("component-code-value-concept", lambda rng: f"{_token(rng)}${_token(rng)}"),
        ("combo-code-value-concept", lambda rng: f"{_token(rng)}${_token(rng)}"),
        ("code-value-string", lambda rng: f"{_code(rng)}${_start(rng, WORDS)}"),
        ("_content", lambda rng: rng.choice(["blue", "tint", "weight measured", "diabetes type"])),
    ],
    "Location": [("near", _near)],
    "RiskAssessment": [("probability", _number)],
    "Condition": [
        ("onset-date", _date),
        ("recorded-date", _date),
        ("onset-age", lambda rng: f"{rng.choice(PREFIXES)}{rng.choice(['45', '45.5', '1', '50'])}{rng.choice(['', '||a', f'|{UCUM}|a', f'|{UCUM}|mo'])}"),
        ("code", _token),
        ("patient", lambda rng: rng.choice("123")),
    ],
    "ValueSet": [
        ("url", lambda rng: rng.choice(URLS)),
        ("url:below", lambda rng: rng.choice([u for u in URLS if u.startswith("http")])),
        ("url:above", lambda rng: rng.choice([u for u in URLS if u.startswith("http")])),
        ("title", lambda rng: _start(rng, WORDS)),
        ("title:contains", lambda rng: _middle(rng, WORDS)),
        ("context-type-quantity", lambda rng: f"{_code(rng)}${_quantity(rng)}"),
        ("context-type-value", lambda rng: f"{_token(rng)}${_token(rng)}"),
        ("context-quantity", _quantity),
    ],
}  # fmt: skip


def search(rng: random.Random, resource_type: str) -> list[tuple[str, str]]:
    """One to three parameters, some with alternatives, some `:missing`."""
    pairs = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name, ask = rng.choice(QUERIES[resource_type])
        if (
            rng.random() < 0.08
            and ":" not in name
            and not name.startswith(("_", "context-type", "near"))
            and "code-value" not in name
        ):
            pairs.append((f"{name}:missing", rng.choice(["true", "false"])))
        else:
            pairs.append((name, ",".join(ask(rng) for _ in range(rng.choice([1, 1, 1, 2])))))
    return pairs
