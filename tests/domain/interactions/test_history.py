"""History when a patient was erased."""

from __future__ import annotations

import pytest

from domain.errors import Gone
from domain.history_query import HistoryQuery
from domain.identity import ResourceKey
from domain.interactions.history import history
from domain.interactions.parts import Occasion, Parts
from domain.interactions.update import update
from storage.memory.revisions import MemoryRevisionStore

ERASED, OTHER = ResourceKey("Patient", "p1"), ResourceKey("Patient", "p2")


async def test_the_history_of_an_erased_patient_is_gone_and_that_of_all_patients_is_not(
    parts: Parts, asked: Occasion
) -> None:
    for key in (ERASED, OTHER):
        for active in (True, False):
            await update(parts, asked, key, {"resourceType": "Patient", "id": key.id, "active": active})
    assert len((await history(parts, asked, HistoryQuery(key=ERASED))).contents) == 2
    assert isinstance(parts.store, MemoryRevisionStore)
    parts.store.erase("p1")
    with pytest.raises(Gone):
        await history(parts, asked, HistoryQuery(key=ERASED))
    of_all = await history(parts, asked, HistoryQuery(type="Patient"))
    assert [isinstance(content, bytes) for content in of_all.contents] == [True, True, False, False]
    assert len((await history(parts, asked, HistoryQuery(key=OTHER))).contents) == 2
