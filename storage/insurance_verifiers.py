"""Insurers behind `domain.clinic.insurance_checks.Verifier`.

`StubVerifier` asks nobody: for demonstrations and front ends under construction. A real one is one more class here.
"""

from __future__ import annotations

from datetime import date

from domain.clinic.insurance import InsuranceCard
from domain.clinic.insurance_checks import Verdict

LATER = "PENDING"
"""Policies whose number begins so are answered later."""


class StubVerifier:
    """Believes what is on file: a policy covers from its first to its last day, unless it was cancelled."""

    async def verify(self, insurance: InsuranceCard, today: date) -> Verdict:
        """See `Verifier.verify`."""
        if (insurance.policy_number or "").startswith(LATER):
            return Verdict("PENDING")
        if insurance.status != "active":
            return Verdict("NOT_COVERED", "The policy was cancelled")
        if insurance.valid_from is not None and today < insurance.valid_from:
            return Verdict("NOT_COVERED", "The policy has not begun")
        if insurance.valid_to is not None and insurance.valid_to < today:
            return Verdict("NOT_COVERED", "The policy has ended")
        return Verdict("VERIFIED")
