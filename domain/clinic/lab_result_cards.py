"""A laboratory report with its results: https://hl7.org/fhir/R4/diagnosticreport.html

A report groups results that are found and compared one by one. What was final is never just changed: it is corrected.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol, TypeAlias

from msgspec import Meta

from domain.clinic.chart import Code, Moment, Note, Said, Shown, Text
from domain.clinic.vital_signs import Amount, Number
from domain.identity import FhirJson, ResourceKey

ReportStatus: TypeAlias = Literal["registered", "partial", "preliminary", "final"]
Interpretation: TypeAlias = Literal["normal", "low", "high", "abnormal", "critical"]


class Measured(Said, frozen=True, kw_only=True):
    """One result: a `value` with its UCUM `unit`, or a `text`. `low` and `high` bound what is usual; from them follows an
    `interpretation` that is not said."""

    name: Text
    code: Code | None = None
    value: Amount | None = None
    unit: Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^\S+$")] | None = None
    text: Note | None = None
    low: Amount | None = None
    high: Amount | None = None
    interpretation: Interpretation | None = None


class LabReportForm(Said, frozen=True, kw_only=True):
    """What a laboratory reports of a specimen taken at `takenAt`."""

    title: Text
    taken_at: Moment
    results: Annotated[tuple[Measured, ...], Meta(min_length=1, max_length=100)]
    code: Code | None = None
    status: ReportStatus = "final"
    issued_at: Moment | None = None
    conclusion: Note | None = None


class Result(Said, frozen=True, kw_only=True):
    """One result as it stands in the chart: an Observation of this id."""

    id: str
    name: str | None
    code: Code | None
    value: Number | None
    unit: str | None
    text: str | None
    low: Number | None
    high: Number | None
    interpretation: str | None


class LabReportCard(Shown, frozen=True, kw_only=True):
    """A laboratory report as it stands in the chart. Results the reader may not see are left out."""

    title: str | None
    code: Code | None
    status: str
    taken_at: datetime | None
    issued_at: datetime | None
    results: tuple[Result, ...]
    conclusion: str | None
    performers: tuple[str, ...]


class LabRecords(Protocol):
    """Reports to resources and back. Implemented by `fhir_mapping.friendly.lab_results`."""

    def report(
        self,
        said: LabReportForm,
        *,
        patient: str,
        performer: str | None,
        results: Sequence[ResourceKey],
        base: FhirJson | None,
        now: datetime,
    ) -> FhirJson:
        """The DiagnosticReport of these results. Raises `InvalidFields` for a final report that is to be less than that."""
        ...

    def observation(
        self,
        said: Measured,
        report: FhirJson,
        *,
        patient: str,
        performer: str | None,
        place: int,
        base: FhirJson | None,
    ) -> FhirJson:
        """The Observation of one result of `report`, the one at `place`. Raises `InvalidFields` for one without a value."""
        ...

    def from_fhir(
        self, content: FhirJson, results: Sequence[FhirJson], *, version: int, updated: datetime
    ) -> LabReportCard:
        """The card of a report, whoever wrote it, with those of its Observations that are given."""
        ...

    def results(self, content: FhirJson) -> list[ResourceKey]:
        """The Observations of a report, in order."""
        ...

    def withdrawn(self, content: FhirJson) -> FhirJson:
        """A report or a result that was entered in error."""
        ...

    def holds(self, content: FhirJson) -> bool:
        """Whether a DiagnosticReport is of a laboratory, and not withdrawn."""
        ...
