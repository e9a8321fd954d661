"""Vital signs of a patient: `/patients/{id}/vital-signs` of PRODUCT 2.11."""

from __future__ import annotations

from msgspec import field

from api.v1.chart import ChartListing, Noun, endpoints
from domain.clinic.chart import Moment
from domain.clinic.vital_signs import SIGNS, Kind, VitalSignCard, VitalSignForm
from domain.revision import instant
from fhir_mapping.friendly.elements import LOINC
from fhir_mapping.friendly.vital_signs import CATEGORY, VitalSigns


class VitalSignsWanted(ChartListing, frozen=True, kw_only=True):
    """Each filter narrows. `from` is included, `to` is not."""

    type: Kind | None = None
    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)

    def pairs(self) -> list[tuple[str, str]]:
        """See `ChartListing.pairs`."""
        found = [("_sort", "-date"), ("category", f"{CATEGORY}|vital-signs")]
        found += [] if self.type is None else [("code", f"{LOINC}|{SIGNS[self.type].loinc}")]
        given = (("ge", self.since), ("lt", self.until))
        return [*found, *(("date", f"{sign}{instant(moment)}") for sign, moment in given if moment is not None)]


NOUN = Noun("vital-signs", "vital-sign", "a vital sign", VitalSigns(), VitalSignForm, VitalSignCard, VitalSignsWanted)
ENDPOINTS = endpoints(NOUN)
