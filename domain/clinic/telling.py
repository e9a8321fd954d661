"""Telling people: from a stored notice to letters, text messages and calls of webhooks, all as parcels.

Runs in the background, in every process. A notice is taken, looked at once more (what it was to be told under may be over),
made into parcels whose ids follow from it, and only then counts as told: whoever dies in between leaves it to the next, who
makes the same parcels again. Letters name nothing of a patient unless the clinic has decided otherwise (`details`).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import msgspec

from domain.accounts.account import Account
from domain.accounts.people import People
from domain.accounts.ports import AccountQuery, Letter
from domain.clinic.notice_ports import LikesBook, Notices, Told, Webhook, Webhooks
from domain.clinic.notice_texts import NEWS, Wording, wording_of
from domain.clinic.provider_parcels import parcel_of
from domain.errors import DomainError, Unavailable
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Parts
from domain.notices import Notice, While
from domain.outbox import Channel, Outbox, Parcel
from domain.pushing import PUSH
from domain.revision import Stored, instant

MOST_PEOPLE = 50
"""Accounts told of one notice for one recipient."""


class TextMessage(msgspec.Struct, frozen=True):
    """What the carrier of text messages sends to a telephone number (E.164)."""

    number: str
    text: str

    def __repr__(self) -> str:
        return "TextMessage(…)"


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a webhook is told: ids, and the kind of what happened. NOTE: partners' programs read this; fields may be added."""

    event_id: str
    type: str
    created: str
    about: tuple[str, ...] = ()
    patient: str | None = None


class Telling(NamedTuple):
    """What telling needs. `details` lets letters and text messages say what happened; `texting` tells whether there is
    anybody to send text messages; `contacts` are the addresses told of inquiries, instead of the dieticians."""

    notices: Notices
    outbox: Outbox
    likes: LikesBook
    webhooks: Webhooks
    details: bool = False
    texting: bool = False
    contacts: tuple[str, ...] = ()


async def tell_all(parts: Parts, people: People, telling: Telling) -> None:
    """Tell everything that is due. What fails is left for ten seconds and holds up nothing else; raises the failure when
    nothing is left, so that it is logged."""
    failure: DomainError | None = None
    while (told := await telling.notices.take()) is not None:
        try:
            await tell(parts, people, telling, told)
        except DomainError as error:
            failure = error
    if failure is not None:
        raise failure


async def tell(parts: Parts, people: People, telling: Telling, told: Told) -> None:
    """Tell one notice, or drop it when its condition no longer holds."""
    notice = told.notice
    if notice.while_ is not None and not await still(parts, notice.while_):
        await telling.notices.drop(told.id)
        return
    if notice.kind == PUSH:
        parcels = [parcel_of(told.id, notice)]
    else:
        parcels = [*await _letters(parts, people, telling, told), *await _calls(telling, told)]
    await telling.outbox.put(parcels)
    await telling.notices.told(told.id)


async def still(parts: Parts, condition: While) -> bool:
    """Whether a resource is still at the version a notice was written for; who changed it has written a new notice."""
    kind, _, logical_id = condition.resource.partition("/")
    newest = await parts.store.newest(ResourceKey(kind, logical_id))
    return newest is not None and not newest.head.deleted and newest.head.version == condition.version


async def _opened(parts: Parts, stored: Stored) -> FhirJson | None:
    (content,) = await parts.store.open([stored])
    if isinstance(content, Unavailable):
        raise content
    return parts.reading.decoded(content) if isinstance(content, bytes) else None


async def _letters(parts: Parts, people: People, telling: Telling, told: Told) -> list[Parcel]:
    """Letters and text messages to everybody a notice is for, as each likes them."""
    notice = told.notice
    wording = wording_of(notice.kind, notice.values)
    addresses = telling.contacts if notice.kind == "inquiry-received" else ()
    parcels = [_parcel(told, "mail", each, _letter(people, telling, each, wording)) for each in addresses]
    accounts = [] if addresses else await accounts_of(parts, people, notice)
    likes = await telling.likes.of([account.id for account in accounts])
    for account, liked in zip(accounts, likes, strict=True):
        choice = liked.of(notice.kind)
        if choice.email and account.email_verified:
            letter = _letter(people, telling, account.email, wording)
            parcels.append(_parcel(told, "mail", account.id, letter, to=account.id))
        if telling.texting and choice.sms and liked.phone is not None:
            text = wording.text if telling.details else wording.title
            message = TextMessage(liked.phone, f"{text} {people.front}{wording.path}")
            parcels.append(_parcel(told, "sms", account.id, message, to=account.id))
    return parcels


