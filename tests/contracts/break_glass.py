"""What every `GrantBook` does. Inherit it and provide the fixtures `book` and `clock` (`clock.now` is what it reads)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.break_glass import Grant, Review
from domain.grants import GrantBook

START = datetime(2099, 11, 20, 12, tzinfo=UTC)
"""In the future: what expires is deleted by the clock of the database."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def grant(number: int, *, account: str = "dr-a", patient: str = "7", organization: str = "Organization/1") -> Grant:
    return Grant(
        id=f"grant-{number}",
        account=account,
        subject=account,
        patient=patient,
        reason="unconscious in the corridor",
        since=START,
        until=START + timedelta(minutes=15),
        request_id=f"request-{number}",
        organizations=(organization,),
    )


class GrantBookContract:
    async def test_a_grant_opens_one_patient_to_one_account(self, book: GrantBook) -> None:
        await book.add(grant(1))
        assert await book.active("dr-a", "7")
        assert not await book.active("dr-a", "8")
        assert not await book.active("dr-b", "7")
        assert await book.patients("dr-a") == {"7"}
        assert await book.patients("dr-b") == frozenset()

    async def test_a_grant_ends_by_itself(self, book: GrantBook, clock: Clock) -> None:
        await book.add(grant(1))
        clock.now = START + timedelta(minutes=15) - timedelta(milliseconds=1)
        assert await book.active("dr-a", "7")
        clock.now = START + timedelta(minutes=15)
        assert not await book.active("dr-a", "7")
        assert await book.patients("dr-a") == frozenset()

    async def test_a_grant_is_not_there_before_it_begins(self, book: GrantBook, clock: Clock) -> None:
        await book.add(grant(1))
        clock.now = START - timedelta(seconds=1)
        assert not await book.active("dr-a", "7")

    async def test_what_was_added_is_found_as_it_was(self, book: GrantBook) -> None:
        await book.add(grant(1))
        assert await book.find("grant-1") == grant(1)
        assert await book.find("grant-2") is None

    async def test_an_unjustified_grant_ends_with_its_review_and_a_justified_one_does_not(
        self, book: GrantBook
    ) -> None:
        await book.add(grant(1))
        await book.add(grant(2, patient="8"))
        assert await book.record_review("grant-1", Review("boss", START, "unjustified", "no emergency"))
        assert await book.record_review("grant-2", Review("boss", START, "justified"))
        assert await book.patients("dr-a") == {"8"}
        assert not await book.active("dr-a", "7")

    async def test_the_first_review_stands(self, book: GrantBook) -> None:
        await book.add(grant(1))
        first = Review("boss", START, "justified", "she was unconscious")
        assert await book.record_review("grant-1", first)
        assert not await book.record_review("grant-1", Review("other", START, "unjustified"))
        assert not await book.record_review("grant-9", first)
        found = await book.find("grant-1")
        assert found is not None
        assert found.review == first

    async def test_the_queue_shows_what_is_not_reviewed_page_by_page(self, book: GrantBook) -> None:
        for number in range(1, 6):
            await book.add(grant(number, organization=f"Organization/{number % 2}"))
        await book.record_review("grant-2", Review("boss", START, "justified"))
        first = await book.page(pending=True, organizations=None, account=None, after=None, count=2)
        assert [each.id for each in first.grants] == ["grant-1", "grant-3"]
        rest = await book.page(pending=True, organizations=None, account=None, after=first.next, count=2)
        assert [each.id for each in rest.grants] == ["grant-4", "grant-5"]
        assert rest.next is None
        ours = await book.page(pending=False, organizations=["Organization/0"], account=None, after=None, count=9)
        assert [each.id for each in ours.grants] == ["grant-2", "grant-4"]
        nobodys = await book.page(pending=False, organizations=[], account=None, after=None, count=9)
        assert nobodys.grants == []
        hers = await book.page(pending=False, organizations=None, account="dr-b", after=None, count=9)
        assert hers.grants == []

    async def test_a_grant_is_there_to_be_told_of_until_it_was_told(self, book: GrantBook) -> None:
        await book.add(grant(1))
        await book.add(grant(2))
        for number in (1, 2):
            for _ in range(2):
                found = await book.untold()
                assert found is not None
                assert found.id == f"grant-{number}"
            await book.told(found.id)
        assert await book.untold() is None
