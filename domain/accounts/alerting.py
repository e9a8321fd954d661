"""Telling the privacy officers of emergency access, by letter. The letter names no patient; what happened is in the queue."""

from __future__ import annotations

from domain.accounts.people import People
from domain.accounts.ports import AccountQuery, Letter
from domain.break_glass import Grant
from domain.grants import GrantBook

OFFICERS = 20
"""Letters for one grant, at most."""


async def tell(people: People, book: GrantBook, officers: tuple[str, ...] = ()) -> None:
    """Tell of everything that was opened since: those named, or the administrators of the same organisations.

    A grant counts as told when its letters are in the outbox. Who dies before leaves it to the next, who posts the same
    letters: each is sent once.
    """
    while (grant := await book.untold()) is not None:
        text = (
            f"{grant.account} opened emergency access to the record of a patient, until "
            f"{grant.until:%Y-%m-%d %H:%M} UTC. Please review it:\n\n{people.front}/break-glass/{grant.id}\n"
        )
        for address in officers or await _administrators(people, grant):
            letter = Letter(address, "Emergency access to review", text)
            await people.mail.post(letter, cause=f"break-glass|{grant.id}|{address}")
        await book.told(grant.id)


async def _administrators(people: People, grant: Grant) -> list[str]:
    wanted = AccountQuery(role="ADMIN", status="ACTIVE", organizations=grant.organizations or None)
    return [account.email for account in await people.accounts.page(wanted, after="", count=OFFICERS)]
