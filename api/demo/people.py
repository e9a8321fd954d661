"""The people of the demonstration: patients and the practice that cares for them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from api.demo import names
from api.demo.chart import Chart, coded, concept, narrative, reference
from api.demo.vocabulary import SNOMED, TERMINOLOGY, Code, Sex
from domain.identity import FhirJson

PATIENTS = "https://practice.example/patients"
INSURANCE = "https://insurance.example/members"


class Practice(NamedTuple):
    """References to the practice, its insurer, its rooms and its practitioners, as charts use them."""

    organization: str
    insurer: str
    location: str
    practitioners: tuple[tuple[str, str], ...]


class Person(NamedTuple):
    """A patient as the clinical part sees one."""

    reference: str
    name: str
    sex: Sex
    born: date

    def age(self, day: date) -> int:
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))


def write_practice(chart: Chart) -> Practice:
    """The organization, its insurer, one location and three practitioners with their roles."""
    organization = chart.add(_organization("Silverford Group Practice", "prov", "Healthcare Provider", 11))
    insurer = chart.add(_organization("Harbour Mutual", "ins", "Insurance Company", 12))
    location = chart.add(
        {
            "resourceType": "Location",
            "status": "active",
            "name": "Silverford Group Practice, ground floor",
            "mode": "instance",
            "telecom": [{"system": "phone", "value": names.telephone(13), "use": "work"}],
            "address": _address(chart),
            "managingOrganization": reference(organization),
        }
    )
    practitioners = tuple(
        _practitioner(chart, number, Code(*specialty), organization, location)
        for number, specialty in enumerate(names.SPECIALTIES)
    )
    return Practice(organization, insurer, location, practitioners)


def _organization(name: str, code: str, display: str, number: int) -> FhirJson:
    return {
        "resourceType": "Organization",
        "identifier": [{"system": "https://registry.example/organizations", "value": f"ORG-{number:05d}"}],
        "active": True,
        "type": [concept(f"{TERMINOLOGY}/organization-type", Code(code, display))],
        "name": name,
        "telecom": [{"system": "phone", "value": names.telephone(number)}],
    }


def _practitioner(chart: Chart, number: int, specialty: Code, organization: str, location: str) -> tuple[str, str]:
    sex: Sex = "female" if number % 2 == 0 else "male"
    given, family = chart.random.choice(names.GIVEN[sex]), chart.random.choice(names.FAMILY)
    practitioner = chart.add(
        {
            "resourceType": "Practitioner",
            "identifier": [{"system": "https://registry.example/practitioners", "value": f"PR-{number:06d}"}],
            "active": True,
            "name": [{"use": "official", "family": family, "given": [given], "prefix": ["Dr."]}],
            "telecom": [{"system": "email", "value": f"practitioner{number}@practice.example", "use": "work"}],
            "gender": sex,
        }
    )
    chart.add(
        {
            "resourceType": "PractitionerRole",
            "active": True,
            "practitioner": reference(practitioner),
            "organization": reference(organization),
            "specialty": [concept(SNOMED, specialty)],
            "location": [reference(location)],
        }
    )
    return practitioner, f"Dr. {given} {family}"


def write_patient(chart: Chart, practice: Practice, number: int, today: date, ages: tuple[int, int]) -> Person:
    """A patient of an age in `ages` (years, both included) at `today`."""
    pick = chart.random
    sex: Sex = pick.choice(("female", "male"))
    given = pick.sample(names.GIVEN[sex], 2)
    family = pick.choice(names.FAMILY)
    years = pick.randint(*ages)
    born = date(today.year - years, today.month, 1) - timedelta(days=pick.randrange(1, 360))
    patient = patient_resource(chart, number, sex, given, family, born, adult=years >= 18)
    patient["managingOrganization"] = reference(practice.organization)
    patient["generalPractitioner"] = [reference(*practice.practitioners[0])]
    return Person(chart.add(patient), f"{given[0]} {family}", sex, born)


def patient_resource(
    chart: Chart, number: int, sex: Sex, given: list[str], family: str, born: date, *, adult: bool = True
) -> FhirJson:
    """The Patient of a person with these particulars, about 2 KB; `number` makes its identifiers unique."""
    pick = chart.random
    language, language_name = pick.choice(names.LANGUAGES)
    relative = pick.choice(names.GIVEN["female"])
    return {
        "resourceType": "Patient",
        "text": narrative(
            f"{' '.join(given)} {family}, born {born.isoformat()}, {sex}",
            f"Registered at Silverford Group Practice under number P-{number:08d}; speaks {language_name}",
        ),
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": {"city": pick.choice(names.TOWNS)[0]},
            },
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": relative},
        ],
        "identifier": [
            {
                "use": "usual",
                "type": concept(f"{TERMINOLOGY}/v2-0203", Code("MR", "Medical record number")),
                "system": PATIENTS,
                "value": f"P-{number:08d}",
            },
            {
                "use": "official",
                "type": concept(f"{TERMINOLOGY}/v2-0203", Code("MB", "Member Number")),
                "system": INSURANCE,
                "value": f"{pick.randrange(10**9):09d}",
            },
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": given}],
        "telecom": [
            {"system": "phone", "value": names.telephone(pick.randrange(100, 1000)), "use": "home", "rank": 1},
            {"system": "email", "value": f"patient{number}@mail.example", "use": "home", "rank": 2},
        ],
        "gender": sex,
        "birthDate": born.isoformat(),
        "address": [{"use": "home", **_address(chart)}],
        "maritalStatus": coded(f"{TERMINOLOGY}/v3-MaritalStatus", pick.choice("MSDW") if adult else "S"),
        "contact": [
            {
                "relationship": [coded(f"{TERMINOLOGY}/v2-0131", "N" if adult else "C")],
                "name": {"family": family, "given": [relative]},
                "telecom": [{"system": "phone", "value": names.telephone(pick.randrange(100, 1000))}],
            }
        ],
        "communication": [
            {"language": concept("urn:ietf:bcp:47", Code(language, language_name)), "preferred": True},
        ],
    }


def _address(chart: Chart) -> FhirJson:
    town, postcode = chart.random.choice(names.TOWNS)
    line = f"{chart.random.randint(1, 180)} {chart.random.choice(names.STREETS)}"
    return {"type": "physical", "line": [line], "city": town, "postalCode": postcode, "country": "GB"}
