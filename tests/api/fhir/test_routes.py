"""The route table: https://hl7.org/fhir/R4/http.html#summary."""

import pytest

from api.fhir.routes import MethodMissing, find, shape_of
from domain.errors import NotFound

TYPES = frozenset({"Patient", "Observation"})


@pytest.mark.parametrize(
    ("method", "path", "interaction"),
    [
        ("POST", "", "transaction"),
        ("GET", "metadata", "capabilities"),
        ("GET", "_history", "history-system"),
        ("GET", "", "search-system"),
        ("POST", "_search", "search-system"),
        ("GET", "Patient", "search-type"),
        ("GET", "Patient/1/Observation", "search-type"),
        ("GET", "Patient/1/*", "search-type"),
        ("POST", "Patient/1/Observation/_search", "search-type"),
        ("POST", "Patient/_search", "search-type"),
        ("POST", "Patient", "create"),
        ("PUT", "Patient", "update"),
        ("HEAD", "Patient/1", "read"),
        ("PATCH", "Patient/1", "patch"),
        ("GET", "Patient/1/_history", "history-instance"),
        ("GET", "Patient/1/_history/2", "vread"),
        ("POST", "Patient/$validate", "operation"),
        ("POST", "Patient/1/$validate", "operation"),
    ],
)
def test_a_request_finds_its_interaction(method: str, path: str, interaction: str) -> None:
    assert find(method, tuple(path.split("/")) if path else (), TYPES).interaction == interaction


@pytest.mark.parametrize(
    "path", ["Patients", "Patient/1/_history/2/3", "$export", "_searches", "Patient/1/$x", "__proto__"]
)
def test_an_unknown_address_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        find("GET", tuple(path.split("/")), TYPES)


def test_a_known_address_names_the_methods_it_has() -> None:
    with pytest.raises(MethodMissing) as missing:
        find("POST", ("Patient", "1"), TYPES)
    assert missing.value.allowed == ("GET", "PUT", "PATCH", "DELETE")


def test_shapes_name_segments() -> None:
    assert shape_of(("Patient", "1", "_history", "3")) == "{type}/{id}/_history/{version}"
