"""What a patient has or had: the problem list. https://hl7.org/fhir/R4/condition.html"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from domain.clinic.chart import Code, Note, Said, Shown, Text

ProblemStatus: TypeAlias = Literal["active", "recurrence", "relapse", "inactive", "remission", "resolved"]
ProblemCertainty: TypeAlias = Literal[
    "unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"
]
ENDED = frozenset({"inactive", "remission", "resolved"})


class ProblemForm(Said, frozen=True, kw_only=True):
    """`text` is what it is called, `code` its code where one is known. Only what is over has an `abatement`."""

    text: Text
    code: Code | None = None
    status: ProblemStatus = "active"
    certainty: ProblemCertainty = "confirmed"
    severity: Literal["mild", "moderate", "severe"] | None = None
    onset: date | None = None
    abatement: date | None = None
    note: Note | None = None


class ProblemCard(Shown, frozen=True, kw_only=True):
    """A problem as it stands in the chart."""

    text: str | None
    code: Code | None
    status: str | None
    certainty: str | None
    severity: str | None
    onset: date | None
    abatement: date | None
    note: str | None
    recorded_at: datetime | None
    author: str | None
