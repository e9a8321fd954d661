"""What a patient does not tolerate: https://hl7.org/fhir/R4/allergyintolerance.html"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from domain.clinic.chart import Code, Note, Said, Shown, Text

Category: TypeAlias = Literal["food", "medication", "environment", "biologic"]
Criticality: TypeAlias = Literal["low", "high", "unable-to-assess"]
AllergyStatus: TypeAlias = Literal["active", "inactive", "resolved"]
Certainty: TypeAlias = Literal["unconfirmed", "confirmed", "refuted", "entered-in-error"]


class Reaction(Said, frozen=True, kw_only=True):
    """What happened: `{"manifestation": "Hives", "severity": "moderate"}`."""

    manifestation: Text
    severity: Literal["mild", "moderate", "severe"] | None = None


class AllergyForm(Said, frozen=True, kw_only=True):
    """`substance` is what is not tolerated, `code` its code where one is known."""

    substance: Text
    code: Code | None = None
    category: Category | None = None
    criticality: Criticality | None = None
    status: AllergyStatus = "active"
    certainty: Certainty = "confirmed"
    onset: date | None = None
    reactions: Annotated[tuple[Reaction, ...], Meta(max_length=20)] = ()
    note: Note | None = None


class AllergyCard(Shown, frozen=True, kw_only=True):
    """An allergy or intolerance as it stands in the chart."""

    substance: str | None
    code: Code | None
    category: str | None
    criticality: str | None
    status: str | None
    certainty: str | None
    onset: date | None
    reactions: tuple[Reaction, ...]
    note: str | None
    recorded_at: datetime | None
    author: str | None
