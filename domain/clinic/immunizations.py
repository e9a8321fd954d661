"""What a patient was vaccinated with: https://hl7.org/fhir/R4/immunization.html"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from domain.clinic.chart import Code, Day, Note, Said, Shown, Text


class ImmunizationForm(Said, frozen=True, kw_only=True):
    """`vaccine` was given on `date`, or was not (`not-done`, with a `reason`). `dose` counts within a series."""

    vaccine: Text
    date: Day
    code: Code | None = None
    status: Literal["completed", "not-done"] = "completed"
    reason: Text | None = None
    lot: Text | None = None
    manufacturer: Text | None = None
    site: Text | None = None
    dose: Annotated[int, Meta(ge=1, le=100)] | None = None
    note: Note | None = None


class ImmunizationCard(Shown, frozen=True, kw_only=True):
    """An immunization as it stands in the chart."""

    vaccine: str | None
    date: Day | None
    code: Code | None
    status: str
    reason: str | None
    lot: str | None
    manufacturer: str | None
    site: str | None
    dose: int | None
    note: str | None
