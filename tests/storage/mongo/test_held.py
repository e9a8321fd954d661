"""Conditions translated once: by the very object and the type, and only what a head decides."""

from __future__ import annotations

import pytest

from domain.search import AnyOf, AnyTerm, Condition, IdIn, NoneOf, PatientIn
from storage.crypto.keys import Keyring
from storage.mongo import held
from storage.mongo.clauses import clause
from storage.mongo.held import part_of

PANEL = PatientIn(frozenset({"a", "b"}))
CONDITIONS: tuple[Condition, ...] = (PANEL, NoneOf((PANEL,)), AnyOf((PANEL, IdIn(("1",)))), IdIn(("1",)))


async def test_what_is_kept_is_what_would_be_made_anew(keyring: Keyring) -> None:
    tokens = keyring.service.tokens
    for kind in ("Observation", "Patient", "Observation"):
        for condition in CONDITIONS:
            part = part_of(condition, kind, tokens)
            assert part.clause == clause(condition, kind, tokens, leads=False)
            assert part.condition is condition
            assert part.allows is not None
    assert part_of(PANEL, "Observation", tokens) is part_of(PANEL, "Observation", tokens)


async def test_what_needs_the_index_is_not_kept_nor_decided_here(keyring: Keyring) -> None:
    terms = AnyOf((AnyTerm(("code||x",)), PANEL))
    one, other = (part_of(terms, "Observation", keyring.service.tokens) for _ in range(2))
    assert one.allows is other.allows is None
    assert one is not other


async def test_no_more_is_kept_than_said(keyring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_MOST", 3)
    held._kept.clear()
    conditions = [PatientIn(frozenset({str(number)})) for number in range(10)]
    for condition in conditions:
        found = part_of(condition, "Observation", keyring.service.tokens)
        assert found.clause == clause(condition, "Observation", keyring.service.tokens, leads=False)
    assert len(held._kept) == 3
