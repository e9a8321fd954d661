"""What happens to the account of a patient who is erased: it goes, with its name, its address and its logins.

An account that stands for somebody else too (a nurse who is a patient here) only stops standing for that patient.
"""

from __future__ import annotations

import msgspec

from domain.accounts.account import Account
from domain.accounts.people import People
from domain.accounts.ports import AccountQuery

_PAGE = 50


async def forget_patient(people: People, patient: str) -> int:
    """Remove or unlink every account linked to `Patient/<patient>`; how many were removed. May be repeated."""
    profile, removed, after = f"Patient/{patient}", 0, ""
    while page := await people.accounts.page(AccountQuery(profile=profile), after=after, count=_PAGE):
        after = page[-1].id
        for account in page:
            await people.sessions.end_all(account.id)
            if account.is_staff or any(_is_somebody_else(each, profile) for each in account.profiles):
                await people.accounts.replace(_unlinked(people, account, profile))
            else:
                await people.tickets.revoke(account.id)
                await people.accounts.remove(account.id)
                removed += 1
    return removed


def _is_somebody_else(name: str, profile: str) -> bool:
    """Whether a profile is another person of the records. For whom somebody acts is nobody they are."""
    return name != profile and not name.startswith("RelatedPerson/")


def _unlinked(people: People, account: Account, profile: str) -> Account:
    left = tuple(each for each in account.profiles if each != profile)
    return msgspec.structs.replace(account, profiles=left, version=account.version + 1, updated=people.clock())
