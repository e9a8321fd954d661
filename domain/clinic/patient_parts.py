"""What is said and shown together with a patient though it stands in resources of its own: insurance, history, diet.

Written in the transaction of the Patient, each by its own rule: insurance by who may write Coverage, what concerns health by
who treats people (`DECISIONS.md`). Shown as far as the caller may read it.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from domain.blobs import BlobClaim
from domain.clinic.acting import acting
from domain.clinic.chart import Entry
from domain.clinic.document_cards import DocumentForm
from domain.clinic.insurance import InsuranceCard, InsuranceForm
from domain.clinic.patient_cards import Diet, PatientForm
from domain.clinic.patient_kinds import PatientKinds, diet_key, history_key
from domain.errors import DomainError, Forbidden, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.binaries import inlined
from domain.interactions.carrying import carried
from domain.interactions.guarding import authorize, may_see
from domain.interactions.parts import Occasion, Parts, opened
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.writing import changed
from domain.revision import Change, Head, Stored, same_content


class Present(NamedTuple):
    """A resource there is, opened."""

    head: Head
    content: FhirJson


class Said(NamedTuple):
    """The changes that a form means beside the Patient, and the documents published with them."""

    changes: tuple[Change, ...] = ()
    blobs: tuple[BlobClaim, ...] = ()


class Beside(msgspec.Struct, frozen=True):
    """What is shown beside the Patient: `None` for what the caller may not see."""

    insurance: tuple[InsuranceCard, ...] | None = None
    medical_history: str | None = None
    dietary_preferences: Diet | None = None
    provider: str | None = None

    def __repr__(self) -> str:
        return "Beside(…)"


class Parted:
    """The parts of one patient. `author` is who writes, as they are called in the records."""

    def __init__(
        self, parts: Parts, kinds: PatientKinds, occasion: Occasion, patient: ResourceKey, author: str | None = None
    ) -> None:
        self._parts = parts
        self._kinds = kinds
        self._occasion = occasion
        self._patient = patient
        self._author = author

    async def said(self, form: PatientForm, *, new: bool) -> Said:
        """The changes that `form` means; everything is allowed where the patient is `new`, or checked here."""
        found: list[Change] = []
        blobs: tuple[BlobClaim, ...] = ()
        if form.insurance is not UNSET:
            found += await self._insurances(form.insurance or (), new=new)
        if form.dietary_preferences is not UNSET:
            found += await self._diet(form.dietary_preferences or Diet())
        if form.medical_history is not UNSET:
            history = await self._history(form.medical_history)
            found, blobs = [*found, *history.changes], history.blobs
        return Said(tuple(found), blobs)

    async def shown(self, provider: str | None) -> Beside:
        """What the caller may see. `provider` is the id of the Organization whose name is shown."""
        insurance, history, diet, name = await asyncio.gather(
            self._shown_insurance(), self._shown_history(), self._shown_diet(), self._provider_name(provider)
        )
        return Beside(insurance, history, diet, name)

    async def _insurances(self, wanted: Sequence[InsuranceForm], *, new: bool) -> list[Change]:
        """Those said, each by its policy number; the others of the patient are cancelled."""
        records, now = self._kinds.insurances, self._parts.clock()
        there = [] if new else await self._all("Coverage", ("status", "active"))
        by_policy = {each.content.get("subscriberId"): each for each in there}
        found: list[Change] = []
        for form in wanted:
            known = by_policy.pop(form.policy_number, None)
            entry = Entry(form, self._patient.id, self._author)
            found += await self._next(
                records.type, records.to_fhir(entry, base=known and known.content, now=now), known
            )
        for left in by_policy.values():
            found += await self._next(records.type, records.withdrawn(left.content) or left.content, left)
        if not new:
            for change in found:
                await authorize(self._parts, self._occasion.caller, change)
        return found

    async def _diet(self, wanted: Diet) -> list[Change]:
        """Allergies that are not there yet are added, those that only a form has said and says no more are over."""
        diets, now = self._kinds.diets, self._parts.clock()
        there = await self._all("AllergyIntolerance", ("category", "food"))
        known = {text.casefold(): each for each in there if (text := diets.substance(each.content))}
        said = {text.casefold(): text for text in wanted.allergies}
        found: list[Change] = []
        for word, text in said.items():
            if word not in known:
                made = diets.allergy(text, patient=self._patient.id, author=self._author, now=now)
                found += await self._next("AllergyIntolerance", made, None)
        for word, allergy in known.items():
            over = diets.over(allergy.content) if word not in said else None
            found += await self._next("AllergyIntolerance", over, allergy) if over is not None else []
        return [*found, *await self._restrictions(wanted.restrictions)]

    async def _restrictions(self, wanted: Sequence[str]) -> list[Change]:
        key = diet_key(self._patient)
        known = await self._present(key)
        if known is None and not wanted:
            return []
        base = known and known.content
        content = self._kinds.diets.restricted(
            wanted, patient=self._patient.id, author=self._author, now=self._parts.clock(), base=base
        )
        return await self._next(key.type, content, known, key)

    async def _history(self, text: str | None) -> Said:
        """The history in words, as a document; without any it was entered in error."""
        key = history_key(self._patient)
        known = await self._present(key)
        before = None if known is None else await self._text(known)
        if text == before:
            return Said()
        if text is None:
            withdrawn = self._kinds.documents.withdrawn(known.content) if known else {}
            return Said(tuple(await self._next(key.type, withdrawn, known, key)))
        form = DocumentForm(type="history", title="Medical history", author=self._author)
        content = self._kinds.documents.to_fhir(form, patient=self._patient.id, now=self._parts.clock())
        data = b64encode(text.encode()).decode()
        content["content"][0]["attachment"] |= {"contentType": "text/plain; charset=utf-8", "data": data}
        base = await self._parts.store.newest(key)
        planned = await carried(self._parts, self._occasion, key, content, method="PUT" if base else "POST", base=base)
        changes = (planned.change, *planned.others) if planned.change else ()
        return Said(changes, planned.blobs)

    async def _next(
        self, kind: str, content: FhirJson, known: Present | None, key: ResourceKey | None = None
    ) -> list[Change]:
        """The change to `content`; none when it is what is there. What FHIR does not allow raises `InvalidContent`."""
        parts = self._parts
        key = known.head.key if known else key or ResourceKey(kind, parts.new_id())
        content = {**content, "id": key.id}
        parts.validate.check(content)
        base = await parts.store.newest(key) if known else None
        if base is not None and not base.head.deleted and same_content(content, base, await opened(parts, base)):
            return []
        method = "PUT" if base else "POST"
        change, _ = changed(parts, self._occasion, key, content, method="PUT" if method == "PUT" else "POST", base=base)
        return [change]

    async def _all(self, kind: str, *pairs: tuple[str, str]) -> list[Present]:
        """What there is of a type, whoever may see it."""
        found = await search(
            self._parts,
            acting(self._occasion, "s", kind),
            msgspec.structs.replace(
                self._parts.search.parse(
                    kind, [("patient", self._patient.id), *pairs, ("_total", "none")], strict=True
                ).query,
                count=200,
            ),
        )
        return [
            Present(entry.head, self._parts.reading.decoded(entry.content))
            for entry in found.matches
            if not isinstance(entry.content, DomainError)
        ]

    async def _visible(self, kind: str, *pairs: tuple[str, str]) -> list[Present] | None:
        """What the caller may read of a type; `None` when that is nothing by rule."""
        caller = self._occasion.caller
        if not caller.may("r", kind):
            return None
        found = await self._all(kind, *pairs)
        return [each for each in found if await may_see(self._parts, caller, "r", Stored(each.head))]

    async def _present(self, key: ResourceKey) -> Present | None:
        """A resource that is there, whoever may see it."""
        stored = await self._parts.store.newest(key)
        if stored is None or stored.head.deleted:
            return None
        return Present(stored.head, self._parts.reading.decoded(await opened(self._parts, stored)))

    async def _shown_insurance(self) -> tuple[InsuranceCard, ...] | None:
        found = await self._visible("Coverage", ("status", "active"))
        records = self._kinds.insurances
        if found is None:
            return None
        return tuple(
            records.from_fhir(each.content, version=each.head.version, updated=each.head.recorded) for each in found
        )

    async def _shown_history(self) -> str | None:
        known = await self._read(history_key(self._patient))
        return None if known is None else await self._text(known)

    async def _shown_diet(self) -> Diet | None:
        allergies = await self._visible("AllergyIntolerance", ("category", "food"))
        order = await self._read(diet_key(self._patient))
        if allergies is None:
            return None
        diets = self._kinds.diets
        names = (diets.substance(each.content) for each in allergies)
        restrictions = diets.restrictions(order.content) if order else ()
        return Diet(allergies=tuple(name for name in names if name), restrictions=restrictions)

    async def _provider_name(self, organization: str | None) -> str | None:
        known = await self._read(ResourceKey("Organization", organization)) if organization else None
        name: str | None = known.content.get("name") if known else None
        return name

    async def _read(self, key: ResourceKey) -> Present | None:
        """A resource, if the caller may see it."""
        try:
            answer = await read(self._parts, self._occasion, key)
        except (NotFound, Forbidden):
            return None
        if answer.head is None or answer.content is None:
            return None
        return Present(answer.head, self._parts.reading.decoded(answer.content))

    async def _text(self, document: Present) -> str | None:
        """The words of a history that is in force."""
        if document.content.get("status") != "current":
            return None
        occasion = acting(self._occasion, "r", "Binary", document.head.key.type)
        content = self._parts.reading.decoded(
            await inlined(self._parts, occasion, msgspec.json.encode(document.content))
        )
        data: str | None = content["content"][0]["attachment"].get("data")
        return None if data is None else b64decode(data).decode("utf-8", "replace")
