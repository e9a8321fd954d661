"""What the access rules say, once more and independently: a table of its own and forty lines that read it."""

from __future__ import annotations

from typing import NamedTuple

READS = "rs"
LABORATORY = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
TABLE = {
    # type: {role: {letter: relations in which it is allowed}}
    "Patient": "DOCTOR:rsu=T NURSE:rs=T PATIENT:rs=O DIETICIAN:rs=T PHARMACIST:r=X LAB_TECHNICIAN:r=L ADMIN:rus=G RECEPTIONIST:rus=G",
    "Condition": "DOCTOR:crudsh=T NURSE:crs=T PATIENT:rsh=O DIETICIAN:rs=T",
    "AllergyIntolerance": "DOCTOR:crudsh=T NURSE:crs=T PATIENT:rsh=O DIETICIAN:rs=T PHARMACIST:rs=X",
    "Immunization": "DOCTOR:crudsh=T NURSE:crs=T PATIENT:rsh=O DIETICIAN:rs=T",
    "Procedure": "DOCTOR:crudsh=T NURSE:crs=T PATIENT:rsh=O DIETICIAN:rs=T",
    "NutritionOrder": "DOCTOR:crush=T NURSE:rs=T PATIENT:rs=O DIETICIAN:crush=T",
    "Encounter": "DOCTOR:rs=T NURSE:rs=T PATIENT:r=O DIETICIAN:rs=T",
    "Observation-vitals": "DOCTOR:crudsh=T NURSE:crus=T PATIENT:rs=O DIETICIAN:crs=T",
    "Observation-lab": "DOCTOR:rsh=T NURSE:rs=T PATIENT:rs=O DIETICIAN:rs=T LAB_TECHNICIAN:crus=L",
    "Observation-early": "DOCTOR:rsh=T NURSE:rs=T DIETICIAN:rs=T LAB_TECHNICIAN:crus=L",
    "DiagnosticReport": "DOCTOR:rsh=T NURSE:rs=T PATIENT:rs=O DIETICIAN:rs=T LAB_TECHNICIAN:crus=L",
    "DiagnosticReport-early": "DOCTOR:rsh=T NURSE:rs=T DIETICIAN:rs=T LAB_TECHNICIAN:crus=L",
    "DiagnosticReport-image": "DOCTOR:rsh=T NURSE:rs=T PATIENT:rs=O DIETICIAN:rs=T",
    "Composition": "DOCTOR:crush=T NURSE:crs=T PATIENT:rs=O DIETICIAN:crs=T",
    "MedicationRequest": "DOCTOR:crush=T NURSE:rs=T PATIENT:rs=O DIETICIAN:rs=T PHARMACIST:rs=X",
    "MedicationDispense": "DOCTOR:rs=T NURSE:rs=T PATIENT:rs=O PHARMACIST:crus=X",
    "MedicationStatement": "DOCTOR:crush=T NURSE:crs=T PATIENT:rs=O DIETICIAN:rs=T PHARMACIST:rs=X",
    "DetectedIssue": "DOCTOR:rs=T NURSE:rs=T PATIENT:rs=O PHARMACIST:rs=X",
    "ServiceRequest": "DOCTOR:crus=T NURSE:rs=T PATIENT:rs=O DIETICIAN:crs=T LAB_TECHNICIAN:rs=L",
    "DocumentReference": "DOCTOR:crsh=T NURSE:crs=T PATIENT:crs=O DIETICIAN:crs=T LAB_TECHNICIAN:cr=L",
    "Coverage": "DOCTOR:r=T PATIENT:crus=O DIETICIAN:r=T PHARMACIST:rs=X ADMIN:crus=G RECEPTIONIST:crus=G",
    "Invoice": "PATIENT:rs=O ADMIN:crus=G RECEPTIONIST:crs=G",
    "Appointment": "PATIENT:crus=O ADMIN:crus=G RECEPTIONIST:crus=G NURSE:rs=G",
    "Consent": "DOCTOR:cr=T NURSE:r=T PATIENT:crus=O DIETICIAN:r=T PHARMACIST:r=X ADMIN:rs=G",
    "Provenance": "SUPER_ADMIN:r=* ADMIN:r=G DOCTOR:r=T NURSE:r=T PATIENT:r=O DIETICIAN:r=T PHARMACIST:r=X LAB_TECHNICIAN:r=L",
}


class Cell(NamedTuple):
    role: str
    type: str
    letter: str
    patient: str
    label: str
    scope: str


def allowed(cell: Cell) -> bool:
    """Whether this role may do this to such a resource of such a patient, under such a scope."""
    cells = dict(part.split(":") for part in TABLE[cell.type].split())
    letters, _, relation = cells.get(cell.role, "=").partition("=")
    own = cell.role == "PATIENT" and cell.patient == "team"
    team = cell.role in ("DOCTOR", "NURSE", "DIETICIAN") and cell.patient in ("team", "denied")
    ordered = cell.patient in ("order", "closed") and cell.role in ("PHARMACIST", "LAB_TECHNICIAN")
    named = ("DOCTOR", "NURSE", "DIETICIAN", "PHARMACIST", "LAB_TECHNICIAN", "RECEPTIONIST")
    permitted = cell.patient == "permit" and cell.role in named and cell.letter in "rsh"
    managed = cell.patient == "org" and cell.role in ("ADMIN", "RECEPTIONIST", "NURSE")
    ordered = ordered or permitted
    related = {"O": own, "T": team or permitted, "X": ordered, "L": ordered, "G": managed, "*": True}
    denied = cell.patient in ("denied", "closed") and not own
    # A write needs the label's clearance on what it replaces.
    cleared = {"": True, "R": own or team or permitted, "PSY": own or team or permitted, "V": own or permitted}
    if cell.letter == "c":
        cleared = dict.fromkeys(cleared, True)  # What one writes one may label as one likes.
    kind = cell.type.partition("-")[0]
    level, _, rest = cell.scope.partition("/")
    rest, _, filtered = rest.partition("?")
    scoped_type, _, scoped_letters = rest.partition(".")
    matching = not filtered or cell.type in ("Observation-lab", "Observation-early")
    granted = ("r" if cell.letter == "h" else cell.letter) in scoped_letters and scoped_type in ("*", kind)
    launched = level != "patient" or cell.patient == "team"
    return (
        cell.letter in letters
        and related.get(relation, False)
        and not denied
        and cleared[cell.label]
        and granted
        and launched
        and matching
    )
