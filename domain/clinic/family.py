"""Family profiles: one account acts for several patients. PRODUCT 2.1; https://hl7.org/fhir/R4/relatedperson.html

A guardian is a RelatedPerson of each dependant, with a Consent and a period, and their account has that RelatedPerson as one of
its profiles: from then on whatever the dependant may do, the guardian may. It ends with the period (a child's on the day before
they come of age) or when somebody ends it, at once. Whoever is a patient makes profiles of their own new children; for
somebody who is in the records already, or is of age, the clinic does it: a claim to be somebody's parent proves nothing.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import msgspec

from domain.accounts.account import Account
from domain.accounts.people import People
from domain.accounts.ports import AccountQuery
from domain.clinic.acting import acting
from domain.clinic.duplicates import look, refused
from domain.clinic.family_cards import MAJORITY, FamilyTie, Member, MemberForm
from domain.clinic.family_members import Kinds, card_of, files, member_of, tie_of
from domain.clinic.patient_cards import PatientForm
from domain.clinic.patient_kinds import member_key
from domain.errors import Conflict, Forbidden, InvalidFields, NotFound, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Claim, Stored

_WRITTEN = ("Patient", "RelatedPerson", "Consent")
_TRIES = 5


class _Pair(NamedTuple):
    """Guardian and dependant. `new` is the dependant's Patient when there is none yet."""

    guardian: FhirJson
    dependant: ResourceKey
    born: date | None
    new: FhirJson | None
    claims: tuple[Claim, ...] = ()


async def joined(
    parts: Parts, people: People, kinds: Kinds, occasion: Occasion, guardian: ResourceKey, form: MemberForm
) -> tuple[Member, Answer]:
    """Make `guardian` act for a dependant.

    Raises `Forbidden` (`family_needs_staff`) where only the clinic may do this, `Conflict` when the guardian has no account
    (`guardian_has_no_account`), acts for them already (`already_family`), or the dependant may be in the records.
    """
    account = await _account(people, occasion, guardian)

    async def plan() -> Planned:
        pair = await _pair(parts, kinds, occasion, guardian, form)
        key = member_key(guardian, pair.dependant)
        base = await parts.store.newest(key)
        until = _until(parts, form, pair.born)
        there = base is not None and not base.head.deleted and (await tie_of(parts, kinds, base)).active
        if there and str(key) in account.profiles:
            raise Conflict("They act for this patient already", reason="already_family")
        content = kinds.families.related(
            pair.guardian, pair.dependant, form.relationship, since=parts.clock(), until=until
        )
        related, answer = await _change(parts, occasion, key, content, base)
        consent_key = ResourceKey("Consent", key.id)
        permit = kinds.families.consent(key, pair.dependant, now=parts.clock(), until=until)
        consent, _ = await _change(parts, occasion, consent_key, permit, await parts.store.newest(consent_key))
        others = [consent]
        if pair.new is not None:
            others.append((await _change(parts, occasion, pair.dependant, pair.new, None))[0])
        return Planned(answer, related, pair.claims, tuple(others))

    answer = await write_one(parts, acting(occasion, "c", *_WRITTEN), plan)
    if answer.head is None or answer.content is None:
        raise ValueError("what was written has content")
    await _linked(people, account.id, str(answer.head.key), present=True)
    tie = kinds.families.tie(parts.reading.decoded(answer.content), parts.clock().date())
    return await member_of(parts, kinds, occasion, tie, answer, guardian), answer


async def left(
    parts: Parts, people: People, kinds: Kinds, occasion: Occasion, patient: ResourceKey, member: str
) -> Answer:
    """End a tie of the family of `patient`, from whichever side; access ends with it, at once.

    The guardian may, the dependant once they are of age, and who files either for the clinic. Raises `NotFound`, `Forbidden`.
    """
    await read(parts, occasion, patient)
    key = ResourceKey("RelatedPerson", member)
    stored = await parts.store.newest(key)
    tie = await tie_of(parts, kinds, present(stored, key)) if stored is not None else None
    if tie is None or patient.id not in (tie.guardian, tie.dependant) or tie.guardian is None:
        raise NotFound(f"There is no {key} in the family of {patient}")
    await _require_party(parts, kinds, occasion, tie, patient)

    async def plan() -> Planned:
        changes: list[Change] = []
        answers: list[Answer] = []
        for each in (key, ResourceKey("Consent", key.id)):
            base = present(await parts.store.newest(each), each)
            before = parts.reading.decoded(await opened(parts, base))
            change, answer = await _change(parts, occasion, each, kinds.families.ended(before, parts.clock()), base)
            changes.append(change)
            answers.append(answer)
        return Planned(answers[0], changes[0], (), tuple(changes[1:]))

    answer = await write_one(parts, acting(occasion, "u", *_WRITTEN), plan)
    guardian = f"Patient/{tie.guardian}"
    for account in await people.accounts.page(AccountQuery(profile=guardian), after="", count=10):
        await _linked(people, account.id, str(key), present=False)
    return answer


