"""Laboratory reports in a chart: a report and its results in one write, shown together, corrected, never deleted.

Who may do what is decided by the interactions: a laboratory with an order writes, who treats the patient reads, and the patient
reads what is final. https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.clinic.chart import author
from domain.clinic.lab_result_cards import LabRecords, LabReportCard, LabReportForm
from domain.clinic.patient_kinds import profile_of
from domain.clinic.records import Kept
from domain.errors import DomainError, Gone, NotFound
from domain.identity import FhirJson, ResourceKey
from domain.interactions.guarding import authorize, may_see
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.search import search
from domain.interactions.update import require_match
from domain.interactions.writing import Planned, changed, write_one
from domain.revision import Change, Stored
from domain.search import PageKey

KIND, RESULT = "DiagnosticReport", "Observation"


async def reported(
    parts: Parts, records: LabRecords, occasion: Occasion, patient: ResourceKey, said: LabReportForm
) -> Kept[LabReportCard]:
    """Write a new report with its results. Raises `NotFound`, `Forbidden`, `InvalidFields`."""
    access.require(occasion.caller, "c", KIND)
    await read(parts, occasion, patient)
    key = ResourceKey(KIND, parts.new_id())

    async def plan() -> Planned:
        return await _planned(parts, records, occasion, patient, key, said, None)

    return await _kept(parts, records, occasion, await write_one(parts, occasion, plan))


async def corrected(
    parts: Parts,
    records: LabRecords,
    occasion: Occasion,
    patient: ResourceKey,
    report_id: str,
    said: LabReportForm,
    *,
    if_match: frozenset[str] | None = None,
) -> Kept[LabReportCard]:
    """Say what a report should have said; results it has no more were entered in error. Raises `VersionConflict`."""
    access.require(occasion.caller, "u", KIND)
    key = ResourceKey(KIND, report_id)

    async def plan() -> Planned:
        base, _ = await _standing(parts, records, occasion, patient, key)
        require_match(key, base, if_match)
        return await _planned(parts, records, occasion, patient, key, said, base)

    return await _kept(parts, records, occasion, await write_one(parts, occasion, plan))


async def withdrawn(
    parts: Parts,
    records: LabRecords,
    occasion: Occasion,
    patient: ResourceKey,
    report_id: str,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Mark a report and its results as entered in error: they are shown no more, their history stays."""
    access.require(occasion.caller, "u", KIND)
    key = ResourceKey(KIND, report_id)

    async def plan() -> Planned:
        base, content = await _standing(parts, records, occasion, patient, key)
        require_match(key, base, if_match)
        change, answer = changed(parts, occasion, key, records.withdrawn(content), method="PUT", base=base)
        others = [
            await _next(parts, occasion, each, records.withdrawn(body), stored)
            for each, stored, body in await _results(parts, records, content)
        ]
        return Planned(answer, change, (), tuple(others))

    return await write_one(parts, occasion, plan)


async def shown(
    parts: Parts, records: LabRecords, occasion: Occasion, patient: ResourceKey, report_id: str
) -> Kept[LabReportCard]:
    """A report with its results. Raises `NotFound` unless it is in this chart, `Gone` for a withdrawn one."""
    await read(parts, occasion, patient)
    key = ResourceKey(KIND, report_id)
    base, _ = await _standing(parts, records, occasion, patient, key)
    return await _kept(parts, records, occasion, Answer(200, base.head, await opened(parts, base)))


async def listed(
    parts: Parts,
    records: LabRecords,
    occasion: Occasion,
    patient: ResourceKey,
    pairs: Sequence[tuple[str, str]],
    *,
    after: PageKey | None,
    count: int,
) -> tuple[Sequence[LabReportCard], PageKey | None]:
    """A page of reports with their results, all of which are fetched together."""
    await read(parts, occasion, patient)
    query = parts.search.parse(KIND, [("patient", patient.id), *pairs, ("_total", "none")], strict=True).query
    found = await search(parts, occasion, msgspec.structs.replace(query, after=after, count=count))
    reports = [
        (entry.head, parts.reading.decoded(entry.content))
        for entry in found.matches
        if not isinstance(entry.content, DomainError)
    ]
    results = await _visible(parts, occasion, [key for _, content in reports for key in records.results(content)])
    cards = [
        records.from_fhir(
            content,
            [results[key] for key in records.results(content) if key in results],
            version=head.version,
            updated=head.recorded,
        )
        for head, content in reports
    ]
    return cards, found.next


