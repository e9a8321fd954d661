"""The mappings that a patient in friendly words needs, and what each part of a patient is called in the records.

Parts that exist once per patient have an id that follows from the patient's, so that writing one twice is writing it again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.access import Caller
from domain.clinic.chart import ChartRecords
from domain.clinic.diet import DietRecords
from domain.clinic.document_cards import DocumentRecords
from domain.clinic.duplicates import ReadLikeness
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.clinic.patient_cards import PatientRecords
from domain.identity import FhirJson, ResourceKey


class Filing(Protocol):
    """What is written beside a patient. Implemented by `fhir_mapping.friendly.filing`."""

    def team(self, patient: str, practitioner: str, now: datetime) -> FhirJson:
        """The CareTeam of who took the patient in. https://hl7.org/fhir/R4/careteam.html"""
        ...

    def reason(self, target: str, text: str, *, agent: str, subject: str, new: bool, now: datetime) -> FhirJson:
        """The Provenance that keeps why `target` (`Patient/1/1`) was written although somebody like this is there.

        `agent` is who they are in the records, or empty. https://hl7.org/fhir/R4/provenance.html"""
        ...


class PatientKinds(NamedTuple):
    """One mapping for each resource a patient is made of."""

    patients: PatientRecords
    likeness: ReadLikeness
    diets: DietRecords
    insurances: ChartRecords[InsuranceForm, InsuranceCard]
    documents: DocumentRecords
    filing: Filing


def history_key(patient: ResourceKey) -> ResourceKey:
    """The DocumentReference of what the patient's history is in words."""
    return ResourceKey("DocumentReference", _name("history", patient))


def diet_key(patient: ResourceKey) -> ResourceKey:
    """The NutritionOrder of what the patient chooses not to eat."""
    return ResourceKey("NutritionOrder", _name("diet", patient))


def member_key(guardian: ResourceKey, dependant: ResourceKey) -> ResourceKey:
    """The RelatedPerson by which one patient acts for another."""
    return ResourceKey("RelatedPerson", _name(f"for {guardian}", dependant))


def _name(part: str, patient: ResourceKey) -> str:
    """NOTE: stored as an id; a change would orphan what there is."""
    return hashlib.sha256(f"chartvault/{part}|{patient}".encode()).hexdigest()[:40]


def profile_of(caller: Caller, *kinds: str) -> str | None:
    """Who the caller is in the records, as one of these kinds."""
    return next((each for each in caller.profiles if each.partition("/")[0] in kinds), None)
