"""What every `RevisionStore` does. Inherit it and provide the fixtures `store` and `erase`.

https://hl7.org/fhir/R4/http.html#versions, https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from domain.cells import Cell, Held
from domain.errors import Contention, DomainError, Gone, VersionConflict
from domain.history_query import HistoryKey, HistoryQuery
from domain.identity import ResourceKey
from domain.ports import RevisionStore
from domain.revision import Claim, Receipt, Stored
from domain.search import PatientIn
from tests.contracts.writes import at, change, deletion, new_key, write

Erase = Callable[[str], Awaitable[None]]


async def create(store: RevisionStore, key: ResourceKey, **details: object) -> Stored:
    await store.commit(write(change(key, **details)))  # type: ignore[arg-type]
    return await found(store, key)


async def update(store: RevisionStore, key: ResourceKey, **details: object) -> Stored:
    await store.commit(write(change(key, await store.newest(key), **details)))  # type: ignore[arg-type]
    return await found(store, key)


async def found(store: RevisionStore, key: ResourceKey) -> Stored:
    stored = await store.newest(key)
    assert stored is not None
    return stored


async def text_of(store: RevisionStore, stored: Stored) -> str:
    (opened,) = await store.open([stored])
    assert isinstance(opened, bytes), opened
    return str(msgspec.json.decode(opened)["text"])


async def outcomes(*attempts: Awaitable[None]) -> list[type[BaseException] | None]:
    results = await asyncio.gather(*attempts, return_exceptions=True)
    return [None if result is None else type(result) for result in results]


class VersionsContract:
    """Versions, conflicts, opening."""

    async def test_what_was_committed_is_the_newest_and_opens_to_the_same_bytes(self, store: RevisionStore) -> None:
        key = new_key()
        one = change(key, patient="p1", labels=("R",))
        await store.commit(write(one))
        stored = await found(store, key)
        assert stored.head.key == key
        assert (stored.head.version, stored.head.method, stored.head.deleted) == (1, "POST", False)
        assert (stored.head.recorded, stored.head.patient) == (one.revision.recorded, "p1")
        assert stored.head.labels == ("R",)
        assert await store.open([stored]) == [one.revision.content]

    async def test_an_unknown_resource_has_no_newest_and_no_version(self, store: RevisionStore) -> None:
        assert await store.newest(new_key()) is None
        assert await store.version(new_key(), 1) is None

    async def test_every_version_stays_readable(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key, text="one")
        await update(store, key, text="two")
        await update(store, key, text="three")
        versions = [await store.version(key, number) for number in (1, 2, 3)]
        assert [await text_of(store, one) for one in versions if one] == ["one", "two", "three"]
        assert await store.version(key, 4) is None

    async def test_a_version_read_from_the_history_can_be_the_base_of_the_next(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key)
        base = await store.version(key, 1)
        await store.commit(write(change(key, base, text="two")))
        assert (await found(store, key)).head.version == 2

    async def test_newest_of_keeps_the_order_and_repetitions_of_the_question(self, store: RevisionStore) -> None:
        first, second = new_key(), new_key()
        await create(store, first)
        await create(store, second)
        asked = [second, new_key(), first, second]
        names = [one and one.head.key for one in await store.newest_of(asked)]
        assert names == [second, None, first, second]
        assert await store.newest_of([]) == []

    async def test_a_deletion_is_a_version_and_keeps_the_older_ones(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key, text="one", patient="p1", labels=("R",))
        await store.commit(write(deletion(key, await found(store, key))))
        newest = await found(store, key)
        assert (newest.head.version, newest.head.method, newest.head.deleted) == (2, "DELETE", True)
        assert (newest.head.patient, newest.head.labels, newest.head.erased) == ("p1", ("R",), False)
        (opened,) = await store.open([newest])
        assert isinstance(opened, Gone)
        first = await store.version(key, 1)
        assert first is not None
        assert await text_of(store, first) == "one"
        gone = await store.version(key, 2)
        assert gone is not None
        assert gone.head.deleted

    async def test_a_deleted_resource_can_be_written_again_as_the_next_version(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key)
        await store.commit(write(deletion(key, await found(store, key))))
        again = await update(store, key, text="back")
        assert (again.head.version, again.head.deleted) == (3, False)
        assert await text_of(store, again) == "back"

    async def test_creating_what_exists_is_a_conflict(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key, text="mine")
        with pytest.raises(VersionConflict, match=str(key)):
            await store.commit(write(change(key, text="yours")))
        assert await text_of(store, await found(store, key)) == "mine"

    async def test_a_stale_base_is_a_conflict(self, store: RevisionStore) -> None:
        key = new_key()
        base = await create(store, key)
        await update(store, key, text="two")
        with pytest.raises(VersionConflict):
            await store.commit(write(change(key, base, text="late")))
        with pytest.raises(VersionConflict):
            await store.commit(write(deletion(key, base)))
        assert await text_of(store, await found(store, key)) == "two"

    async def test_a_resource_cannot_be_written_twice_by_one_request(self, store: RevisionStore) -> None:
        key = new_key()
        with pytest.raises(VersionConflict):
            await store.commit(write(change(key), change(key)))
        assert await store.newest(key) is None

    async def test_of_fifty_updates_of_one_version_one_is_stored(self, store: RevisionStore) -> None:
        key = new_key()
        base = await create(store, key)
        results = await outcomes(*(store.commit(write(change(key, base, text=str(n)))) for n in range(50)))
        assert results.count(None) == 1
        assert results.count(VersionConflict) == 49
        assert (await found(store, key)).head.version == 2

    async def test_of_fifty_creations_of_one_id_one_is_stored(self, store: RevisionStore) -> None:
        key = new_key()
        results = await outcomes(*(store.commit(write(change(key, text=str(n)))) for n in range(50)))
        assert results.count(None) == 1
        assert results.count(VersionConflict) == 49

    async def test_fifty_writers_that_try_again_make_fifty_contiguous_versions(self, store: RevisionStore) -> None:
        key = new_key()
        await create(store, key)

        async def insist(number: int) -> None:
            while True:
                try:
                    await update(store, key, text=str(number))
                except VersionConflict:
                    continue
                return

        await asyncio.gather(*(insist(number) for number in range(50)))
        assert (await found(store, key)).head.version == 51
        versions = [await store.version(key, number) for number in range(2, 52)]
        texts = [await text_of(store, one) for one in versions if one]
        assert sorted(texts, key=int) == [str(number) for number in range(50)]
        times = [one.head.recorded for one in versions if one]
        assert times == sorted(set(times))

    async def test_a_write_of_many_changes_is_stored_whole_or_not_at_all(self, store: RevisionStore) -> None:
        taken, others = new_key(), [new_key() for _ in range(20)]
        await create(store, taken)
        with pytest.raises(VersionConflict):
            await store.commit(write(*(change(key) for key in others), change(taken)))
        assert await store.newest_of(others) == [None] * 20
        await store.commit(write(*(change(key) for key in others)))
        assert None not in await store.newest_of(others)

    async def test_a_failing_write_takes_no_other_with_it(self, store: RevisionStore) -> None:
        taken, free = new_key(), [new_key() for _ in range(30)]
        await create(store, taken)
        late = [store.commit(write(change(taken), change(new_key()))) for _ in range(10)]
        results = await outcomes(*late, *(store.commit(write(change(key))) for key in free))
        assert results == [VersionConflict] * 10 + [None] * 30
        assert None not in await store.newest_of(free)

    async def test_two_thousand_changes_are_one_write(self, store: RevisionStore) -> None:
        keys = [new_key() for _ in range(2_000)]
        await store.commit(write(*(change(key, patient="p2000") for key in keys)))
        stored = [one for one in await store.newest_of(keys) if one]
        assert len(stored) == 2_000
        assert all(isinstance(one, bytes) for one in await store.open(stored))

    async def test_a_write_without_changes_is_accepted(self, store: RevisionStore) -> None:
        name = f"caller|{new_key()}"
        await store.commit(write(receipt=Receipt(name, b"f" * 32, ((200, ""),))))
        assert await store.receipt(name) is not None

    async def test_an_erased_patient_opens_to_gone_and_the_others_on_the_page_open(
        self, store: RevisionStore, erase: Erase
    ) -> None:
        lost, kept = new_key(), new_key()
        old = await create(store, lost, patient=lost.id)
        page = [old, await create(store, kept, patient=kept.id)]
        await erase(lost.id)
        gone, opened = await store.open(page)
        assert isinstance(gone, Gone)
        assert isinstance(opened, bytes)
        (again,) = await store.open([await found(store, lost)])
        assert isinstance(again, Gone)
        version = await store.version(lost, 1)
        assert version is not None
        assert isinstance((await store.open([version]))[0], Gone)

    async def test_nothing_is_written_for_an_erased_patient(self, store: RevisionStore, erase: Erase) -> None:
        key, other = new_key("Patient"), new_key()
        await create(store, key, patient=key.id)
        await erase(key.id)
        late = new_key()
        results = await outcomes(
            store.commit(write(change(late, patient=key.id), change(new_key()))),
            store.commit(write(change(other))),
        )
        assert results == [Gone, None]
        assert await store.newest(late) is None


class ConditionsContract:
    """Claims and receipts."""

    async def test_a_condition_nobody_relied_on_counts_zero(self, store: RevisionStore) -> None:
        assert await store.claim([f"a{new_key()}", f"b{new_key()}"]) == [0, 0]

    async def test_every_write_that_relies_on_a_condition_changes_its_count(self, store: RevisionStore) -> None:
        name = f"Patient?identifier={new_key()}"
        seen = []
        for _ in range(4):
            (count,) = await store.claim([name])
            seen.append(count)
            await store.commit(write(change(new_key()), claims=(Claim(name, count),)))
        assert seen == sorted(set(seen))

    async def test_a_claim_that_was_overtaken_stores_nothing(self, store: RevisionStore) -> None:
        name, late = f"Patient?identifier={new_key()}", new_key()
        await store.commit(write(change(new_key()), claims=(Claim(name, 0),)))
        with pytest.raises(Contention):
            await store.commit(write(change(late), claims=(Claim(name, 0),)))
        assert await store.newest(late) is None

    async def test_of_fifty_conditional_creates_one_wins(self, store: RevisionStore) -> None:
        name, keys = f"Patient?identifier={new_key()}", [new_key() for _ in range(50)]
        (seen,) = await store.claim([name])
        results = await outcomes(*(store.commit(write(change(key), claims=(Claim(name, seen),))) for key in keys))
        assert results.count(None) == 1
        assert results.count(Contention) == 49
        assert sum(one is not None for one in await store.newest_of(keys)) == 1

    async def test_a_receipt_comes_back_as_it_was_kept(self, store: RevisionStore) -> None:
        receipt = Receipt(f"caller|{new_key()}", b"\x01" * 32, ((201, "Observation/1/1"), (204, "")))
        assert await store.receipt(receipt.name) is None
        await store.commit(write(change(new_key()), receipt=receipt))
        assert await store.receipt(receipt.name) == receipt

    async def test_one_key_makes_one_write_however_often_it_is_sent(self, store: RevisionStore) -> None:
        name, keys = f"caller|{new_key()}", [new_key() for _ in range(20)]
        results = await outcomes(
            *(store.commit(write(change(key), receipt=Receipt(name, b"f", ((201, ""),)))) for key in keys)
        )
        assert results.count(None) == 1
        assert results.count(Contention) == 19
        assert sum(one is not None for one in await store.newest_of(keys)) == 1

    async def test_a_refused_write_leaves_no_claim_and_no_receipt(self, store: RevisionStore) -> None:
        taken = new_key()
        await create(store, taken)
        claim, name = f"Patient?identifier={taken}", f"caller|{taken}"
        with pytest.raises(VersionConflict):
            await store.commit(write(change(taken), claims=(Claim(claim, 0),), receipt=Receipt(name, b"f", ())))
        assert await store.claim([claim]) == [0]
        assert await store.receipt(name) is None


NOON = at(0)


def booked(name: str, held: Held, holder: str | None, until: datetime | None = None) -> Cell:
    return Cell(name, held.seen, holder, NOON + timedelta(days=9_000), until)


class CellsContract:
    """Booking and releasing."""

    async def test_a_cell_nobody_booked_is_free(self, store: RevisionStore) -> None:
        (held,) = await store.cells([f"doctor/{new_key()}"])
        assert held == Held()
        assert held.free(NOON)

    async def test_a_booked_cell_is_held_until_it_is_released_and_can_be_booked_again(
        self, store: RevisionStore
    ) -> None:
        name, until = f"doctor/{new_key()}", NOON + timedelta(minutes=5)
        for holder, ends in (("a1", until), ("a1", None), (None, None), ("a2", None)):
            (held,) = await store.cells([name])
            await store.commit(write(change(new_key()), cells=(booked(name, held, holder, ends),)))
            (now,) = await store.cells([name])
            assert (now.holder, now.until) == (holder, ends)
        assert now.held_by("a2", NOON)
        assert not now.held_by("a1", NOON)

    async def test_of_forty_who_want_one_cell_of_several_one_gets_it(self, store: RevisionStore) -> None:
        names = [f"doctor/{new_key()}" for _ in range(5)]
        keys = [new_key() for _ in range(40)]
        for _ in range(3):
            seen = await store.cells(names)
            writes = [
                write(
                    change(key, await store.newest(key)),
                    cells=tuple(booked(names[i], seen[i], str(key)) for i in (4, n % 4)),
                )
                for n, key in enumerate(keys)
            ]
            results = await outcomes(*map(store.commit, writes))
            assert (results.count(None), results.count(Contention)) == (1, 39)
            held = await store.cells(names)
            winner = keys[results.index(None)]
            assert held[4].holder == str(winner)
            assert [h.holder for h in held].count(str(winner)) == 2

    async def test_a_refused_write_books_nothing(self, store: RevisionStore) -> None:
        taken, name = new_key(), f"doctor/{new_key()}"
        await create(store, taken)
        with pytest.raises(VersionConflict):
            await store.commit(write(change(taken), cells=(booked(name, Held(), "a1"),)))
        assert await store.cells([name]) == [Held()]


class HistoryContract:
    """Histories of instance, type and system; `_since`, `_at`, pages."""

    async def names(self, store: RevisionStore, query: HistoryQuery) -> list[str]:
        """All versions a query selects, collected page by page."""
        names: list[str] = []
        totals = set()
        while True:
            page = await store.history(query)
            totals.add(page.total)
            names += [one.head.key.at(one.head.version) for one in page.versions]
            if page.next is None:
                assert totals == {len(names)}
                return names
            query = msgspec.structs.replace(query, after=page.next)

    async def three(self, store: RevisionStore, resource_type: str) -> tuple[ResourceKey, ResourceKey]:
        """Two resources: a at minutes 0 (create), 10 (update), 20 (delete); b at minute 10."""
        a, b = ResourceKey(resource_type, f"{new_key().id}a"), ResourceKey(resource_type, f"{new_key().id}b")
        await create(store, a, text="one", now=at(0), patient="ha")
        await update(store, a, text="two", now=at(10), patient="ha")
        await create(store, b, now=at(10), patient="hb")
        await store.commit(write(deletion(a, await found(store, a), now=at(20))))
        return a, b

    async def test_an_instance_history_is_newest_first_and_opens(self, store: RevisionStore) -> None:
        a, _ = await self.three(store, "Flag")
        page = await store.history(HistoryQuery(key=a))
        assert [one.head.version for one in page.versions] == [3, 2, 1]
        assert (page.total, page.next) == (3, None)
        assert [one.head.method for one in page.versions] == ["DELETE", "PUT", "POST"]
        gone, second, first = await store.open(page.versions)
        assert isinstance(gone, Gone)
        assert not isinstance(second, DomainError)
        assert not isinstance(first, DomainError)

    async def test_a_type_history_is_ordered_by_time_then_name(self, store: RevisionStore) -> None:
        a, b = await self.three(store, "Goal")
        expected = [a.at(3), b.at(1), a.at(2), a.at(1)]
        assert await self.names(store, HistoryQuery(type="Goal")) == expected
        assert await self.names(store, HistoryQuery(type="Goal", count=1)) == expected
        assert await self.names(store, HistoryQuery(type="Goal", count=3)) == expected

    async def test_the_system_history_holds_every_type(self, store: RevisionStore) -> None:
        a, b = await self.three(store, "Basic")
        other = new_key("Linkage")
        await create(store, other, now=at(15))
        names = await self.names(store, HistoryQuery(count=2))
        assert names[:5] == [a.at(3), other.at(1), b.at(1), a.at(2), a.at(1)]

    async def test_since_includes_its_own_moment(self, store: RevisionStore) -> None:
        a, b = await self.three(store, "List")
        assert await self.names(store, HistoryQuery(type="List", since=at(10))) == [a.at(3), b.at(1), a.at(2)]
        later = HistoryQuery(key=a, since=at(10) + timedelta(milliseconds=1))
        assert await self.names(store, later) == [a.at(3)]

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (-5, -1, ""),
            (-5, 1, "a1"),
            (0, 0.001, "a1"),
            (5, 6, "a1"),
            (5, 15, "b1 a2 a1"),
            (10, 10.001, "b1 a2"),
            (12, 13, "b1 a2"),
            (15, 25, "a3 b1 a2"),
            (25, 26, "a3 b1"),
        ],
    )
    async def test_at_selects_what_was_current_at_some_moment(
        self, store: RevisionStore, low: float, high: float, expected: str
    ) -> None:
        a, b = await self.three(store, "Task")
        query = HistoryQuery(type="Task", at_low=at(low), at_high=at(high), count=1)
        wanted = [(a if name[0] == "a" else b).at(int(name[1])) for name in expected.split()]
        assert await self.names(store, query) == wanted

    async def test_at_of_an_instance(self, store: RevisionStore) -> None:
        a, _ = await self.three(store, "Slot")
        assert await self.names(store, HistoryQuery(key=a, at_low=at(15), at_high=at(16))) == [a.at(2)]

    async def test_a_history_can_be_limited_to_patients(self, store: RevisionStore) -> None:
        _, b = await self.three(store, "Media")
        assert await self.names(store, HistoryQuery(type="Media", conditions=(PatientIn(("hb",)),))) == [b.at(1)]
        assert await self.names(store, HistoryQuery(type="Media", conditions=(PatientIn(()),))) == []

    async def test_a_page_of_no_entries_still_counts(self, store: RevisionStore) -> None:
        await self.three(store, "Lens")
        page = await store.history(HistoryQuery(type="Lens", count=0))
        assert (list(page.versions), page.next, page.total) == ([], None, 4)

    async def test_versions_written_while_paging_neither_double_nor_hide_older_ones(self, store: RevisionStore) -> None:
        a, b = await self.three(store, "Group")
        first = await store.history(HistoryQuery(type="Group", count=2))
        await create(store, new_key("Group"), now=at(30))
        assert first.next == HistoryKey(at(10), b.at(1))
        rest = await store.history(HistoryQuery(type="Group", count=2, after=first.next))
        assert [one.head.key.at(one.head.version) for one in rest.versions] == [a.at(2), a.at(1)]


class RevisionStoreContract(VersionsContract, ConditionsContract, CellsContract, HistoryContract):
    """Everything but searches, see `tests/contracts/searching.py`."""
