"""The compiled element tables. https://hl7.org/fhir/R4/patient.html, https://hl7.org/fhir/R4/formats.html#choice"""

from __future__ import annotations

import pytest

from fhir_mapping.tables import PRIMITIVES, RESOURCE_TYPES, elements_of


def test_every_type_an_element_has_is_itself_known() -> None:
    seen: set[str] = set()
    waiting = list(RESOURCE_TYPES)
    while waiting:
        path = waiting.pop()
        if path in seen or path in PRIMITIVES:
            continue
        seen.add(path)
        waiting.extend(element.type for element in elements_of(path).values())
    assert len(RESOURCE_TYPES) == 146
    assert {"HumanName", "Timing.repeat", "Patient.contact", "Bundle.entry.request"} <= seen


def test_inherited_elements_come_first_and_choices_are_expanded() -> None:
    patient = elements_of("Patient")
    assert list(patient)[:5] == ["id", "meta", "implicitRules", "language", "text"]
    assert patient["id"].type == "id"
    assert patient["deceasedBoolean"].choice == patient["deceasedDateTime"].choice == "deceased"
    assert "deceased[x]" not in patient


def test_cardinality_bindings_and_targets_are_those_of_r4() -> None:
    observation = elements_of("Observation")
    assert observation["status"].required
    assert "final" in (observation["status"].codes or ())
    assert observation["category"].many
    assert observation["subject"].targets == {"Patient", "Group", "Device", "Location"}
    assert elements_of("Observation.component")["referenceRange"].type == "Observation.referenceRange"
    assert elements_of("#Observation.referenceRange") is elements_of("Observation.referenceRange")
    assert elements_of("Bundle.entry")["resource"].type == "Resource"
    assert elements_of("Extension")["url"].required
    assert elements_of("Observation.referenceRange")["low"].simple
    assert elements_of("Condition")["clinicalStatus"].codes is not None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Binary", "url"),
        ("Meta", "project"),
        ("ResearchStudy", "progressStatus"),
        ("EvidenceVariable.characteristic", "definitionByTypeAndValue"),
        ("DeviceDefinition", "classification"),
        ("Reference", "resource"),
    ],
)
def test_elements_that_are_not_in_r4_are_absent(path: str, name: str) -> None:
    assert name not in elements_of(path)


def test_an_unknown_type_has_no_elements() -> None:
    with pytest.raises(KeyError):
        elements_of("SubscriptionStatus")
