"""Notifications: what somebody was told, and by which ways they like to be told. `/api/v1` of PRODUCT 2.11."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.listing import Listing, Page, page
from api.v1.service import Service
from domain.clinic.notice_ports import Choice, Likes, Place, Told
from domain.clinic.notice_texts import WORDINGS, wording_of
from domain.clinic.notifications import read, recipients_of
from domain.errors import InvalidFields
from domain.search import PageKey

_LIST = "/notifications"


class NotificationsWanted(Listing, frozen=True, kw_only=True):
    unread: bool = False


class NotificationView(View, frozen=True, kw_only=True):
    """`about` are resources, `Appointment/9`; `read` is the caller's own mark."""

    id: str
    kind: str
    title: str
    text: str
    about: tuple[str, ...]
    patient_id: str | None
    created_at: datetime
    read: bool


class ReadView(View, frozen=True, kw_only=True):
    """How many were marked."""

    marked: int


class ChoiceForm(Form, frozen=True, kw_only=True):
    """By which ways besides the list."""

    email: bool = True
    sms: bool = False


class PreferencesForm(Form, frozen=True, kw_only=True):
    """In general, and otherwise for some kinds of notifications. `phone` is a number with its country, `+4685550100`."""

    email: bool = True
    sms: bool = False
    phone: Annotated[str, Meta(pattern=r"^\+[1-9][0-9 ]{6,18}$", max_length=20)] | None = None
    kinds: dict[Annotated[str, Meta(max_length=60)], ChoiceForm] = {}


class ChoiceView(View, frozen=True, kw_only=True):
    email: bool
    sms: bool


class PreferencesView(View, frozen=True, kw_only=True):
    """`version` is 0 while nothing was chosen. `sms_available` tells whether this clinic sends text messages."""

    id: str
    version: int
    email: bool
    sms: bool
    phone: str | None
    kinds: dict[str, ChoiceView]
    sms_available: bool


async def listed(service: Service, visit: Visit, query: NotificationsWanted) -> Outcome:
    """What the caller was told, newest first: themselves, for the patients they act for, and in their roles"""
    recipients, account = await whose(service, visit)

    async def fetch(after: PageKey | None, count: int) -> tuple[Sequence[Told], PageKey | None]:
        place = None if after is None else Place(after.updated, after.id)
        found, following = await service.telling.notices.page(
            recipients, account, unread=query.unread, after=place, count=count
        )
        visit.concerns(patients=patients_in(found))
        return found, None if following is None else PageKey(following.id, following.due)

    return await page(service, visit, query, fetch, view, of=_LIST)


async def marked(service: Service, visit: Visit) -> Outcome:
    """Mark a notification as read"""
    await whose(service, visit)
    told = await read(service.telling, visit.caller, visit.params["id"])
    visit.concerns(patients=patients_in([told]))
    return Outcome(view(told))


async def all_marked(service: Service, visit: Visit) -> Outcome:
    """Mark everything as read"""
    await whose(service, visit)
    recipients = recipients_of(visit.caller, "u")
    return Outcome(ReadView(marked=await service.telling.notices.read(recipients, visit.caller.account or "")))


async def preferences(service: Service, visit: Visit) -> Outcome:
    """By which ways the caller likes to be told"""
    _, account = await whose(service, visit)
    (likes,) = await service.telling.likes.of([account])
    return _preferences(service, account, likes)


async def prefer(service: Service, visit: Visit, body: PreferencesForm) -> Outcome:
    """Choose by which ways to be told; the list shows everything whatever is chosen"""
    _, account = await whose(service, visit)
    recipients_of(visit.caller, "u")
    unknown = next((kind for kind in body.kinds if kind not in WORDINGS), None)
    if unknown is not None:
        raise InvalidFields("There is no such kind of notification", expression=f"kinds.{unknown}")
    (before,) = await service.telling.likes.of([account])
    visit.require_match(before.version)
    likes = Likes(
        version=before.version + 1,
        general=Choice(body.email, body.sms),
        kinds={kind: Choice(each.email, each.sms) for kind, each in body.kinds.items()},
        phone=None if body.phone is None else body.phone.replace(" ", ""),
    )
    await service.telling.likes.keep(account, likes)
    return _preferences(service, account, likes)


async def whose(service: Service, visit: Visit) -> tuple[tuple[str, ...], str]:
    """Under which names the caller is told now, and their account."""
    visit.caller = await service.resolve(visit.caller)
    return recipients_of(visit.caller), visit.caller.account or ""


def view(told: Told) -> NotificationView:
    """A notification as it is shown."""
    notice = told.notice
    wording = wording_of(notice.kind, notice.values)
    return NotificationView(
        id=told.id,
        kind=notice.kind,
        title=wording.title,
        text=wording.text,
        about=notice.about,
        patient_id=notice.patient,
        created_at=notice.due,
        read=told.read,
    )


def patients_in(found: Sequence[Told]) -> tuple[str, ...]:
    """Whose these notifications are, for the audit."""
    return tuple(dict.fromkeys(told.notice.patient for told in found if told.notice.patient is not None))


def _preferences(service: Service, account: str, likes: Likes) -> Outcome:
    shown = PreferencesView(
        id=account,
        version=likes.version,
        email=likes.general.email,
        sms=likes.general.sms,
        phone=likes.phone,
        kinds={kind: ChoiceView(email=each.email, sms=each.sms) for kind, each in likes.kinds.items()},
        sms_available=service.telling.texting,
    )
    return Outcome(shown, version=likes.version)


ENDPOINTS = (
    Endpoint("GET", _LIST, "notification-list", listed, answers=Page),
    Endpoint("POST", _LIST + "/read-all", "notification-read-all", all_marked, answers=ReadView),
    Endpoint("POST", _LIST + "/{id}/read", "notification-read", marked, answers=NotificationView),
    Endpoint("GET", _LIST + "/preferences", "notification-preferences", preferences, answers=PreferencesView),
    Endpoint("PUT", _LIST + "/preferences", "notification-prefer", prefer, answers=PreferencesView),
)
