"""Who pays for a patient: https://hl7.org/fhir/R4/coverage.html

A coverage that was claimed against is never deleted: taking it back cancels it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from domain.clinic.chart import Said, Shown, Text


class InsuranceForm(Said, frozen=True, kw_only=True):
    """`provider` is the insurer's name, or `providerId` its Organization; `coverageDetails` what is covered (`Gold`)."""

    provider: Text | None = None
    provider_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")] | None = None
    policy_number: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
    coverage_details: Text | None = None
    group: Text | None = None
    relationship: Literal["self", "spouse", "child", "parent", "other"] = "self"
    valid_from: date | None = None
    valid_to: date | None = None


class InsuranceCard(Shown, frozen=True, kw_only=True):
    """An insurance as it stands in the chart."""

    provider: str | None
    provider_id: str | None
    policy_number: str | None
    coverage_details: str | None
    group: str | None
    relationship: str | None
    status: str
    valid_from: date | None
    valid_to: date | None
