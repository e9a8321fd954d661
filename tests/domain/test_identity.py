"""Ids, references, versions, entity tags: https://hl7.org/fhir/R4/datatypes.html#id, https://hl7.org/fhir/R4/references.html#literal."""

import pytest

from domain.errors import InvalidRequest
from domain.identity import Reference, ResourceKey, parse_etags, parse_id, parse_reference, parse_version


@pytest.mark.parametrize("text", ["a", "A-1.b", "x" * 64])
def test_an_id_is_taken(text: str) -> None:
    assert parse_id(text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a_b", "a/b", "é", "a\n"])
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_id(text)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Patient/1", Reference(ResourceKey("Patient", "1"))),
        ("Patient/1/_history/2", Reference(ResourceKey("Patient", "1"), "2")),
        ("https://a.b/c/Patient/1", Reference(ResourceKey("Patient", "1"), None, "https://a.b/c")),
    ],
)
def test_literal_references_are_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["#x", "urn:uuid:1", "Patient?identifier=1", "Patient", "patient/1", "Patient/1/2", "ftp://a/Patient/1"]
)
def test_other_references_are_not_literal(text: str) -> None:
    assert parse_reference(text) is None


@pytest.mark.parametrize(
    ("text", "version"), [("1", 1), ("27", 27), ("0", None), ("01", None), ("x", None), ("١", None), ("9" * 10, None)]
)
def test_versions_count_in_decimal(text: str, version: int | None) -> None:
    assert parse_version(text) == version


def test_entity_tags_may_be_a_list() -> None:
    assert parse_etags('W/"1", "2",3') == {"1", "2", "3"}
