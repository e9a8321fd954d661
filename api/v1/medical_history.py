"""What a patient has or had: `/patients/{id}/medical-history` of PRODUCT 2.11."""

from __future__ import annotations

from api.v1.chart import ChartListing, Noun, endpoints
from domain.clinic.medical_history import ProblemCard, ProblemForm, ProblemStatus
from fhir_mapping.friendly.medical_history import CATEGORY, PROBLEM, Problems


class HistoryWanted(ChartListing, frozen=True, kw_only=True):
    """The filter narrows."""

    status: ProblemStatus | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        given = [] if self.status is None else [("clinical-status", self.status)]
        return [("_sort", "-recorded-date"), ("category", f"{CATEGORY}|{PROBLEM}"), *given]


NOUN = Noun("medical-history", "problem", "a problem", Problems(), ProblemForm, ProblemCard, HistoryWanted)
ENDPOINTS = endpoints(NOUN)
