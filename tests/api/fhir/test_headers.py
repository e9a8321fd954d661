"""Request headers: https://hl7.org/fhir/R4/http.html#prefer, #concurrency, #mime-type."""

from datetime import UTC, datetime

import pytest

from api.fhir import headers
from api.fhir.exchange import Exchange, pairs_in
from api.fhir.headers import Preference
from domain.errors import InvalidRequest, NotAcceptable, TooCostly, UnsupportedMedia


def asking(query: str = "", **given: str) -> Exchange:
    return Exchange(
        method="GET",
        path="/Patient/1",
        query=query,
        headers={name.replace("_", "-").encode(): value.encode() for name, value in given.items()},
        base_url="http://x/fhir",
    )


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("return=minimal", Preference("minimal")),
        ("return=representation, handling=strict", Preference("representation", True)),
        ("handling=strict; return=OperationOutcome", Preference("OperationOutcome", True)),
        ("respond-async", Preference()),
        ("return=everything", Preference()),
    ],
)
def test_prefer_is_read_and_what_is_unknown_is_ignored(text: str, wish: Preference) -> None:
    assert headers.preference(asking(prefer=text)) == wish


@pytest.mark.parametrize(
    ("text", "versions"), [('W/"3"', {"3"}), ('"3"', {"3"}), ('W/"1", W/"2"', {"1", "2"}), ("*", {"*"})]
)
def test_if_match_names_versions(text: str, versions: set[str]) -> None:
    assert headers.if_match(asking(if_match=text)) == versions


def test_a_broken_if_match_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        headers.if_match(asking(if_match='W/"3'))


def test_if_none_match_wins_over_if_modified_since() -> None:
    known = headers.known(asking(if_none_match="3", if_modified_since="Fri, 20 Nov 2026 10:00:00 GMT"))
    assert known is not None
    assert (known.versions, known.since) == ({"3"}, None)


def test_an_unreadable_date_is_ignored() -> None:
    assert headers.known(asking(if_modified_since="yesterday")) is None


def test_dates_are_written_as_http_wants() -> None:
    assert headers.http_date(datetime(2026, 11, 20, 10, 0, 0, 5, UTC)) == "Fri, 20 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    "kind", ["application/fhir+json; charset=UTF-8", "application/json", "application/fhir+json; fhirVersion=4.0"]
)
def test_json_bodies_are_read(kind: str) -> None:
    headers.require_json(asking(content_type=kind))


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/fhir+xml",
        "application/fhir+json; fhirVersion=5.0",
        "application/json; charset=latin-1",
    ],
)
def test_other_bodies_are_not(kind: str) -> None:
    with pytest.raises(UnsupportedMedia):
        headers.require_json(asking(content_type=kind))


def test_a_compressed_body_is_not_read() -> None:
    with pytest.raises(UnsupportedMedia):
        headers.require_json(asking(content_type="application/json", content_encoding="gzip"))


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("", "text/html,application/*;q=0.8"),
        ("_format=json", "application/fhir+xml"),
        ("_format=application/fhir%2Bjson", "x/y"),
    ],
)
def test_json_is_an_acceptable_answer(query: str, accept: str) -> None:
    headers.require_json_answer(asking(query, accept=accept))


@pytest.mark.parametrize(("query", "accept"), [("", "application/fhir+xml"), ("_format=xml", "*/*")])
def test_an_answer_in_xml_is_not(query: str, accept: str) -> None:
    with pytest.raises(NotAcceptable):
        headers.require_json_answer(asking(query, accept=accept))


@pytest.mark.parametrize("text", ["a=%ff", "a=%00", "&".join(f"p{n}=1" for n in range(101)), "a=" + "x" * 9000])
def test_a_hopeless_query_is_refused(text: str) -> None:
    with pytest.raises((InvalidRequest, TooCostly)):
        pairs_in(text)


def test_segments_are_decoded_one_by_one() -> None:
    exchange = Exchange(method="GET", path="/Patient/..%2f..%2fmetadata", query="", headers={}, base_url="")
    assert exchange.segments == ("Patient", "../../metadata")
