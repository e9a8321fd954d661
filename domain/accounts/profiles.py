"""Who somebody with an account is in the records: the Patient resource of a person who registered.

An address in a record is no proof: families share mailboxes, and clerks mistype. So a verified address links an account to
a record only when exactly one record has it, its name is the same, its birth date is the one given when registering, and
no other account is linked to it. Where no record has the address a new one is made; in every other case an administrator
links them (`DECISIONS.md`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.access import Caller
from domain.accounts.account import Account, folded_words
from domain.accounts.people import People
from domain.accounts.ports import AccountQuery
from domain.accounts.registering import Verified
from domain.identity import FhirJson
from domain.interactions.create import create
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.search import search

CLIENT = "chartvault-accounts"
_RIGHTS = {"Patient": frozenset("crs")}
_decode = msgspec.json.Decoder(dict).decode


async def give_patient(
    people: People, parts: Parts, occasion: Occasion, verified: Verified
) -> tuple[Account, Answer | None]:
    """Link a PATIENT without a profile to their record, or make one; the account after it, and the write if one was made.

    The write carries the audit entry of `occasion`.
    """
    account = verified.account
    if "PATIENT" not in account.roles or account.profiles:
        return account, None
    own = msgspec.structs.replace(occasion, caller=_clerk(account, occasion.caller))
    records = await _records(parts, own, account)
    if not records:
        answer = await create(parts, own, "Patient", _patient(verified))
        return await _linked(people, account, answer.head.key.id if answer.head else ""), answer
    if len(records) == 1 and _is_same(records[0], verified) and await _is_free(people, f"Patient/{records[0]['id']}"):
        return await _linked(people, account, records[0]["id"]), None
    return account, None


async def _records(parts: Parts, occasion: Occasion, account: Account) -> Sequence[FhirJson]:
    """Up to two records with this address."""
    query = parts.search.parse("Patient", [("email", account.email)], strict=True).query
    found = await search(parts, occasion, msgspec.structs.replace(query, count=2, total="none"))
    return [_decode(match.content) for match in found.matches if isinstance(match.content, bytes)]


async def _is_free(people: People, patient: str) -> bool:
    """Whether no account is linked to this record."""
    return not await people.accounts.page(AccountQuery(profile=patient), after="", count=1)


async def _linked(people: People, account: Account, patient: str) -> Account:
    after = msgspec.structs.replace(
        account, profiles=(f"Patient/{patient}",), version=account.version + 1, updated=people.clock()
    )
    await people.accounts.replace(after)
    return after


def _is_same(record: FhirJson, verified: Verified) -> bool:
    """Name and birth date are those of who registered."""
    account = verified.account
    wanted = set(folded_words(account.first_name, account.last_name))
    names = [
        set(folded_words(*name.get("given", ()), name.get("family", ""))) for name in record.get("name", ()) if name
    ]
    return verified.birth_date is not None and record.get("birthDate") == verified.birth_date and wanted in names


def _patient(verified: Verified) -> FhirJson:
    account = verified.account
    content: FhirJson = {
        "resourceType": "Patient",
        "active": True,
        "name": [{"family": account.last_name, "given": [account.first_name]}],
        "telecom": [{"system": "email", "value": account.email}],
    }
    if verified.birth_date:
        content["birthDate"] = verified.birth_date
    return content


def _clerk(account: Account, caller: Caller) -> Caller:
    """The program that files the record of a new patient, in the name of that patient."""
    return Caller(account.id, CLIENT, caller.token_id, _RIGHTS, caller.network)
