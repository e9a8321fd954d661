"""Prescriptions: written against what the patient takes already, replaced instead of rewritten, stopped, never removed.

A prescription that must not be is refused with the alerts that say why (`Interacts`), until each is overridden with a
reason; alert and reason are stored with it as DetectedIssues. Prescriptions of one patient are written one after the
other, so two that must not be together cannot both pass unseen. PRODUCT 2.6, 4.2.
https://hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from domain import access
from domain.access import Caller
from domain.clinic.drug_interactions import Alert, Check, overridden
from domain.clinic.drug_tables import DrugTables
from domain.clinic.medication_check import Mode, ReadMedications, check_set
from domain.clinic.prescription_cards import (
    KIND,
    RUNNING,
    Override,
    PrescriptionCard,
    PrescriptionForm,
    PrescriptionRecords,
    Warned,
)
from domain.clinic.records import card_of
from domain.errors import Conflict, InvalidFields
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import base_of
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, changed, write_one
from domain.notices import Notice
from domain.revision import Change, Claim, Stored

SERIOUS = ("contraindicated", "major")
"""Alerts that are stored with the prescription; lesser ones are only told."""


class Interacts(Conflict):
    """What is prescribed must not be given with what the patient takes, or at all; `check` says what was found."""

    def __init__(self, check: Check) -> None:
        super().__init__("This is contraindicated; give a reason for each alert to prescribe it", reason="interaction")
        self.check = check


class Prescribing(NamedTuple):
    """What prescriptions are written with."""

    records: PrescriptionRecords
    reading: ReadMedications
    tables: DrugTables
    mode: Mode = "block"


class Prescribed(msgspec.Struct, frozen=True):
    """What was written, and the check it passed; `None` when checks are off."""

    card: PrescriptionCard
    answer: Answer
    check: Check | None = None

    def __repr__(self) -> str:
        return f"Prescribed({self.answer.status})"


class _Draft(NamedTuple):
    """What is about to be written under `key`: over `base`, or as a new one in place of `prior`."""

    key: ResourceKey
    content: FhirJson
    base: Stored | None = None
    prior: Stored | None = None


async def prescribe(
    parts: Parts,
    using: Prescribing,
    occasion: Occasion,
    form: PrescriptionForm,
    overrides: Sequence[Override] = (),
) -> Prescribed:
    """Write a prescription. Raises `Interacts`, `NotFound` for a patient the caller does not see, `Forbidden`."""
    access.require(occasion.caller, "c", KIND)
    await read(parts, occasion, ResourceKey("Patient", form.patient_id))
    form = _signed(form, occasion.caller)
    draft = _Draft(ResourceKey(KIND, parts.new_id()), using.records.to_fhir(form, base=None, now=parts.clock()))
    checks: list[Check] = []

    async def plan() -> Planned:
        return await _written(parts, using, occasion, form, draft, overrides, checks)

    return _prescribed(parts, using, await write_one(parts, occasion, plan), checks)


async def amend(
    parts: Parts,
    using: Prescribing,
    occasion: Occasion,
    logical_id: str,
    form: PrescriptionForm,
    overrides: Sequence[Override] = (),
    *,
    if_match: frozenset[str] | None = None,
) -> Prescribed:
    """Say something else of a draft (and put it in force); in place of one that is in force, write a new one and stop it.

    Raises what `prescribe` raises, `VersionConflict`, and `Conflict` for one that has ended.
    """
    access.require(occasion.caller, "u", KIND)
    key, replacement = ResourceKey(KIND, logical_id), ResourceKey(KIND, parts.new_id())
    checks: list[Check] = []

    async def plan() -> Planned:
        base = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
        require_match(key, base, if_match)
        content = parts.reading.decoded(await opened(parts, base))
        card = using.records.from_fhir(content, version=base.head.version, updated=base.head.recorded)
        if card.patient_id != form.patient_id:
            raise InvalidFields("A prescription stays with its patient", expression="patientId")
        said = _signed(form, occasion.caller, fallback=card)
        made = using.records.to_fhir(said, base=content, now=parts.clock())
        if card.status == "DRAFT":
            draft = _Draft(key, made, base=base)
        elif card.status in RUNNING:
            fresh = using.records.to_fhir(said, base=None, now=parts.clock())
            draft = _Draft(replacement, using.records.replacing(fresh, key), prior=base)
        else:
            raise Conflict("This prescription has ended; write a new one", reason="prescription_ended")
        return await _written(parts, using, occasion, said, draft, overrides, checks)

    return _prescribed(parts, using, await write_one(parts, occasion, plan), checks)


async def stop(
    parts: Parts,
    using: Prescribing,
    occasion: Occasion,
    logical_id: str,
    reason: str | None,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """End a prescription: a draft is cancelled, one in force is stopped. One that has ended stays as it is.

    For who may prescribe; a pharmacist, who may change the status alone, does that as FHIR.
    """
    access.require(occasion.caller, "c", KIND)
    key = ResourceKey(KIND, logical_id)

    async def plan() -> Planned:
        claim = await supply_claim(parts, key)
        base = present(await base_of(parts, occasion.caller, await parts.store.newest(key), key), key)
        require_match(key, base, if_match)
        content = parts.reading.decoded(await opened(parts, base))
        status = using.records.from_fhir(content, version=base.head.version, updated=base.head.recorded).status
        if status not in (*RUNNING, "DRAFT"):
            return Planned(Answer(204, base.head))
        change, answer = _changed(parts, occasion, key, using.records.ended(content, reason), base)
        return Planned(msgspec.structs.replace(answer, status=204), change, claims=(claim,))

    return await write_one(parts, occasion, plan)


async def supply_claim(parts: Parts, key: ResourceKey) -> Claim:
    """What dispensing and stopping a prescription both rely on: of two at once, one sees what the other did."""
    name = f"supply of {key}"
    return Claim(name, (await parts.store.claim([name]))[0])


async def _written(
    parts: Parts,
    using: Prescribing,
    occasion: Occasion,
    form: PrescriptionForm,
    draft: _Draft,
    overrides: Sequence[Override],
    checks: list[Check],
) -> Planned:
    """The plan that writes a prescription with the issues it has, and stops the one it replaces."""
    name = f"prescriptions of Patient/{form.patient_id}"
    claims = [Claim(name, (await parts.store.claim([name]))[0])]
    reasons = {each.alert: each for each in overrides}
    warned: tuple[Warned, ...] = ()
    checks.clear()
    if using.mode != "off":
        check = await _checked(parts, using, occasion, form, draft)
        checks.append(check)
        if not form.draft:
            if using.mode == "block":
                _require_reasons(check, reasons)
            serious = (alert for alert in check.alerts if alert.severity in SERIOUS)
            warned = tuple(_warned(alert, draft, form, reasons) for alert in serious)
    issues = [(ResourceKey("DetectedIssue", parts.new_id()), each) for each in warned]
    content = using.records.warned(draft.content, tuple(key for key, _ in issues))
    change, answer = _changed(parts, occasion, draft.key, content, draft.base)
    now = parts.clock()
    others = []
    for issue, each in issues:
        labels = (*parts.describe.sensitivity(content, KIND), *await _labels(parts, each.alert))
        made = using.records.labelled(using.records.issue(each, now), labels)
        others.append(_changed(parts, occasion, issue, made, None)[0])
    if draft.prior is not None:
        claims.append(await supply_claim(parts, draft.prior.head.key))
        others.append(await _stopped(parts, using, occasion, draft.prior))
    notices = () if form.draft else (_notice(parts, form, answer),)
    return Planned(answer, change, claims=tuple(claims), others=tuple(others), notices=notices)


async def _checked(
    parts: Parts, using: Prescribing, occasion: Occasion, form: PrescriptionForm, draft: _Draft
) -> Check:
    own = {str(draft.key)} | ({str(draft.prior.head.key)} if draft.prior is not None else set())
    found = await check_set(parts, using.reading, occasion, form.patient_id, without=frozenset(own))
    known = await using.tables.active()
    medication = msgspec.structs.replace(form.medication, reference=str(draft.key))
    return known.check((medication,), found.taken, found.allergies)


def _require_reasons(check: Check, reasons: Mapping[str, Override]) -> None:
    if overridden(check.alerts, {name: each.reason for name, each in reasons.items()}):
        raise Interacts(check)


def _warned(alert: Alert, draft: _Draft, form: PrescriptionForm, reasons: Mapping[str, Override]) -> Warned:
    return Warned(alert, draft.key, form.patient_id, form.doctor, reasons.get(alert.id))


async def _labels(parts: Parts, alert: Alert) -> tuple[str, ...]:
    """The labels of what an alert is about: it names it, so it is as closed as that."""
    keys = [ResourceKey(*each.split("/", 1)) for each in alert.references if each is not None]
    return tuple(label for one in await parts.store.newest_of(keys) if one is not None for label in one.head.labels)


async def _stopped(parts: Parts, using: Prescribing, occasion: Occasion, prior: Stored) -> Change:
    content = parts.reading.decoded(await opened(parts, prior))
    return _changed(parts, occasion, prior.head.key, using.records.ended(content, "Replaced"), prior)[0]


def _changed(
    parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored | None
) -> tuple[Change, Answer]:
    parts.validate.check(content)
    return changed(parts, occasion, key, content, method="POST" if base is None else "PUT", base=base)


def _notice(parts: Parts, form: PrescriptionForm, answer: Answer) -> Notice:
    name = answer.targets[0]
    return Notice(
        id=f"prescription-issued {name}",
        kind="prescription-issued",
        recipients=(f"Patient/{form.patient_id}",),
        due=parts.clock(),
        patient=form.patient_id,
        about=(name.rpartition("/")[0],),
        values={"medication": form.medication.text},
    )


def _signed(form: PrescriptionForm, caller: Caller, fallback: PrescriptionCard | None = None) -> PrescriptionForm:
    """The form with who prescribes: somebody named, who asks, or who did before. Raises `InvalidFields` for nobody."""
    if form.doctor is not None:
        return form
    before = str(fallback.doctor) if fallback is not None and fallback.doctor is not None else None
    doctor = next((each for each in caller.profiles if each.startswith("Practitioner/")), before)
    if doctor is None:
        raise InvalidFields("Say who prescribes", expression="doctorId")
    return msgspec.structs.replace(form, doctor=doctor)


def _prescribed(parts: Parts, using: Prescribing, answer: Answer, checks: Sequence[Check]) -> Prescribed:
    return Prescribed(card_of(parts, using.records, answer), answer, checks[0] if checks else None)
