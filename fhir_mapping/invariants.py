"""The invariants of the R4 definitions that a table of elements cannot express.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. Most say that one element needs, excludes or replaces
another: these are rows here. What takes a computation is a function in `invariants_computed`, `invariants_bundle`,
`invariants_conformance` or `invariants_terminology`. FHIRPath is not evaluated: the expressions of the definitions would
cost a hundred times as much. An element also counts as present when only its extensions are (`_x`), and `value[x]`
stands for all its types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from fhir_mapping import invariants_bundle, invariants_computed, invariants_conformance, invariants_terminology
from fhir_mapping.problems import Found, Problem
from fhir_mapping.tables import elements_of

Rule = Callable[[Mapping[str, Any]], Found]

# key, where, an element, and what must be there with it (one of them)
NEEDS = (
    ("att-1", "Attachment", "data", "contentType"),
    ("cpt-2", "ContactPoint", "value", "system"),
    ("qty-3", "Quantity", "code", "system"),
    ("tim-1", "Timing.repeat", "duration", "durationUnit"),
    ("tim-2", "Timing.repeat", "period", "periodUnit"),
    ("tim-6", "Timing.repeat", "periodMax", "period"),
    ("tim-7", "Timing.repeat", "durationMax", "duration"),
    ("tim-8", "Timing.repeat", "countMax", "count"),
    ("tim-9", "Timing.repeat", "offset", "when"),
    ("trd-2", "TriggerDefinition", "condition", "data"),
    ("rat-1", "Ratio", "numerator", "denominator"),
    ("rat-1", "Ratio", "denominator", "numerator"),
    ("eld-18", "ElementDefinition", "sliceIsConstraining", "sliceName"),
    ("app-2", "Appointment", "start", "end"),
    ("app-2", "Appointment", "end", "start"),
    ("fhs-2", "FamilyMemberHistory", "estimatedAge", "age[x]"),
    ("gol-1", "Goal.target", "detail[x]", "measure"),
    ("msq-5", "MolecularSequence.referenceSeq", "chromosome", "genomeBuild"),
    ("msq-5", "MolecularSequence.referenceSeq", "genomeBuild", "chromosome"),
    ("prr-1", "ServiceRequest", "orderDetail", "code"),
    ("spd-1", "SearchParameter", "xpath", "xpathUsage"),
    ("smp-1", "StructureMap.group.rule.target", "element", "context"),
    ("smp-2", "StructureMap.group.rule.target", "context", "contextType"),
    ("vsd-2", "ValueSet.compose.include", "concept", "system"),
    ("vsd-2", "ValueSet.compose.include", "filter", "system"),
    ("vsd-10", "ValueSet.expansion.contains", "code", "system"),
)

# key, where, and two elements that are not there together
EXCLUDES = (
    ("drq-1", "DataRequirement.codeFilter", "path", "searchParam"),
    ("drq-2", "DataRequirement.dateFilter", "path", "searchParam"),
    ("trd-1", "TriggerDefinition", "data", "timing[x]"),
    ("tim-10", "Timing.repeat", "timeOfDay", "when"),
    ("sev-1", "AuditEvent.entity", "name", "query"),
    ("cpl-3", "CarePlan.activity", "detail", "reference"),
    ("ces-1", "CoverageEligibilityResponse.insurance.item", "category", "productOrService"),
    ("fhs-1", "FamilyMemberHistory", "age[x]", "born[x]"),
    ("cmp-2", "Composition.section", "emptyReason", "entry"),
    ("lst-1", "List", "emptyReason", "entry"),
    ("eld-8", "ElementDefinition", "pattern[x]", "fixed[x]"),
    ("eld-15", "ElementDefinition", "defaultValue[x]", "meaningWhenMissing"),
    ("obs-6", "Observation", "dataAbsentReason", "value[x]"),
    ("que-4", "Questionnaire.item", "answerOption", "answerValueSet"),
    ("que-11", "Questionnaire.item", "answerOption", "initial"),
    ("qrs-1", "QuestionnaireResponse.item", "answer", "item"),
    ("rqg-1", "RequestGroup.action", "resource", "action"),
    ("vsd-3", "ValueSet.compose.include", "concept", "filter"),
)

# key, where, and elements of which one is there
SOME = (
    ("exp-1", "Expression", "expression", "reference"),
    ("drq-1", "DataRequirement.codeFilter", "path", "searchParam"),
    ("drq-2", "DataRequirement.dateFilter", "path", "searchParam"),
    ("eld-1", "ElementDefinition.slicing", "discriminator", "description"),
    ("app-1", "Appointment.participant", "type", "actor"),
    ("apr-1", "AppointmentResponse", "participantType", "actor"),
    ("bdl-5", "Bundle.entry", "resource", "request", "response"),
    ("cpb-1", "CapabilityStatement", "rest", "messaging", "document"),
    ("cpb-2", "CapabilityStatement", "description", "software", "implementation"),
    ("cmp-1", "Composition.section", "text", "entry", "section"),
    ("con-1", "Condition.stage", "summary", "assessment"),
    ("con-2", "Condition.evidence", "code", "detail"),
    ("ppc-1", "Consent", "policy", "policyRule"),
    ("ces-1", "CoverageEligibilityResponse.insurance.item", "category", "productOrService"),
    ("imm-1", "Immunization.education", "documentType", "reference"),
    ("imr-1", "ImmunizationRecommendation.recommendation", "vaccineCode", "targetDisease"),
    ("ipn-1", "InsurancePlan", "identifier", "name"),
    ("mad-1", "MedicationAdministration.dosage", "dose", "rate[x]"),
    ("obs-3", "Observation.referenceRange", "low", "high", "text"),
    ("opd-1", "OperationDefinition.parameter", "type", "part"),
    ("org-1", "Organization", "identifier", "name"),
    ("pat-1", "Patient.contact", "name", "telecom", "address", "organization"),
    ("rqg-1", "RequestGroup.action", "resource", "action"),
    ("sdf-6", "StructureDefinition", "snapshot", "differential"),
    ("sdf-2", "StructureDefinition.mapping", "name", "uri"),
    ("tcp-2", "TerminologyCapabilities", "description", "software", "implementation"),
    ("vsd-1", "ValueSet.compose.include", "system", "valueSet"),
    ("vsd-6", "ValueSet.expansion.contains", "code", "display"),
)


COMPUTED = (
    invariants_computed.RULES,
    invariants_bundle.RULES,
    invariants_conformance.RULES,
    invariants_terminology.RULES,
)


@cache
def of(path: str) -> tuple[Rule, ...]:
    """The rules of a type or backbone path, to be asked when its elements are in order; paths relative to it."""
    return (*_rows(path), *(rule for table in COMPUTED for rule in table.get(path, ())))


def _rows(path: str) -> Iterator[Rule]:
    for key, where, name, *others in NEEDS:
        if where == path:
            yield _needs(key, name, others, _names(path, name), _names(path, *others))
    for key, where, one, other in EXCLUDES:
        if where == path:
            yield _excludes(key, one, other, _names(path, one), _names(path, other))
    for key, where, *names in SOME:
        if where == path:
            yield _some(key, names, _names(path, *names))


def _names(path: str, *names: str) -> frozenset[str]:
    """The JSON names, siblings included, that elements named as in the definitions may have."""
    stems = {name.removesuffix("[x]") for name in names if name.endswith("[x]")}
    plain = {e.name for e in elements_of(path).values() if e.name in names or e.choice in stems}
    if not plain:
        raise LookupError(f"{path} has no element {names}")
    return frozenset(plain | {f"_{name}" for name in plain})


def _needs(key: str, name: str, others: list[str], given: frozenset[str], wanted: frozenset[str]) -> Rule:
    problem = Problem("invariant", f"{name} needs {' or '.join(others)} ({key})", "." + name.removesuffix("[x]"))

    def rule(value: Mapping[str, Any]) -> Found:
        return [problem] if wanted.isdisjoint(value) and not given.isdisjoint(value) else None

    return rule


def _excludes(key: str, one: str, other: str, first: frozenset[str], second: frozenset[str]) -> Rule:
    problem = Problem("invariant", f"{one} and {other} exclude each other ({key})", "." + one.removesuffix("[x]"))

    def rule(value: Mapping[str, Any]) -> Found:
        return [problem] if not first.isdisjoint(value) and not second.isdisjoint(value) else None

    return rule


def _some(key: str, names: list[str], wanted: frozenset[str]) -> Rule:
    problem = Problem("invariant", f"One of {', '.join(names)} is needed ({key})")

    def rule(value: Mapping[str, Any]) -> Found:
        return [problem] if wanted.isdisjoint(value) else None

    return rule
