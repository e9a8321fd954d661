"""Versions: stamping, order in time, sameness."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from domain.identity import ResourceKey
from domain.revision import Claim, Head, Stored, instant, next_recorded, next_revision, same_content, stamped, tombstone

KEY = ResourceKey("Patient", "1")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def stored(version: int = 1, recorded: datetime = NOW) -> Stored:
    return Stored(Head(KEY, version, "PUT", recorded))


def test_the_first_version_is_1_and_the_next_one_more() -> None:
    assert next_revision(KEY, {}, method="POST", base=None, now=NOW).version == 1
    assert next_revision(KEY, {}, method="PUT", base=stored(4), now=NOW).version == 5
    assert tombstone(KEY, base=stored(4), now=NOW).version == 5


def test_time_is_kept_in_milliseconds() -> None:
    assert next_recorded(NOW, None) == NOW.replace(microsecond=678000)
    assert instant(NOW) == "2026-01-02T03:04:05.678Z"


def test_a_clock_that_jumps_back_does_not_reorder_versions() -> None:
    base = stored(recorded=NOW.replace(microsecond=678000))
    assert next_recorded(NOW - timedelta(hours=1), base) == base.head.recorded + timedelta(milliseconds=1)


def test_id_and_version_are_the_servers_and_everything_else_is_kept() -> None:
    content = {
        "resourceType": "Patient",
        "meta": {"versionId": "99", "profile": ["p"], "lastUpdated": "x"},
        "id": "other",
        "weight": Decimal("1.00"),
        "active": False,
    }
    body = stamped(content, key=KEY, version=3, recorded=NOW)
    assert body == (
        b'{"resourceType":"Patient","id":"1","meta":{"versionId":"3","lastUpdated":"2026-01-02T03:04:05.678Z",'
        b'"profile":["p"]},"weight":1.00,"active":false}'
    )


@pytest.mark.parametrize(
    ("change", "same"), [({}, True), ({"value": Decimal("1.0")}, False), ({"meta": {"versionId": "7"}}, True)]
)
def test_content_is_the_same_only_when_every_digit_is(change: dict[str, object], same: bool) -> None:
    content = {"resourceType": "Patient", "value": Decimal("1.00")}
    base = stored()
    opened = stamped(content, key=KEY, version=1, recorded=base.head.recorded)
    assert same_content({**content, **change}, base, opened) is same


def test_no_content_appears_in_a_repr() -> None:
    revision = next_revision(KEY, {"name": "Zelenka"}, method="POST", base=None, now=NOW)
    assert "Zelenka" not in repr(revision) + repr(Claim("Patient?name=Zelenka", 0))
    assert b"Zelenka" in (revision.content or b"")
    assert msgspec.structs.asdict(revision)["version"] == 1
