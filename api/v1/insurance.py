"""Insurances of a patient: `/patients/{id}/insurance` of PRODUCT 2.11."""

from __future__ import annotations

from typing import Literal

from api.v1.chart import ChartListing, Noun, endpoints
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from fhir_mapping.friendly.insurance import Insurances


class InsuranceWanted(ChartListing, frozen=True, kw_only=True):
    """Those in force; with `status=all` the cancelled ones too."""

    status: Literal["active", "all"] = "active"

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        return [("_sort", "-_lastUpdated"), *([] if self.status == "all" else [("status", "active")])]


NOUN = Noun("insurance", "insurance", "an insurance", Insurances(), InsuranceForm, InsuranceCard, InsuranceWanted)
ENDPOINTS = endpoints(NOUN)
