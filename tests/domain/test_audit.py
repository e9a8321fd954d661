"""What an interaction is in the audit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.audit import AuditEntry


@pytest.mark.parametrize(
    ("interaction", "action"),
    [
        ("update", "U"),
        ("erase", "D"),
        ("prescription-create", "C"),
        ("prescription-stop", "U"),
        ("medical-record-history", "R"),
        ("record-note-delete", "D"),
        ("interaction-check", "E"),
        ("transaction", "E"),
    ],
)
def test_the_action_is_that_of_its_name_or_of_its_last_word(interaction: str, action: str) -> None:
    entry = AuditEntry(
        recorded=datetime(2026, 1, 31, tzinfo=UTC),
        interaction=interaction,
        status=200,
        subject="s",
        client="c",
        token_id="t",
        request_id="r",
    )
    assert entry.action == action
