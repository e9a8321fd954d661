"""Transactions as a value: https://hl7.org/fhir/R4/http.html#trules."""

import base64

import msgspec
import pytest

from domain.errors import Forbidden, InvalidRequest
from domain.identity import ResourceKey
from domain.interactions.entries import Entry, at_entry, relative_url, write_target
from domain.interactions.parts import Occasion, Parts, Retryable
from domain.interactions.read import read
from domain.interactions.transaction import transaction
from domain.interactions.update import update
from storage.memory.audit import MemoryAuditTrail

BASE = "http://x/fhir"
encode = msgspec.json.encode


def post(resource: dict[str, object], full_url: str | None = None, condition: str | None = None) -> Entry:
    return Entry("POST", str(resource["resourceType"]), full_url, encode(resource), condition)


async def test_a_transaction_is_one_audit_entry_that_names_everything(parts: Parts, asked: Occasion) -> None:
    entries = [post({"resourceType": "Patient"}), post({"resourceType": "Organization", "name": "x"})]
    await transaction(parts, asked, entries, BASE)
    assert isinstance(parts.trail, MemoryAuditTrail)
    [entry] = parts.trail.entries
    assert entry.targets == ("Patient/new-1/1", "Organization/new-2/1")
    assert entry.patients == ("new-1",)


async def test_answers_keep_the_order_of_the_entries(parts: Parts, asked: Occasion) -> None:
    await update(parts, asked, ResourceKey("Patient", "p1"), {"resourceType": "Patient", "id": "p1"})
    entries = [
        Entry("GET", "Patient/p1"),
        Entry("PUT", "Patient/p2", None, encode({"resourceType": "Patient", "id": "p2"})),
        Entry("DELETE", "Patient/p1"),
    ]
    answers = await transaction(parts, asked, entries, BASE)
    assert [answer.status if answer else None for answer in answers] == [None, 201, 204]


async def test_a_repeated_transaction_is_answered_from_its_receipt(parts: Parts, asked: Occasion) -> None:
    once = Occasion(asked.caller, "r", "transaction", retryable=Retryable("k", b"f"))
    entries = [Entry("GET", "Patient"), post({"resourceType": "Patient"})]
    first = await transaction(parts, once, entries, BASE)
    again = await transaction(parts, once, entries, BASE)
    assert first[0] is again[0] is None
    assert first[1] is not None
    assert again[1] is not None
    assert first[1].head == again[1].head


async def test_a_right_that_is_missing_for_one_entry_stops_all(parts: Parts, asked: Occasion) -> None:
    limited = Occasion(type(asked.caller)("ann", "app", "t", {"Patient": frozenset("cruds")}), "r", "transaction")
    with pytest.raises(Forbidden):
        await transaction(parts, limited, [post({"resourceType": "Patient"}), post({"resourceType": "Basic"})], BASE)
    assert await parts.store.newest(ResourceKey("Patient", "new-1")) is None


async def test_identical_content_makes_no_version_in_a_transaction(parts: Parts, asked: Occasion) -> None:
    key = ResourceKey("Patient", "p1")
    await update(parts, asked, key, {"resourceType": "Patient", "id": "p1"})
    [answer] = await transaction(
        parts, asked, [Entry("PUT", "Patient/p1", None, encode({"resourceType": "Patient", "id": "p1"}))], BASE
    )
    assert answer is not None
    assert answer.status == 200
    assert (await read(parts, asked, key)).targets == ("Patient/p1/1",)


@pytest.mark.parametrize(
    ("url", "relative"),
    [("Patient/1", "Patient/1"), ("/Patient/1", "Patient/1"), ("http://x/fhir/Patient/1", "Patient/1")],
)
def test_urls_are_relative_to_the_base(url: str, relative: str) -> None:
    assert relative_url(url, BASE) == relative


def test_a_url_of_another_server_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        relative_url("https://elsewhere/fhir/Patient/1", BASE)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", "Patient/1"),
        ("POST", "Patient?a=b"),
        ("PUT", "Patient"),
        ("DELETE", "Patient/1/_history/2"),
        ("PUT", "Patient/a_b"),
    ],
)
def test_a_url_that_fits_no_write_is_refused(method: str, url: str) -> None:
    with pytest.raises(InvalidRequest):
        write_target(Entry(method, url), BASE)


@pytest.mark.parametrize(
    ("expression", "placed"),
    [
        (None, "Bundle.entry[3]"),
        ("Patient.gender", "Bundle.entry[3].resource.gender"),
        ("Patient", "Bundle.entry[3].resource"),
        ("Bundle.entry[1].x", "Bundle.entry[1].x"),
    ],
)
def test_a_failure_points_at_its_entry(expression: str | None, placed: str) -> None:
    with pytest.raises(InvalidRequest) as refused, at_entry(3):
        raise InvalidRequest("no", expression=expression)
    assert refused.value.issues[0].expression == placed


async def test_the_words_of_short_notes_are_read_without_fetching_them_again(parts: Parts, asked: Occasion) -> None:
    note = base64.b64encode(b"Pityriasis rosea, no treatment").decode()
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": note}}],
    }
    entries = [post(document) for _ in range(3)]

    async def refused(*_: object) -> None:
        raise AssertionError("what has just arrived was fetched again")

    parts.blobs.open = refused  # type: ignore[method-assign, assignment]
    answers = await transaction(parts, asked, entries, BASE)
    made = [answer.head.key for answer in answers if answer is not None and answer.head is not None]
    stored = await parts.store.newest_of(made)
    words = await parts.store.found([each for each in stored if each is not None])
    assert len(words) == 3
    assert all({"pityriasis", "rosea"} <= found for found in words)
