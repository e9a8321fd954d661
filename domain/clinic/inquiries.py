"""Inquiries: somebody who is not a patient yet asks to become one.

Anybody may ask, so what they say is a Task that nobody sees but who answers inquiries, written by this rule and not by the
matrix; the dieticians are told in the same write, with a link to where patients are made. An answer closes it: with the
patient it has become, or without. https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.access import Caller, Role
from domain.clinic.acting import acting
from domain.clinic.records import card_of, listed, shown
from domain.errors import Conflict, Forbidden, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.writing import Planned, changed, write_one
from domain.notices import Notice
from domain.search import PageKey

TASK = "Task"
KIND = "inquiry-received"
ANSWERING: frozenset[Role] = frozenset({"DIETICIAN", "RECEPTIONIST", "ADMIN"})
"""Who answers inquiries."""
Status: TypeAlias = Literal["OPEN", "ACCEPTED", "DECLINED"]


class InquiryForm(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, how they are reached, and what they say."""

    name: str
    email: str
    phone: str | None = None
    birth_date: date | None = None
    message: str | None = None

    def __repr__(self) -> str:
        return "InquiryForm(…)"


class InquiryCard(msgspec.Struct, frozen=True, kw_only=True):
    """An inquiry as it is shown. `patient_id` is who it has become, `reason` why it was declined."""

    id: str
    version: int
    updated_at: datetime
    created_at: datetime | None
    status: Status
    name: str | None
    email: str | None
    phone: str | None
    birth_date: date | None
    message: str | None
    patient_id: str | None
    reason: str | None

    def __repr__(self) -> str:
        return f"InquiryCard({self.id})"


class InquiryRecords(Protocol):
    """Implemented by `fhir_mapping.friendly.inquiries`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: InquiryForm, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """The Task of an inquiry."""
        ...

    def closed(self, content: FhirJson, *, patient: str | None, reason: str | None, now: datetime) -> FhirJson:
        """The same when it was answered: with the patient it became, or declined."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> InquiryCard: ...

    def query(self, *, open_only: bool) -> list[tuple[str, str]]:
        """The search parameters that select inquiries, newest first."""
        ...


async def ask(parts: Parts, records: InquiryRecords, occasion: Occasion, form: InquiryForm) -> Answer:
    """Keep an inquiry, and tell who answers them."""
    key, writing = ResourceKey(TASK, parts.new_id()), acting(occasion, "c", TASK)
    content = records.to_fhir(form, base=None, now=parts.clock())
    parts.validate.check(content)

    async def plan() -> Planned:
        change, answer = changed(parts, writing, key, content, method="POST", base=None)
        told = Notice(
            id=f"inquiry/{key.id}",
            kind=KIND,
            recipients=("Role/DIETICIAN",),
            due=parts.clock(),
            about=(str(key),),
            values={"inquiry": key.id},
        )
        return Planned(answer, change, notices=(told,))

    return await write_one(parts, writing, plan)


async def one(parts: Parts, records: InquiryRecords, occasion: Occasion, inquiry_id: str) -> InquiryCard:
    """An inquiry, for who answers them. Raises `NotFound` for any other Task."""
    require_answering(occasion.caller)
    looking = acting(occasion, "r", TASK)
    content = (await read(parts, looking, ResourceKey(TASK, inquiry_id))).content or b"{}"
    _require_inquiry(records, parts.reading.decoded(content))
    return await shown(parts, records, looking, inquiry_id)


async def page(
    parts: Parts, records: InquiryRecords, occasion: Occasion, *, open_only: bool, after: PageKey | None, count: int
) -> tuple[Sequence[InquiryCard], PageKey | None]:
    """Inquiries, newest first, for who answers them."""
    require_answering(occasion.caller)
    pairs = records.query(open_only=open_only)
    return await listed(parts, records, acting(occasion, "s", TASK), pairs, after=after, count=count)


async def close(
    parts: Parts,
    records: InquiryRecords,
    occasion: Occasion,
    inquiry_id: str,
    *,
    patient: str | None,
    reason: str | None,
) -> tuple[InquiryCard, Answer]:
    """Answer an inquiry: with the patient it has become, whom the caller must see, or without one.

    Raises `NotFound` for no inquiry or no patient, `Conflict` (`already_closed`).
    """
    require_answering(occasion.caller)
    if patient is not None:
        await read(parts, occasion, ResourceKey("Patient", patient))
    key, writing = ResourceKey(TASK, inquiry_id), acting(occasion, "u", TASK)

    async def plan() -> Planned:
        base = present(await parts.store.newest(key), key)
        content = parts.reading.decoded(await opened(parts, base))
        _require_inquiry(records, content)
        if records.from_fhir(content, version=base.head.version, updated=base.head.recorded).status != "OPEN":
            raise Conflict("This inquiry was answered already", reason="already_closed")
        answered = records.closed(content, patient=patient, reason=reason, now=parts.clock())
        parts.validate.check(answered)
        change, answer = changed(parts, writing, key, answered, method="PUT", base=base)
        return Planned(answer, change)

    answer = await write_one(parts, writing, plan)
    return card_of(parts, records, answer), answer


def require_answering(caller: Caller) -> None:
    """Raise `Forbidden` unless this is somebody who answers inquiries."""
    if caller.account is None or ANSWERING.isdisjoint(caller.roles):
        raise Forbidden("Inquiries are answered by dieticians and the front desk", reason="role_required")


def _require_inquiry(records: InquiryRecords, content: FhirJson) -> None:
    """Raise `NotFound` for a Task of another kind: this rule opens inquiries only."""
    wanted = dict(records.query(open_only=False))["code"].rpartition("|")[2]
    codes = [each.get("code") for each in content.get("code", {}).get("coding", ())]
    if wanted not in codes:
        raise NotFound("There is no such inquiry")
