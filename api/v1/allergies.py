"""Allergies and intolerances of a patient: `/patients/{id}/allergies` of PRODUCT 2.11."""

from __future__ import annotations

from api.v1.chart import ChartListing, Noun, endpoints
from domain.clinic.allergies import AllergyCard, AllergyForm, AllergyStatus, Category
from fhir_mapping.friendly.allergies import Allergies


class AllergiesWanted(ChartListing, frozen=True, kw_only=True):
    """Each filter narrows."""

    category: Category | None = None
    status: AllergyStatus | None = None

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        given = (("category", self.category), ("clinical-status", self.status))
        return [("_sort", "-date"), *((name, value) for name, value in given if value is not None)]


NOUN = Noun("allergies", "allergy", "an allergy", Allergies(), AllergyForm, AllergyCard, AllergiesWanted)
ENDPOINTS = endpoints(NOUN)
