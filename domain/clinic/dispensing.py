"""Dispensing a prescription, never more often than it allows.

A refill is a MedicationDispense of type refill that authorises itself by the prescription; what remains is what the
prescription allows less the refills there are, never a number kept by hand. Two who dispense at once rely on the same
claim, so that one of them counts again. The first fill does not count: FHIR's `numberOfRepeatsAllowed` is "in addition to
the original dispense". https://hl7.org/fhir/R4/medicationdispense.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from domain import access
from domain.clinic.acting import acting
from domain.clinic.prescription_cards import KIND, RUNNING, PrescriptionCard
from domain.clinic.prescriptions import Prescribing, supply_claim
from domain.clinic.records import card_of, listed, shown
from domain.errors import Conflict, DomainError
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.writing import Planned, changed, write_one
from domain.search import PageKey

DISPENSE = "MedicationDispense"
PAGE = 500


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """What is handed over: the first fill or a refill, how much of it in which unit, and what is noted."""

    first: bool = False
    quantity: Decimal | None = None
    unit: str | None = None
    note: str | None = None

    def __repr__(self) -> str:
        return "Supply(…)"


class Handed(NamedTuple):
    """One dispense as found: the prescription it is of, and whether it is a refill."""

    prescription: str | None
    refill: bool


class DispenseRecords(Protocol):
    """Implemented by `fhir_mapping.friendly.dispenses`."""

    def to_fhir(self, supply: Supply, request: FhirJson, performer: str | None, now: datetime) -> FhirJson:
        """The MedicationDispense of a MedicationRequest by who asks (`Practitioner/1`)."""
        ...

    def handed(self, content: FhirJson) -> Handed | None:
        """What a MedicationDispense stands for; `None` for one that did not take place."""
        ...


class Dispensed(msgspec.Struct, frozen=True):
    """A dispense that was recorded, and the refills it left."""

    id: str
    answer: Answer
    remaining: int
    first: bool
    at: datetime


async def dispense(
    parts: Parts, using: Prescribing, dispenses: DispenseRecords, occasion: Occasion, logical_id: str, supply: Supply
) -> Dispensed:
    """Record that a prescription was dispensed. Raises `Conflict`: `no_refills_left`, `already_filled`,
    `prescription_not_active`; `Forbidden`, `NotFound`."""
    access.require(occasion.caller, "c", DISPENSE)
    key, made = ResourceKey(KIND, logical_id), ResourceKey(DISPENSE, parts.new_id())
    left: list[int] = []

    async def plan() -> Planned:
        claim = await supply_claim(parts, key)
        answer = await read(parts, occasion, key)
        card = card_of(parts, using.records, answer)
        if card.status != "ACTIVE":
            raise Conflict("Only a prescription in force is dispensed", reason="prescription_not_active")
        before = (await handed_out(parts, dispenses, occasion, [logical_id])).get(logical_id, ())
        remaining = card.refills - sum(each.refill for each in before)
        if supply.first and before:
            raise Conflict("This prescription was filled before; what follows are refills", reason="already_filled")
        if not supply.first and remaining <= 0:
            raise Conflict("No refill is left", reason="no_refills_left")
        left[:] = [remaining if supply.first else remaining - 1]
        performer = next((each for each in occasion.caller.profiles if each.startswith("Practitioner")), None)
        content = dispenses.to_fhir(supply, parts.reading.decoded(answer.content or b"{}"), performer, parts.clock())
        parts.validate.check(content)
        change, written = changed(parts, occasion, made, content, method="POST", base=None)
        return Planned(written, change, claims=(claim,))

    answer = await write_one(parts, occasion, plan)
    at = answer.head.recorded if answer.head is not None else parts.clock()
    return Dispensed(made.id, answer, left[0], supply.first, at)


async def handed_out(
    parts: Parts, dispenses: DispenseRecords, occasion: Occasion, prescriptions: Sequence[str]
) -> dict[str, list[Handed]]:
    """What was dispensed of each of these prescriptions, which the caller sees: how often is a part of them, so it is
    counted for everybody alike. Raises what keeps a dispense closed, so that none is overlooked."""
    if not prescriptions:
        return {}
    counting = acting(occasion, "s", DISPENSE)
    names = ",".join(f"{KIND}/{each}" for each in prescriptions)
    query = parts.search.parse(DISPENSE, [("prescription", names), ("_total", "none")], strict=True).query
    found: dict[str, list[Handed]] = {}
    after: PageKey | None = None
    while True:
        page = await search(parts, counting, msgspec.structs.replace(query, after=after, count=PAGE))
        for entry in page.matches:
            if isinstance(entry.content, DomainError):
                raise entry.content
            handed = dispenses.handed(parts.reading.decoded(entry.content))
            if handed is not None and handed.prescription is not None:
                found.setdefault(handed.prescription, []).append(handed)
        after = page.next
        if after is None:
            return found


async def counted(
    parts: Parts, dispenses: DispenseRecords, occasion: Occasion, cards: Sequence[PrescriptionCard]
) -> list[PrescriptionCard]:
    """The cards with the refills that remain; of one that has ended, none."""
    before = await handed_out(parts, dispenses, occasion, [card.id for card in cards])
    return [
        msgspec.structs.replace(card, refills_remaining=_remaining(card, before.get(card.id, ()))) for card in cards
    ]


def _remaining(card: PrescriptionCard, before: Sequence[Handed]) -> int:
    if card.status not in (*RUNNING, "DRAFT"):
        return 0
    return max(card.refills - sum(each.refill for each in before), 0)


async def prescription(
    parts: Parts, using: Prescribing, dispenses: DispenseRecords, occasion: Occasion, logical_id: str
) -> PrescriptionCard:
    """One prescription, with the refills that remain."""
    card = await shown(parts, using.records, occasion, logical_id)
    return (await counted(parts, dispenses, occasion, [card]))[0]


async def prescriptions(
    parts: Parts,
    using: Prescribing,
    dispenses: DispenseRecords,
    occasion: Occasion,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[PrescriptionCard], PageKey | None]:
    """A page of prescriptions, with the refills that remain of each."""
    cards, following = await listed(parts, using.records, occasion, pairs, after=after, count=count)
    return await counted(parts, dispenses, occasion, cards), following