async def _planned(
    parts: Parts,
    records: LabRecords,
    occasion: Occasion,
    patient: ResourceKey,
    key: ResourceKey,
    said: LabReportForm,
    base: Stored | None,
) -> Planned:
    """The report and its results as `said`; the results there are keep their places, and so their ids."""
    caller = occasion.caller
    performer = await author(parts, caller, patient) or profile_of(caller, "Practitioner")
    performer = performer or next(iter(caller.organizations), None)
    before = parts.reading.decoded(await opened(parts, base)) if base is not None else None
    there = await _results(parts, records, before) if before is not None else []
    keys = [each for each, _, _ in there][: len(said.results)]
    keys += [ResourceKey(RESULT, parts.new_id()) for _ in said.results[len(keys) :]]
    content = records.report(
        said, patient=patient.id, performer=performer, results=keys, base=before, now=parts.clock()
    )
    known = {each: (stored, body) for each, stored, body in there}
    others: list[Change] = []
    for place, (each, measured) in enumerate(zip(keys, said.results, strict=True)):
        stored, body = known.pop(each, (None, None))
        made = records.observation(measured, content, patient=patient.id, performer=performer, place=place, base=body)
        others.append(await _next(parts, occasion, each, made, stored))
    for each, (stored, body) in known.items():
        others.append(await _next(parts, occasion, each, records.withdrawn(body or {}), stored))
    parts.validate.check({**content, "id": key.id})
    change, answer = changed(parts, occasion, key, content, method="PUT" if base else "POST", base=base)
    return Planned(answer, change, (), tuple(others))


async def _next(parts: Parts, occasion: Occasion, key: ResourceKey, content: FhirJson, base: Stored | None) -> Change:
    """The change of one result, which the caller must be allowed to make by itself."""
    parts.validate.check({**content, "id": key.id})
    change, _ = changed(parts, occasion, key, content, method="PUT" if base else "POST", base=base)
    await authorize(parts, occasion.caller, change)
    return change


async def _standing(
    parts: Parts, records: LabRecords, occasion: Occasion, patient: ResourceKey, key: ResourceKey
) -> tuple[Stored, FhirJson]:
    """A laboratory report of this patient that the caller sees."""
    await read(parts, occasion, key)
    base = present(await parts.store.newest(key), key)
    content = parts.reading.decoded(await opened(parts, base))
    if base.head.patient != patient.id:
        raise NotFound(f"There is no {key} in the chart of {patient}")
    if not records.holds(content):
        raise (
            Gone(f"{key} was withdrawn")
            if content.get("status") == "entered-in-error"
            else NotFound(f"There is no {key}")
        )
    return base, content


async def _results(parts: Parts, records: LabRecords, report: FhirJson) -> list[tuple[ResourceKey, Stored, FhirJson]]:
    """The results of a report that are there."""
    keys = records.results(report)
    stored = [
        (key, one)
        for key, one in zip(keys, await parts.store.newest_of(keys), strict=True)
        if one and not one.head.deleted
    ]
    contents = await parts.store.open([one for _, one in stored])
    return [
        (key, one, parts.reading.decoded(content))
        for (key, one), content in zip(stored, contents, strict=True)
        if isinstance(content, bytes)
    ]


async def _visible(parts: Parts, occasion: Occasion, keys: Sequence[ResourceKey]) -> dict[ResourceKey, FhirJson]:
    """Those of some results that the caller may read, opened together."""
    stored = [one for one in await parts.store.newest_of(keys) if one is not None and not one.head.deleted]
    seen = [one for one in stored if await may_see(parts, occasion.caller, "r", one)]
    contents = await parts.store.open(seen)
    return {
        one.head.key: parts.reading.decoded(content)
        for one, content in zip(seen, contents, strict=True)
        if isinstance(content, bytes)
    }


async def _kept(parts: Parts, records: LabRecords, occasion: Occasion, answer: Answer) -> Kept[LabReportCard]:
    """A report that was read or written, as it is shown to this caller."""
    if answer.head is None or answer.content is None:
        raise Gone("There is no content")
    content = parts.reading.decoded(answer.content)
    results = await _visible(parts, occasion, records.results(content))
    known = [results[key] for key in records.results(content) if key in results]
    card = records.from_fhir(content, known, version=answer.head.version, updated=answer.head.recorded)
    return Kept(card, answer)