async def _account(people: People, occasion: Occasion, guardian: ResourceKey) -> Account:
    """The account that will act: the caller's own, if they are the guardian, else that of the guardian."""
    found = await people.accounts.page(AccountQuery(profile=str(guardian)), after="", count=10)
    active = [each for each in found if each.status == "ACTIVE" and "PATIENT" in each.roles]
    own = [each for each in active if each.id == occasion.caller.account]
    if not active:
        raise Conflict("The guardian has no account that could act for anybody", reason="guardian_has_no_account")
    return (own or active)[0]


async def _pair(parts: Parts, kinds: Kinds, occasion: Occasion, guardian: ResourceKey, form: MemberForm) -> _Pair:
    """Who is to act for whom. Raises `Forbidden` for what the caller may not say, `NotFound` for whom they do not see."""
    answer = await read(parts, occasion, guardian)
    content = parts.reading.decoded(answer.content or b"{}")
    staff = await files(parts, occasion, guardian)
    if not (staff or str(guardian) in occasion.caller.profiles):
        raise _needs_staff()
    if form.patient_id is not None:
        if not staff:
            raise _needs_staff()
        key = ResourceKey("Patient", form.patient_id)
        if key == guardian:
            raise InvalidFields("Nobody is their own dependant", expression="patientId")
        if not await files(parts, occasion, key):
            raise _needs_staff()
        card = await card_of(parts, kinds, present(await parts.store.newest(key), key))
        return _Pair(content, key, card.date_of_birth, None)
    return await _newcomer(parts, kinds, occasion, content, form, staff=staff)


async def _newcomer(
    parts: Parts, kinds: Kinds, occasion: Occasion, guardian: FhirJson, form: MemberForm, *, staff: bool
) -> _Pair:
    """A dependant who is new here, of the guardian's organization."""
    if form.date_of_birth is None:
        raise InvalidFields("A new dependant needs a dateOfBirth", expression="dateOfBirth")
    if not staff and parts.clock().date() >= of_age(form.date_of_birth):
        raise Forbidden("Who is of age decides for themselves, with the clinic", reason="family_needs_staff")
    said = PatientForm(
        first_name=form.first_name, last_name=form.last_name, date_of_birth=form.date_of_birth, gender=form.gender
    )
    records = kinds.patients.patients
    content = records.to_fhir(said, base=None, now=parts.clock())
    organization = guardian.get("managingOrganization", {}).get("reference")
    content = records.assigned(content, organization=organization, practitioner=None)
    found = await look(parts, kinds.patients.likeness, occasion, content)
    if found.candidates:
        raise refused(found)
    key = ResourceKey("Patient", parts.new_id())
    return _Pair(guardian, key, form.date_of_birth, content, found.claims)


def of_age(born: date) -> date:
    """The day somebody comes of age; who was born on a 29 February does on 1 March."""
    try:
        return born.replace(year=born.year + MAJORITY)
    except ValueError:
        return date(born.year + MAJORITY, 3, 1)


def _until(parts: Parts, form: MemberForm, born: date | None) -> date | None:
    """The last day: as said, and of a child never after they come of age. An adult needs a day that is said."""
    today = parts.clock().date()
    if form.until is not None and form.until < today:
        raise InvalidFields("It would be over already", expression="until")
    majority = of_age(born) - timedelta(days=1) if born is not None else None
    if majority is None or majority < today:
        if form.until is None:
            raise InvalidFields("For somebody who is of age, say until when", expression="until")
        return form.until
    return min(form.until or majority, majority)


async def _require_party(parts: Parts, kinds: Kinds, occasion: Occasion, tie: FamilyTie, patient: ResourceKey) -> None:
    profiles = occasion.caller.profiles
    if f"Patient/{tie.guardian}" in profiles or await files(parts, occasion, patient):
        return
    if f"Patient/{tie.dependant}" in profiles:
        own = ResourceKey("Patient", tie.dependant or "")
        card = await card_of(parts, kinds, present(await parts.store.newest(own), own))
        if card.date_of_birth is None or of_age(card.date_of_birth) <= parts.clock().date():
            return
    raise _needs_staff()


async def _change(
    parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored | None
) -> tuple[Change, Answer]:
    content = {**content, "id": key.id}
    parts.validate.check(content)
    return changed(parts, occasion, key, content, method="PUT" if base else "POST", base=base)


async def _linked(people: People, account_id: str, profile: str, *, present: bool) -> None:
    """Give an account a profile, or take it away. May be repeated: a family is made, and then the account follows."""
    for _ in range(_TRIES):
        account = await people.accounts.find(account_id)
        if account is None or (profile in account.profiles) is present:
            return
        left = tuple(each for each in account.profiles if each != profile)
        profiles = (*left, profile) if present else left
        after = msgspec.structs.replace(account, profiles=profiles, version=account.version + 1, updated=people.clock())
        try:
            await people.accounts.replace(after)
        except VersionConflict:
            continue
        return
    raise Conflict("Somebody else keeps changing this account; try again", reason="contention")


def _needs_staff() -> Forbidden:
    return Forbidden("This needs somebody of the clinic, who sees who you are", reason="family_needs_staff")
