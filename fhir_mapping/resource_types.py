"""The resource types that are served. One row per type; a new type is a row here and `tests/examples/<Type>.json`.

https://hl7.org/fhir/R4/resourcelist.html. The elements of R4 types are in the compiled definitions. A type that is not
in them (of a later FHIR release, or of one's own) brings its elements in its row, in the form of `structure.json`:
`(name, flags, type, value set, targets)`, flags being `*` array, `!` required, `s` summary. Its backbones are rows of
`backbones` by path. Everything else (reading, checking, storing, history, access) follows from the elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

Row: TypeAlias = tuple[Any, ...]


class ResourceType(NamedTuple):
    """A supported type. `elements` are those beyond `base`, and empty for what the R4 definitions describe."""

    name: str
    elements: tuple[Row, ...] = ()
    backbones: Mapping[str, tuple[Row, ...]] = {}
    base: str = "DomainResource"


TYPES: tuple[ResourceType, ...] = (
    ResourceType("Account"),
    ResourceType("ActivityDefinition"),
    ResourceType("AdverseEvent"),
    ResourceType("AllergyIntolerance"),
    ResourceType("Appointment"),
    ResourceType("AppointmentResponse"),
    ResourceType("AuditEvent"),
    ResourceType("Basic"),
    ResourceType("Binary"),
    ResourceType("BiologicallyDerivedProduct"),
    ResourceType("BodyStructure"),
    ResourceType("Bundle"),
    ResourceType("CapabilityStatement"),
    ResourceType("CarePlan"),
    ResourceType("CareTeam"),
    ResourceType("CatalogEntry"),
    ResourceType("ChargeItem"),
    ResourceType("ChargeItemDefinition"),
    ResourceType("Claim"),
    ResourceType("ClaimResponse"),
    ResourceType("ClinicalImpression"),
    ResourceType("CodeSystem"),
    ResourceType("Communication"),
    ResourceType("CommunicationRequest"),
    ResourceType("CompartmentDefinition"),
    ResourceType("Composition"),
    ResourceType("ConceptMap"),
    ResourceType("Condition"),
    ResourceType("Consent"),
    ResourceType("Contract"),
    ResourceType("Coverage"),
    ResourceType("CoverageEligibilityRequest"),
    ResourceType("CoverageEligibilityResponse"),
    ResourceType("DetectedIssue"),
    ResourceType("Device"),
    ResourceType("DeviceDefinition"),
    ResourceType("DeviceMetric"),
    ResourceType("DeviceRequest"),
    ResourceType("DeviceUseStatement"),
    ResourceType("DiagnosticReport"),
    ResourceType("DocumentManifest"),
    ResourceType("DocumentReference"),
    ResourceType("EffectEvidenceSynthesis"),
    ResourceType("Encounter"),
    ResourceType("Endpoint"),
    ResourceType("EnrollmentRequest"),
    ResourceType("EnrollmentResponse"),
    ResourceType("EpisodeOfCare"),
    ResourceType("EventDefinition"),
    ResourceType("Evidence"),
    ResourceType("EvidenceVariable"),
    ResourceType("ExampleScenario"),
    ResourceType("ExplanationOfBenefit"),
    ResourceType("FamilyMemberHistory"),
    ResourceType("Flag"),
    ResourceType("Goal"),
    ResourceType("GraphDefinition"),
    ResourceType("Group"),
    ResourceType("GuidanceResponse"),
    ResourceType("HealthcareService"),
    ResourceType("ImagingStudy"),
    ResourceType("Immunization"),
    ResourceType("ImmunizationEvaluation"),
    ResourceType("ImmunizationRecommendation"),
    ResourceType("ImplementationGuide"),
    ResourceType("InsurancePlan"),
    ResourceType("Invoice"),
    ResourceType("Library"),
    ResourceType("Linkage"),
    ResourceType("List"),
    ResourceType("Location"),
    ResourceType("Measure"),
    ResourceType("MeasureReport"),
    ResourceType("Media"),
    ResourceType("Medication"),
    ResourceType("MedicationAdministration"),
    ResourceType("MedicationDispense"),
    ResourceType("MedicationKnowledge"),
    ResourceType("MedicationRequest"),
    ResourceType("MedicationStatement"),
    ResourceType("MedicinalProduct"),
    ResourceType("MedicinalProductAuthorization"),
    ResourceType("MedicinalProductContraindication"),
    ResourceType("MedicinalProductIndication"),
    ResourceType("MedicinalProductIngredient"),
    ResourceType("MedicinalProductInteraction"),
    ResourceType("MedicinalProductManufactured"),
    ResourceType("MedicinalProductPackaged"),
    ResourceType("MedicinalProductPharmaceutical"),
    ResourceType("MedicinalProductUndesirableEffect"),
    ResourceType("MessageDefinition"),
    ResourceType("MessageHeader"),
    ResourceType("MolecularSequence"),
    ResourceType("NamingSystem"),
    ResourceType("NutritionOrder"),
    ResourceType("Observation"),
    ResourceType("ObservationDefinition"),
    ResourceType("OperationDefinition"),
    ResourceType("OperationOutcome"),
    ResourceType("Organization"),
    ResourceType("OrganizationAffiliation"),
    ResourceType("Parameters"),
    ResourceType("Patient"),
    ResourceType("PaymentNotice"),
    ResourceType("PaymentReconciliation"),
    ResourceType("Person"),
    ResourceType("PlanDefinition"),
    ResourceType("Practitioner"),
    ResourceType("PractitionerRole"),
    ResourceType("Procedure"),
    ResourceType("Provenance"),
    ResourceType("Questionnaire"),
    ResourceType("QuestionnaireResponse"),
    ResourceType("RelatedPerson"),
    ResourceType("RequestGroup"),
    ResourceType("ResearchDefinition"),
    ResourceType("ResearchElementDefinition"),
    ResourceType("ResearchStudy"),
    ResourceType("ResearchSubject"),
    ResourceType("RiskAssessment"),
    ResourceType("RiskEvidenceSynthesis"),
    ResourceType("Schedule"),
    ResourceType("SearchParameter"),
    ResourceType("ServiceRequest"),
    ResourceType("Slot"),
    ResourceType("Specimen"),
    ResourceType("SpecimenDefinition"),
    ResourceType("StructureDefinition"),
    ResourceType("StructureMap"),
    ResourceType("Subscription"),
    ResourceType("Substance"),
    ResourceType("SubstanceNucleicAcid"),
    ResourceType("SubstancePolymer"),
    ResourceType("SubstanceProtein"),
    ResourceType("SubstanceReferenceInformation"),
    ResourceType("SubstanceSourceMaterial"),
    ResourceType("SubstanceSpecification"),
    ResourceType("SupplyDelivery"),
    ResourceType("SupplyRequest"),
    ResourceType("Task"),
    ResourceType("TerminologyCapabilities"),
    ResourceType("TestReport"),
    ResourceType("TestScript"),
    ResourceType("ValueSet"),
    ResourceType("VerificationResult"),
    ResourceType("VisionPrescription"),
)


def added_tables() -> dict[str, list[Any]]:
    """The element tables of the types that bring their own, by type and backbone path."""
    tables: dict[str, list[Any]] = {}
    for each in TYPES:
        if each.elements:
            tables[each.name] = [each.base, *each.elements]
            tables |= {path: ["BackboneElement", *rows] for path, rows in each.backbones.items()}
    return tables