async def accounts_of(parts: Parts, people: People, notice: Notice) -> list[Account]:
    """The active accounts a notice is for, each once: of the recipients, and of who acts for them."""
    found: dict[str, Account] = {}
    for recipient in notice.recipients:
        for account in await _accounts(parts, people, recipient):
            if account.status == "ACTIVE":
                found[account.id] = account
    return list(found.values())


async def _accounts(parts: Parts, people: People, recipient: str) -> list[Account]:
    kind, _, name = recipient.partition("/")
    if kind == "User":
        account = await people.accounts.find(name)
        return [] if account is None else [account]
    if kind == "Role":
        query = AccountQuery(role=name, status="ACTIVE")  # type: ignore[arg-type]  # an unknown role selects nobody
        held = await people.accounts.page(query, after="", count=MOST_PEOPLE)
        # What is for a role that nobody holds is for the administrators: somebody must know of it.
        return held or await people.accounts.page(
            AccountQuery(role="ADMIN", status="ACTIVE"), after="", count=MOST_PEOPLE
        )
    profiles = [recipient, *await _proxies(parts, name)] if kind == "Patient" else [recipient]
    found: list[Account] = []
    for profile in profiles:
        found += await people.accounts.page(AccountQuery(profile=profile), after="", count=MOST_PEOPLE)
    return found


async def _proxies(parts: Parts, patient: str) -> list[str]:
    """Who acts for a patient now, as `RelatedPerson/…`."""
    query = parts.search.parse("RelatedPerson", [("patient", patient), ("_total", "none")], strict=True).query
    now = int(parts.clock().timestamp() * 1_000_000)
    found: list[str] = []
    for stored in (await parts.store.find(msgspec.structs.replace(query, count=MOST_PEOPLE))).matches:
        content = await _opened(parts, stored)
        if content is None:
            continue
        for tie in parts.describe.describe(content, stored.head.key).ties:
            begun, over = tie.low is None or tie.low <= now, tie.high is not None and tie.high <= now
            if tie.bond == "proxy" and begun and not over:
                found.append(tie.actor)
    return list(dict.fromkeys(found))


def _letter(people: People, telling: Telling, address: str, wording: Wording) -> Letter:
    subject = wording.title if telling.details else NEWS.title
    said = f"{wording.title}.\n\n{wording.text}\n" if telling.details else f"{wording.title}.\n"
    return Letter(address, subject, f"{said}\nTo see more, log in:\n\n{people.front}{wording.path}\n")


async def _calls(telling: Telling, told: Told) -> list[Parcel]:
    """Calls of every webhook that wants to know."""
    hooks = [hook for hook in await telling.webhooks.all() if wants(hook, told.notice)]
    return [call_of(hook, told) for hook in hooks]


def wants(hook: Webhook, notice: Notice) -> bool:
    """Whether a webhook is told of a notice: it asked for its kind, and its owner might read what it is about."""
    if hook.events and notice.kind not in hook.events:
        return False
    return "*" in hook.types or all(name.partition("/")[0] in hook.types for name in notice.about)


def call_of(hook: Webhook, told: Told) -> Parcel:
    """The call of a webhook: ids and the kind of the event, never what was said."""
    name, notice = _name(told, "webhook", hook.id), told.notice
    body = Event(
        event_id=name,
        type=notice.kind,
        created=instant(notice.due),
        about=notice.about,
        patient=None if notice.patient is None else f"Patient/{notice.patient}",
    )
    return Parcel(id=name, channel="webhook", kind=notice.kind, content=msgspec.json.encode(body), to=hook.id)


def _parcel(told: Told, channel: Channel, name: str, content: msgspec.Struct, *, to: str | None = None) -> Parcel:
    notice = told.notice
    packed = msgspec.msgpack.encode(content)
    return Parcel(
        id=_name(told, channel, name), channel=channel, kind=notice.kind, content=packed, to=to, patient=notice.patient
    )


def _name(told: Told, channel: Channel, to: str) -> str:
    """The same for the same notice, channel and receiver: what is made twice is sent once."""
    return hashlib.sha256(f"{told.id}|{channel}|{to}".encode()).hexdigest()[:32]
