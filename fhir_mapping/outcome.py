"""Failures and findings as OperationOutcome: https://hl7.org/fhir/R4/operationoutcome.html

The one place that turns an `Issue` into FHIR. An outcome says what the issue says and nothing else: messages were
written without content, keys or tokens (domain/errors.py), and nothing is added here.
"""

from __future__ import annotations

from collections.abc import Iterable

from domain.errors import DomainError, Issue, Severity
from domain.identity import FhirJson


def operation_outcome(issues: Iterable[Issue]) -> FhirJson:
    """One OperationOutcome with the issues in order; no issue at all is stated as such, since `issue` is 1..*.

    The sentence stands in `details.text` and in `diagnostics`: clients show either, few show both.
    """
    rows = [_row(issue, issue.severity) for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": rows or [_row(ALL_OK, ALL_OK.severity)]}


def outcome_of(error: DomainError) -> FhirJson:
    """The OperationOutcome that answers a failed request."""
    return operation_outcome(error.issues)


def advisory(issues: Iterable[Issue]) -> FhirJson:
    """The OperationOutcome for use inside a successful answer: errors are stated as warnings.

    https://hl7.org/fhir/R4/search.html#advisory: the entry in a searchset "SHALL NOT include any issues with a fatal or
    error severity".
    """
    rows = [_row(issue, "information" if issue.severity == "information" else "warning") for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": rows}


ALL_OK = Issue(code="informational", message="All OK", severity="information")


def _row(issue: Issue, severity: Severity) -> FhirJson:
    row: FhirJson = {
        "severity": severity,
        "code": issue.code,
        "details": {"text": issue.message},
        "diagnostics": issue.message,
    }
    if issue.expression is not None:
        row["expression"] = [issue.expression]
    return row
