"""Links to one document that work without a login, for at most an hour: for a viewer or a player that sends no headers.

A link stands for the person who made it: at each use it is asked again whether that person may read the document, so it ends
with their access, with their account, when it is revoked, and with its time. Making and using one are both in the audit.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec

from domain.access import Caller, parse_scopes
from domain.accounts.ports import Accounts
from domain.clinic.document_cards import DocumentRecords
from domain.clinic.documents import KIND, bytes_behind
from domain.errors import Forbidden, InvalidFields, NotFound
from domain.identity import ResourceKey
from domain.interactions.parts import Occasion, Parts
from domain.vouchers import Vouchers

LONGEST = timedelta(hours=1)


class SignedLink(msgspec.Struct, frozen=True):
    """`account` may read `document` by it until `expires`."""

    id: str
    document: str
    account: str
    client: str
    expires: datetime


async def mint(
    parts: Parts,
    records: DocumentRecords,
    vouchers: Vouchers,
    occasion: Occasion,
    key: ResourceKey,
    lifetime: timedelta,
) -> SignedLink:
    """A link to a document that the caller may read now. Raises `Forbidden` for a program, which has a token anyway."""
    caller = occasion.caller
    if caller.account is None:
        raise Forbidden("Only people make links", reason="people_only")
    if not timedelta() < lifetime <= LONGEST:
        raise InvalidFields("A link works for one second to an hour", expression="ttl")
    await bytes_behind(parts, records, occasion, key)
    link = SignedLink(secrets.token_urlsafe(16), key.id, caller.account, caller.client, parts.clock() + lifetime)
    await vouchers.put("link", link.id, msgspec.json.encode(link), expires=link.expires)
    return link


async def holder(vouchers: Vouchers, accounts: Accounts, link_id: str, document: str, network: str | None) -> Caller:
    """Who a link stands for, not yet asked what they may see. Raises `NotFound` for a link that is not good for it."""
    link = await _good(vouchers, link_id)
    if link is None or link.document != document:
        raise NotFound("This link does not work any more")
    account = await accounts.find(link.account)
    if account is None or account.status != "ACTIVE":
        raise NotFound("This link does not work any more")
    return Caller(
        subject=account.id,
        client=link.client,
        token_id=f"link-{link.id}",
        rights=parse_scopes(f"user/{KIND}.r user/Binary.r"),
        network=network,
        account=account.id,
        roles=frozenset(account.roles),
        profiles=account.profiles,
        organizations=account.organizations,
    )


async def revoke(vouchers: Vouchers, caller: Caller, link_id: str, document: str) -> None:
    """End a link of one's own at once. Raises `NotFound` for one that is not there or somebody else's."""
    link = await _good(vouchers, link_id)
    if link is None or link.document != document or link.account != caller.account:
        raise NotFound("There is no such link")
    await vouchers.take("link", link_id)


async def _good(vouchers: Vouchers, link_id: str) -> SignedLink | None:
    voucher = await vouchers.read("link", link_id)
    return None if voucher is None else msgspec.json.decode(voucher.content, type=SignedLink)
