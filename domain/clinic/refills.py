"""Asking for more of a prescription: a Task about it, which who may prescribe approves or denies.

Whoever sees a prescription may ask for more of it, once at a time; approving adds refills to it in the same write. The
Tasks are written by this rule and not by the matrix: nobody writes any other Task through it.
https://hl7.org/fhir/R4/task.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain import access
from domain.clinic.acting import acting
from domain.clinic.prescription_cards import KIND, RUNNING, PrescriptionCard
from domain.clinic.prescriptions import Prescribing, supply_claim
from domain.clinic.records import card_of, listed
from domain.errors import Conflict, Forbidden, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import base_of, may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.writing import Planned, changed, write_one
from domain.notices import Notice
from domain.revision import Claim

TASK = "Task"
MOST = 100
Status: TypeAlias = Literal["REQUESTED", "APPROVED", "DENIED"]


class RefillCard(msgspec.Struct, frozen=True, kw_only=True):
    """A request for refills. `comment` is what who asked said, `reason` what who decided said."""

    id: str
    version: int
    updated_at: datetime
    prescription_id: str
    patient_id: str | None
    status: Status
    created_at: datetime | None = None
    comment: str | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        return f"RefillCard({self.id})"


class RefillRecords(Protocol):
    """Implemented by `fhir_mapping.friendly.refills`."""

    @property
    def type(self) -> str: ...

    def to_fhir(self, form: PrescriptionCard, *, base: FhirJson | None, now: datetime) -> FhirJson:
        """The Task that asks for more of a prescription."""
        ...

    def asked(self, content: FhirJson, requester: str | None, comment: str | None) -> FhirJson:
        """The same with who asks, and what they say."""
        ...

    def decided(self, content: FhirJson, status: Status, reason: str | None, now: datetime) -> FhirJson:
        """The same when it was decided."""
        ...

    def from_fhir(self, content: FhirJson, *, version: int, updated: datetime) -> RefillCard: ...

    def query(self, prescription: str) -> list[tuple[str, str]]:
        """The search parameters that select the requests about a prescription."""
        ...


async def ask(
    parts: Parts, using: Prescribing, refills: RefillRecords, occasion: Occasion, logical_id: str, comment: str | None
) -> tuple[RefillCard, Answer]:
    """Ask for more of a prescription. Raises `Conflict`: `refill_requested` while a request is open,
    `prescription_not_active`; `NotFound`."""
    key, made = ResourceKey(KIND, logical_id), ResourceKey(TASK, parts.new_id())
    writing = acting(occasion, "c", TASK)

    async def plan() -> Planned:
        name = f"refill requests of {key}"
        claim = Claim(name, (await parts.store.claim([name]))[0])
        card = card_of(parts, using.records, await read(parts, occasion, key))
        if card.status not in RUNNING:
            raise Conflict("Only a prescription in force is refilled", reason="prescription_not_active")
        if any(each.status == "REQUESTED" for each in await _requests(parts, refills, occasion, logical_id)):
            raise Conflict("More of it was asked for already", reason="refill_requested")
        requester = next(iter(occasion.caller.profiles), None)
        content = refills.asked(refills.to_fhir(card, base=None, now=parts.clock()), requester, comment)
        parts.validate.check(content)
        change, answer = changed(parts, writing, made, content, method="POST", base=None)
        told = () if card.doctor is None else (_notice(parts, "refill-requested", str(card.doctor), card, made),)
        return Planned(answer, change, claims=(claim,), notices=told)

    answer = await write_one(parts, writing, plan)
    return card_of(parts, refills, answer), answer


async def requests(
    parts: Parts, using: Prescribing, refills: RefillRecords, occasion: Occasion, logical_id: str
) -> Sequence[RefillCard]:
    """The requests about a prescription, newest first, for everybody who sees it."""
    await read(parts, occasion, ResourceKey(KIND, logical_id))
    return await _requests(parts, refills, occasion, logical_id)


async def decide(
    parts: Parts,
    using: Prescribing,
    refills: RefillRecords,
    occasion: Occasion,
    logical_id: str,
    request_id: str,
    *,
    grant: int,
    reason: str | None = None,
) -> tuple[RefillCard, Answer]:
    """Approve a request, which adds `grant` refills to the prescription, or with 0 deny it.

    For who may prescribe for the patient. Raises `Conflict`: `already_decided`, `prescription_not_active`.
    """
    access.require(occasion.caller, "c", KIND)
    key, task = ResourceKey(KIND, logical_id), ResourceKey(TASK, request_id)
    writing = acting(occasion, "u", TASK, KIND)

    async def plan() -> Planned:
        claim = await supply_claim(parts, key)
        base = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
        if not await may_see(parts, occasion.caller, "u", base):
            raise Forbidden("Only who may prescribe for this patient decides")
        request = parts.reading.decoded(await opened(parts, base))
        card = using.records.from_fhir(request, version=base.head.version, updated=base.head.recorded)
        stored = present(await parts.store.newest(task), task)
        content = parts.reading.decoded(await opened(parts, stored))
        known = refills.from_fhir(content, version=stored.head.version, updated=stored.head.recorded)
        if known.prescription_id != logical_id:
            raise NotFound(f"There is no {task}")
        if known.status != "REQUESTED":
            raise Conflict("This request was decided already", reason="already_decided")
        status: Status = "APPROVED" if grant else "DENIED"
        decided = refills.decided(content, status, reason, parts.clock())
        parts.validate.check(decided)
        change, written = changed(parts, writing, task, decided, method="PUT", base=stored)
        told = _notice(parts, f"refill-{status.lower()}", f"Patient/{card.patient_id}", card, task)
        if not grant:
            return Planned(written, change, claims=(claim,), notices=(told,))
        if card.status not in RUNNING:
            raise Conflict("Only a prescription in force is refilled", reason="prescription_not_active")
        more = using.records.refillable(request, card.refills + grant)
        parts.validate.check(more)
        extended, _ = changed(parts, writing, key, more, method="PUT", base=base)
        return Planned(written, change, claims=(claim,), others=(extended,), notices=(told,))

    answer = await write_one(parts, writing, plan)
    return card_of(parts, refills, answer), answer


async def _requests(parts: Parts, refills: RefillRecords, occasion: Occasion, logical_id: str) -> Sequence[RefillCard]:
    looking = acting(occasion, "s", TASK)
    return (await listed(parts, refills, looking, refills.query(logical_id), after=None, count=MOST))[0]


def _notice(parts: Parts, kind: str, recipient: str, card: PrescriptionCard, task: ResourceKey) -> Notice:
    return Notice(
        id=f"{kind} {task}",
        kind=kind,
        recipients=(recipient,),
        due=parts.clock(),
        patient=card.patient_id,
        about=(f"{KIND}/{card.id}",),
        values={"medication": card.medication.text},
    )
