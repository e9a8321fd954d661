"""On whose side of an appointment somebody stands: it decides who is told, and who may say that a visit took place."""

from __future__ import annotations

from domain.access import Caller
from domain.clinic.appointment_cards import AppointmentCard, Side
from domain.policy.sight import PolicySight


def side_of(caller: Caller, card: AppointmentCard) -> Side:
    """The doctor of the appointment; the patient, or who acts for them; or the desk, which is everybody else."""
    if card.doctor_id is not None and f"Practitioner/{card.doctor_id}" in caller.profiles:
        return "doctor"
    standing = caller.sight.standing if isinstance(caller.sight, PolicySight) else None
    return "patient" if standing is not None and card.patient_id in standing.own else "desk"


def is_program(caller: Caller) -> bool:
    """A client without a person, which its scopes alone bound."""
    return caller.account is None
