"""What every `Notices` does. Inherit it and provide the fixtures `store` (whose commits store notices), `notices`, `erase`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.clinic.notice_ports import Notices, Place, Told
from domain.errors import Gone, VersionConflict
from domain.notices import Notice, While
from domain.ports import RevisionStore
from tests.contracts.writes import change, new_key, write

Erase = Callable[[str], Awaitable[None]]
ANA, BEN = "Patient/ana", "Practitioner/ben"


def notice(name: str, *, minutes: float = -1, recipients: tuple[str, ...] = (ANA,), **given: object) -> Notice:
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=minutes)
    values = {"doctor": f"Dr {name}"}
    return Notice(id=name, kind="appointment-confirmed", recipients=recipients, due=due, values=values, **given)  # type: ignore[arg-type]


async def caused(store: RevisionStore, *notices: Notice) -> None:
    await store.commit(write(change(new_key()), notices=notices))


async def doctors(notices: Notices, *recipients: str, unread: bool = False, reader: str = "a1") -> list[str]:
    page, following = await notices.page(recipients, reader, unread=unread, after=None, count=50)
    assert following is None
    return [told.notice.values["doctor"] for told in page]


async def tell(notices: Notices) -> list[Told]:
    """Tell everything that is due."""
    found = []
    while (told := await notices.take()) is not None:
        await notices.told(told.id)
        found.append(told)
    return found


class NoticesContract:
    async def test_what_a_write_tells_is_in_the_lists_of_its_recipients_at_once(
        self, store: RevisionStore, notices: Notices
    ) -> None:
        await caused(store, notice("one", minutes=-2, recipients=(ANA, BEN), patient="ana", about=("Appointment/9",)))
        await caused(store, notice("two"))
        assert await doctors(notices, ANA) == ["Dr two", "Dr one"]
        assert await doctors(notices, BEN) == await doctors(notices, BEN, "Patient/x") == ["Dr one"]
        assert await doctors(notices, "Patient/x") == await doctors(notices) == []
        (told,), _ = await notices.page([BEN], "a1", unread=False, after=None, count=1)
        assert (told.notice.about, told.notice.patient) == (("Appointment/9",), "ana")

    async def test_a_cause_that_is_written_again_tells_once(self, store: RevisionStore, notices: Notices) -> None:
        once = notice("once")
        await caused(store, once)
        await caused(store, once, notice("other"))
        await asyncio.gather(*(caused(store, once) for _ in range(5)))
        assert sorted(await doctors(notices, ANA)) == ["Dr once", "Dr other"]
        assert len(await tell(notices)) == 2
        await caused(store, once)
        assert await tell(notices) == []

    async def test_a_cause_that_was_not_stored_tells_nobody(self, store: RevisionStore, notices: Notices) -> None:
        key = new_key()
        await store.commit(write(change(key)))
        with pytest.raises(VersionConflict):
            await store.commit(write(change(key), notices=(notice("never"),)))
        assert await doctors(notices, ANA) == []
        assert await notices.take() is None

    async def test_nothing_is_shown_or_told_before_it_is_due(self, store: RevisionStore, notices: Notices) -> None:
        await caused(store, notice("tomorrow", minutes=24 * 60))
        assert await doctors(notices, ANA) == []
        assert await notices.take() is None

    async def test_what_has_a_condition_is_shown_when_it_was_told_and_never_when_it_was_dropped(
        self, store: RevisionStore, notices: Notices
    ) -> None:
        condition = While("Appointment/9", 3)
        await caused(store, notice("kept", while_=condition), notice("dropped", while_=condition))
        assert await doctors(notices, ANA) == []
        for _ in range(2):
            told = await notices.take()
            assert told is not None
            assert told.notice.while_ == condition
            await (notices.told if told.notice.values["doctor"] == "Dr kept" else notices.drop)(told.id)
        assert await doctors(notices, ANA) == ["Dr kept"]
        assert await notices.take() is None

    async def test_what_is_taken_is_taken_by_nobody_else(self, store: RevisionStore, notices: Notices) -> None:
        await caused(store, notice("one"))
        takers = await asyncio.gather(*(notices.take() for _ in range(4)))
        assert len([told for told in takers if told is not None]) == 1

    async def test_numbers_follow_the_order_of_telling_without_a_gap(
        self, store: RevisionStore, notices: Notices
    ) -> None:
        await caused(store, *(notice(f"n{number}") for number in range(6)))
        taken = [await notices.take() for _ in range(6)]
        await asyncio.gather(*(notices.told(told.id) for told in taken if told is not None))
        found = await notices.since([ANA], "a1", number=0, count=50)
        assert [told.number for told in found] == [1, 2, 3, 4, 5, 6]
        assert await notices.newest() == 6
        assert [told.number for told in await notices.since([ANA], "a1", number=4, count=1)] == [5]
        assert await notices.since([BEN], "a1", number=0, count=50) == []
        await notices.told(found[0].id)
        assert (await notices.since([ANA], "a1", number=0, count=1))[0].number == 1

    async def test_reading_is_everybodys_own(self, store: RevisionStore, notices: Notices) -> None:
        await caused(store, notice("one", recipients=(ANA, BEN)), notice("two", recipients=(ANA, BEN)))
        (first, _), _ = await notices.page([ANA], "a1", unread=True, after=None, count=2)
        assert await notices.read([ANA], "a1", notice=first.id) == 1
        assert await notices.read([ANA], "a1", notice=first.id) == 1
        assert await notices.read(["Patient/x"], "a1", notice=first.id) == 0
        assert len(await doctors(notices, ANA, unread=True)) == 1
        assert len(await doctors(notices, BEN, unread=True, reader="a2")) == 2
        assert await notices.read([ANA], "a1") == 1
        assert await doctors(notices, ANA, unread=True) == []
        assert len(await doctors(notices, ANA)) == 2
        found = await notices.find([ANA], "a1", first.id)
        assert found is not None
        assert found.read
        assert await notices.find(["Patient/x"], "a1", first.id) is None

    async def test_pages_follow_each_other_without_a_gap(self, store: RevisionStore, notices: Notices) -> None:
        made = [notice(f"p{number}", minutes=-number // 2) for number in range(7)]
        await caused(store, *made)
        seen: list[str] = []
        after: Place | None = None
        while True:
            page, after = await notices.page([ANA], "a1", unread=False, after=after, count=3)
            seen += [told.notice.values["doctor"] for told in page]
            if after is None:
                break
        assert sorted(seen) == sorted(each.values["doctor"] for each in made)

    async def test_an_erased_patient_leaves_nothing_to_tell(
        self, store: RevisionStore, notices: Notices, erase: Erase
    ) -> None:
        await caused(store, notice("one", patient="gone", recipients=(BEN,)))
        await erase("gone")
        assert await doctors(notices, BEN) == []
        assert await notices.take() is None
        with pytest.raises(Gone):
            await caused(store, notice("two", patient="gone", recipients=(BEN,)))

    async def test_nothing_of_it_shows_in_a_repr(self) -> None:
        one = notice("secret")
        assert "secret" not in repr(one) + repr(Told(id="x", notice=one))
        assert msgspec.structs.replace(one, kind="x") != one
