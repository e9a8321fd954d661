"""A question to an insurer and its answer as CoverageEligibilityRequest and -Response, and back.

https://hl7.org/fhir/R4/coverageeligibilityrequest.html, https://hl7.org/fhir/R4/coverageeligibilityresponse.html
"""

from __future__ import annotations

from datetime import datetime

from domain.clinic.insurance_checks import REQUEST, RESPONSE, Check, CheckStatus, Verdict
from domain.identity import FhirJson
from fhir_mapping.friendly.elements import instant, moment, put, reference, to


class InsuranceChecks:
    """Implements `domain.clinic.insurance_checks.CheckRecords`."""

    def request(self, coverage: FhirJson, now: datetime) -> FhirJson:
        """See `CheckRecords.request`."""
        return {
            "resourceType": REQUEST,
            "status": "active",
            "purpose": ["validation"],
            "patient": coverage["beneficiary"],
            "created": instant(now),
            "insurer": coverage["payor"][0],
            "insurance": [{"coverage": to(f"Coverage/{coverage['id']}")}],
        }

    def response(self, request: FhirJson, verdict: Verdict, now: datetime) -> FhirJson:
        """See `CheckRecords.response`."""
        content: FhirJson = {
            "resourceType": RESPONSE,
            "status": "active",
            "purpose": request["purpose"],
            "patient": request["patient"],
            "created": instant(now),
            "request": to(f"{REQUEST}/{request['id']}"),
            "outcome": "complete",
            "insurer": request["insurer"],
            "insurance": [{"coverage": request["insurance"][0]["coverage"], "inforce": verdict.status == "VERIFIED"}],
        }
        put(content, "disposition", verdict.reason)
        return content

    def check(self, request: FhirJson, response: FhirJson | None) -> Check:
        """See `CheckRecords.check`. An answer that does not say whether the coverage is in force is none yet."""
        coverage = reference(request.get("insurance", [{}])[0].get("coverage"))
        answer = response or {}
        covered: FhirJson = next(iter(answer.get("insurance", ())), {})
        answered: bool | None = covered.get("inforce")
        status: CheckStatus = "PENDING" if answered is None else "VERIFIED" if answered else "NOT_COVERED"
        return Check(
            id=request["id"],
            insurance_id="" if coverage is None else coverage.id,
            status=status,
            reason=answer.get("disposition"),
            asked_at=moment(request.get("created")),
            answered_at=None if answered is None else moment(answer.get("created")),
        )
