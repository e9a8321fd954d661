"""Families: who acts for whom. `/patients/{id}/family` of PRODUCT 2.11."""

from __future__ import annotations

from api.v1.chart import patient_of, view
from api.v1.endpoint import Endpoint, Outcome, View, Visit
from api.v1.kept import gone, kept
from api.v1.occasions import asked
from api.v1.patients import KINDS
from api.v1.service import Service
from domain.clinic import family, family_members
from domain.clinic.family_cards import Member, MemberForm
from domain.clinic.family_members import Kinds
from fhir_mapping.friendly.family import Families

FAMILY = Kinds(KINDS, Families())
PATH = "/patients/{id}/family"


class FamilyView(View, frozen=True, kw_only=True):
    """A family is small: there is one page."""

    items: tuple[Member, ...]
    next: str | None = None


async def listed(service: Service, visit: Visit) -> Outcome:
    """For whom a patient acts, and who acts for them"""
    patient = patient_of(visit)
    found = await family_members.family(service.parts, FAMILY, await asked(service, visit, "family-list"), patient)
    visit.concerns(*(f"RelatedPerson/{each.id}" for each in found))
    visit.concerns(patients=tuple(each.patient_id for each in found if each.patient_id))
    return Outcome(FamilyView(items=tuple(found)))


async def joined(service: Service, visit: Visit, body: MemberForm) -> Outcome:
    """Let a patient act for a dependant: their own new child, or through the clinic anybody"""
    patient = patient_of(visit)
    occasion = await asked(service, visit, "family-create")
    member, answer = await family.joined(service.parts, service.people, FAMILY, occasion, patient, body)
    return kept(visit, answer, view(member), location=f"/patients/{patient.id}/family/{member.id}")


async def left(service: Service, visit: Visit) -> Outcome:
    """End a tie; access ends with it"""
    occasion = await asked(service, visit, "family-delete")
    answer = await family.left(
        service.parts, service.people, FAMILY, occasion, patient_of(visit), visit.params["member"]
    )
    return gone(visit, answer)


ENDPOINTS = (
    Endpoint("GET", PATH, "family-list", listed, answers=FamilyView),
    Endpoint("POST", PATH, "family-create", joined, answers=Member, status=201, replays=True),
    Endpoint("DELETE", f"{PATH}/{{member}}", "family-delete", left, status=204),
)
