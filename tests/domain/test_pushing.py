"""Which writes ask for a provider to be told: updates of what came from one, and of patients who are connected."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.audit import AuditEntry
from domain.identity import ResourceKey
from domain.pushing import PUSH, pushes
from domain.revision import Change, Description, Head, Stored, Write, next_revision, tombstone

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TAKEN = "0b0c9a3e-7d1f-8a52-9c3e-5d2f6b7a8c9d"
OWN = "019a1fa3-4fb8-7123-8abc-0123456789ab"
CONNECTED = {"generalPractitioner": [{"reference": f"Organization/provider-{'0' * 32}"}]}


def write(
    content: dict[str, Any],
    *,
    name: str = TAKEN,
    old: bool = True,
    interaction: str = "update",
    patient: str | None = "1",
) -> Write:
    key = ResourceKey(content["resourceType"], name)
    base = Stored(Head(key, 4, "PUT", NOW, patient)) if old else None
    revision = next_revision(key, content, method="PUT", base=base, now=NOW)
    audit = AuditEntry(
        recorded=NOW, interaction=interaction, status=200, subject="a1", client="c", token_id="t",
        request_id="r", roles=("DOCTOR",),
    )  # fmt: skip
    return Write((Change(revision, Description(patient=patient), base),), audit)


@pytest.mark.parametrize(
    ("content", "given", "asks"),
    [
        ({"resourceType": "Observation"}, {}, True),
        ({"resourceType": "Observation"}, {"old": False}, False),
        ({"resourceType": "Observation"}, {"interaction": "provider-sync"}, False),
        ({"resourceType": "Observation"}, {"patient": None}, False),
        ({"resourceType": "Observation"}, {"name": OWN}, False),
        ({"resourceType": "Observation"}, {"name": "1"}, False),
        ({"resourceType": "Patient", **CONNECTED}, {}, True),
        ({"resourceType": "Patient", **CONNECTED}, {"interaction": "provider-connection-update"}, True),
        ({"resourceType": "Patient", "generalPractitioner": [{"reference": "Organization/1"}]}, {}, False),
        ({"resourceType": "Patient"}, {}, False),
    ],
)
def test_an_update_of_what_a_provider_has_too_asks(content: dict[str, Any], given: dict[str, Any], asks: bool) -> None:
    found = pushes(write(content, **given))
    assert [each.kind for each in found] == ([PUSH] if asks else [])
    for each in found:
        assert (each.recipients, each.patient, each.values) == ((), "1", {"version": "5", "by": "a1"})


def test_a_deletion_asks_for_nothing() -> None:
    asked = write({"resourceType": "Observation"})
    base = asked.changes[0].base
    assert base is not None
    gone = Change(tombstone(base.head.key, base=base, now=NOW), None, base)
    assert pushes(Write((gone,), asked.audit)) == ()
