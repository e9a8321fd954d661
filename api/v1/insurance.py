"""Insurances of a patient: `/patients/{id}/insurance` of PRODUCT 2.11."""

from __future__ import annotations

from typing import Literal

from api.v1.chart import ChartListing, Noun, endpoints, patient_of, view
from api.v1.endpoint import Endpoint, Outcome, Visit
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import insurance_checks
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.clinic.insurance_checks import Check
from fhir_mapping.friendly.insurance import Insurances
from fhir_mapping.friendly.insurance_checks import InsuranceChecks


class InsuranceWanted(ChartListing, frozen=True, kw_only=True):
    """Those in force; with `status=all` the cancelled ones too."""

    status: Literal["active", "all"] = "active"

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        return [("_sort", "-_lastUpdated"), *([] if self.status == "all" else [("status", "active")])]


async def verified(service: Service, visit: Visit) -> Outcome:
    """Ask the insurer whether they cover the patient; the answer may come later"""
    occasion = await asked(service, visit, "insurance-verify")
    check, answer = await insurance_checks.verified(
        service.parts, INSURANCES, CHECKS, service.verifier, occasion, patient_of(visit), visit.params["entry"]
    )
    visit.concerns(*answer.targets)
    return Outcome(view(check), 202, recorded=answer.recorded)


async def checked(service: Service, visit: Visit) -> Outcome:
    """What came of the last question to the insurer"""
    occasion = await asked(service, visit, "insurance-verify-read")
    check = await insurance_checks.newest(
        service.parts, INSURANCES, CHECKS, occasion, patient_of(visit), visit.params["entry"]
    )
    visit.concerns(f"{insurance_checks.REQUEST}/{check.id}")
    return Outcome(view(check))


INSURANCES, CHECKS = Insurances(), InsuranceChecks()
NOUN = Noun("insurance", "insurance", "an insurance", INSURANCES, InsuranceForm, InsuranceCard, InsuranceWanted)
VERIFY = "/patients/{id}/insurance/{entry}/verify"
ENDPOINTS = (
    *endpoints(NOUN),
    Endpoint("POST", VERIFY, "insurance-verify", verified, answers=Check, status=202, replays=True),
    Endpoint("GET", VERIFY, "insurance-verify-read", checked, answers=Check),
)
