"""Immunizations of a patient: `/patients/{id}/immunizations` of PRODUCT 2.11."""

from __future__ import annotations

from msgspec import field

from api.v1.chart import ChartListing, Noun, endpoints
from domain.clinic.chart import Day
from domain.clinic.immunizations import ImmunizationCard, ImmunizationForm
from fhir_mapping.friendly.immunizations import Immunizations


class ImmunizationsWanted(ChartListing, frozen=True, kw_only=True):
    """`from` is included, `to` is not."""

    since: Day | None = field(name="from", default=None)
    until: Day | None = field(name="to", default=None)

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        given = (("ge", self.since), ("lt", self.until))
        return [("_sort", "-date"), *(("date", f"{sign}{day}") for sign, day in given if day is not None)]


NOUN = Noun(
    "immunizations", "immunization", "an immunization", Immunizations(),
    ImmunizationForm, ImmunizationCard, ImmunizationsWanted,
)  # fmt: skip
ENDPOINTS = endpoints(NOUN)
