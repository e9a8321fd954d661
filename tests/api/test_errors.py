"""The status table: complete, and as https://hl7.org/fhir/R4/http.html#Status-Codes says."""

import pytest

from api.errors import HTTP_STATUS, headers_of, status_of
from domain import errors


def every(kind: type[errors.DomainError]) -> set[type[errors.DomainError]]:
    return {kind} | {
        name for child in kind.__subclasses__() if child.__module__ == "domain.errors" for name in every(child)
    }


def test_every_failure_has_a_status() -> None:
    assert set(HTTP_STATUS) == every(errors.DomainError)


def test_the_tree_in_the_docstring_names_every_failure() -> None:
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in every(errors.DomainError) if kind.__name__ not in drawn] == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.Gone("x"), 410),
        (errors.NotFound("x"), 404),
        (errors.VersionConflict("x"), 412),
        (errors.AmbiguousMatch("x"), 412),
        (errors.OutcomeUnknown("x"), 503),
    ],
)
def test_statuses_follow_the_specification(error: errors.DomainError, status: int) -> None:
    assert status_of(error) == status


def test_a_subclass_takes_the_status_of_its_nearest_base() -> None:
    class Special(errors.Gone):
        pass

    assert status_of(Special("x")) == 410


def test_a_401_carries_a_challenge() -> None:
    assert headers_of(errors.Unauthenticated("x"))["www-authenticate"].startswith("Bearer")


def test_a_failure_without_issues_makes_one_of_its_own() -> None:
    [issue] = errors.NotFound("There is no Patient/1", expression="Patient.id").issues
    assert (issue.code, issue.message, issue.expression) == ("not-found", "There is no Patient/1", "Patient.id")
