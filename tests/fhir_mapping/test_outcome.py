"""https://hl7.org/fhir/R4/operationoutcome.html"""

from __future__ import annotations

from domain.errors import InvalidContent, Issue, NotFound
from fhir_mapping.outcome import advisory, operation_outcome, outcome_of


def test_a_failure_is_told_with_code_sentence_and_place() -> None:
    outcome = outcome_of(InvalidContent("Not a date", code="value", expression="Patient.birthDate"))
    assert outcome == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "value",
                "details": {"text": "Not a date"},
                "diagnostics": "Not a date",
                "expression": ["Patient.birthDate"],
            }
        ],
    }


def test_every_issue_of_a_failure_is_told_in_order() -> None:
    issues = [Issue("required", "one", "A.b"), Issue("value", "two", severity="warning")]
    rows = outcome_of(InvalidContent("two problems", issues=issues))["issue"]
    assert [(row["code"], row["severity"]) for row in rows] == [("required", "error"), ("value", "warning")]
    assert "expression" not in rows[1]


def test_nothing_to_say_is_said_since_an_outcome_has_an_issue() -> None:
    (row,) = operation_outcome([])["issue"]
    assert (row["severity"], row["code"]) == ("information", "informational")


def test_inside_a_successful_answer_no_issue_is_an_error() -> None:
    issues = [*NotFound("x").issues, Issue("informational", "y", severity="information")]
    assert [row["severity"] for row in advisory(issues)["issue"]] == ["warning", "information"]
