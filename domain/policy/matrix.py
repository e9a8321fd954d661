"""The matrix: which role may do what on which type, in which relation. Data; nothing that is not here is allowed.

A cell is a list of rules separated by `;`. A rule is letters (`cruds`, and `h` for older versions), one relation or several
joined by `+` that must all hold, and optionally `if` or `unless` a facet, and `only` the elements an update may change.

Relations: `own` the patient or who acts for them; `team` treats the patient; `lab`, `rx` carries out an order for the
patient; `org` the resource or its patient belongs to the caller's organizations; `src` the caller created it; `mine` it names
the caller; `self` it is the caller; `any` no relation asked. `none` is a right whose rules are elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple, get_args

from domain.access import Letter, Role


class Rule(NamedTuple):
    """One way to be allowed. `only` are the elements an update may change; all when it is `None`."""

    letters: str
    relations: tuple[str, ...]
    facet: str | None = None
    unless: str | None = None
    only: frozenset[str] | None = None


_SUMMARY = "Encounter EpisodeOfCare CareTeam CarePlan Goal FamilyMemberHistory RelatedPerson"
_CLINICAL = "Condition AllergyIntolerance Immunization Procedure"
_DIRECTORY = "Practitioner PractitionerRole Organization Location HealthcareService"
DIRECTORY = frozenset(_DIRECTORY.split())
"""What belongs to the organization it names itself, whoever else it names."""
_REFERENCE = "Medication ValueSet CodeSystem"
_EVERYBODY: tuple[Role, ...] = get_args(Role)

_ROWS: Sequence[tuple[str, dict[Role, str]]] = (
    (
        "Patient",
        {
            "ADMIN": "crus org",
            "DOCTOR": "c mine; rus team",
            "NURSE": "rs team",
            "PATIENT": "rs own; u own only telecom,address,contact",
            "RECEPTIONIST": "crus org",
            "PHARMACIST": "r rx",
            "LAB_TECHNICIAN": "r lab",
            "DIETICIAN": "c any; rs team; rsud src",
        },
    ),
    (_SUMMARY, {"DOCTOR": "rs team", "NURSE": "rs team", "PATIENT": "r own", "DIETICIAN": "rs team"}),
    (
        _CLINICAL,
        {"DOCTOR": "crudsh team", "NURSE": "crs team; u team+src", "PATIENT": "rsh own", "DIETICIAN": "rs team"},
    ),
    ("AllergyIntolerance", {"PHARMACIST": "rs rx"}),
    (
        "NutritionOrder",
        {"DOCTOR": "crush team", "NURSE": "rs team", "PATIENT": "rs own", "DIETICIAN": "crush team"},
    ),
    (
        "Observation",
        {
            "DOCTOR": "crudsh team unless lab; rsh team if lab",
            "NURSE": "crus team unless lab; rs team if lab",
            "PATIENT": "rs own unless lab; rs own if final; c own if reported",
            "LAB_TECHNICIAN": "crus lab if lab",
            "DIETICIAN": "crs team unless lab; rs team if lab",
        },
    ),
    (
        "DiagnosticReport",
        {
            "DOCTOR": "rsh team",
            "NURSE": "rs team",
            "PATIENT": "rs own if final",
            "LAB_TECHNICIAN": "crus lab if lab",
            "DIETICIAN": "rs team",
        },
    ),
    (
        "Composition ClinicalImpression",
        {"DOCTOR": "crush team", "NURSE": "crs team", "PATIENT": "rs own", "DIETICIAN": "crs team"},
    ),
    (
        "MedicationRequest",
        {
            "DOCTOR": "crush team",
            "NURSE": "rs team",
            "PATIENT": "rs own",
            "PHARMACIST": "rs rx; u rx only status,statusReason",
            "DIETICIAN": "rs team",
        },
    ),
    (
        "MedicationDispense",
        {"DOCTOR": "rs team", "NURSE": "rs team", "PATIENT": "rs own", "PHARMACIST": "crus rx"},
    ),
    (
        "MedicationStatement",
        {
            "DOCTOR": "crush team",
            "NURSE": "crs team",
            "PATIENT": "rs own",
            "PHARMACIST": "rs rx",
            "DIETICIAN": "rs team",
        },
    ),
    (
        "DetectedIssue",
        {"DOCTOR": "rs team", "NURSE": "rs team", "PATIENT": "rs own", "PHARMACIST": "rs rx"},
    ),
    (
        "ServiceRequest",
        {
            "DOCTOR": "crus team",
            "NURSE": "rs team",
            "PATIENT": "rs own",
            "LAB_TECHNICIAN": "rs lab; u lab only status",
            "DIETICIAN": "crs team",
        },
    ),
    (
        "Appointment",
        {
            "ADMIN": "crus org",
            "DOCTOR": "crus mine",
            "NURSE": "rs org",
            "PATIENT": "crus own",
            "RECEPTIONIST": "crus org",
            "DIETICIAN": "crus mine",
        },
    ),
    (
        "Schedule Slot",
        {
            "ADMIN": "crus org",
            "DOCTOR": "crus mine; rs any",
            "NURSE": "rs any",
            "PATIENT": "rs any",
            "RECEPTIONIST": "crus org; rs any",
            "DIETICIAN": "crus mine; rs any",
        },
    ),
    (
        "DocumentReference Binary",
        {
            "DOCTOR": "crsh team; ud src",
            "NURSE": "crs team",
            "PATIENT": "crs own; d src",
            "RECEPTIONIST": "c org if admin",
            "LAB_TECHNICIAN": "cr lab",
            "DIETICIAN": "crs team; ud src",
        },
    ),
    (
        "Coverage",
        {
            "ADMIN": "crus org",
            "DOCTOR": "r team",
            "PATIENT": "crus own",
            "RECEPTIONIST": "crus org",
            "PHARMACIST": "rs rx",
            "DIETICIAN": "r team",
        },
    ),
    (
        "Claim Invoice",
        {
            "ADMIN": "crus org",
            "DOCTOR": "r mine",
            "PATIENT": "rs own",
            "RECEPTIONIST": "crs org",
            "DIETICIAN": "r mine",
        },
    ),
    (
        _DIRECTORY,
        {
            **dict.fromkeys(_EVERYBODY, "r any; u self"),
            "SUPER_ADMIN": "crus any",
            "ADMIN": "crus org; r any",
            "PATIENT": "r any",
            "RECEPTIONIST": "r any",
        },
    ),
    ("Practitioner", {"ADMIN": "c any"}),
    (
        "Consent",
        {
            "ADMIN": "rs org",
            "DOCTOR": "cr team",
            "NURSE": "r team",
            "PATIENT": "crus own",
            "RECEPTIONIST": "c org if draft",
            "PHARMACIST": "r rx",
            "DIETICIAN": "r team",
        },
    ),
    (
        "Provenance",
        {
            "SUPER_ADMIN": "r any",
            "ADMIN": "r org",
            "DOCTOR": "r team",
            "NURSE": "r team",
            "PATIENT": "r own",
            "PHARMACIST": "r rx",
            "LAB_TECHNICIAN": "r lab",
            "DIETICIAN": "r team",
        },
    ),
    (_REFERENCE, dict.fromkeys(_EVERYBODY, "rs any")),
    ("AuditEvent", dict.fromkeys(_EVERYBODY, "rs none")),
)


@lru_cache(maxsize=50_000)
def rules_for(roles: frozenset[Role], letter: Letter, resource_type: str) -> tuple[Rule, ...]:
    """Every rule that gives one of the roles this letter on the type; none means no."""
    cells = _matrix().get(resource_type, {})
    found = [rule for role in sorted(roles) for rule in cells.get(role, ()) if letter in rule.letters]
    return tuple(dict.fromkeys(_joined(rule, found) for rule in found))


def _joined(rule: Rule, rules: Sequence[Rule]) -> Rule:
    """`unless lab` and `if lab` together ask nothing: neither is asked of the database."""
    plain = rule._replace(letters="", facet=None, unless=None)
    counterparts = {(rule.unless, rule.facet)} if rule.facet or rule.unless else set()
    there = {(each.facet, each.unless) for each in rules if each._replace(letters="", facet=None, unless=None) == plain}
    return plain if counterparts & there else rule._replace(letters="")


@cache
def _matrix() -> dict[str, dict[Role, tuple[Rule, ...]]]:
    matrix: dict[str, dict[Role, tuple[Rule, ...]]] = {}
    for types, cells in _ROWS:
        for resource_type in types.split():
            row = matrix.setdefault(resource_type, {})
            for role, text in cells.items():
                row[role] = (*row.get(role, ()), *(_rule(each) for each in text.split(";")))
    return matrix


def _rule(text: str) -> Rule:
    letters, relations, *rest = text.split()
    said = dict(zip(rest[::2], rest[1::2], strict=True))
    only = frozenset(said["only"].split(",")) if "only" in said else None
    return Rule(letters, tuple(relations.split("+")), said.get("if"), said.get("unless"), only)
