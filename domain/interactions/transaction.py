"""FHIR transaction: https://hl7.org/fhir/R4/http.html#transaction, processing rules https://hl7.org/fhir/R4/http.html#trules

All entries are stored, or none. Conditions are evaluated against the state before the transaction, deletes come before
creates before updates, references by fullUrl or by condition become literal, and everything is one `Write`: one commit,
one audit entry. GET entries are left to the caller, who answers them after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain import access
from domain.errors import InvalidRequest
from domain.identity import FhirJson, ResourceKey
from domain.interactions.bringing import brought_by
from domain.interactions.brought import Brought
from domain.interactions.carrying import planned_of
from domain.interactions.conditions import Match, match, pairs_of
from domain.interactions.delete import deleting
from domain.interactions.documents_together import take_out
from domain.interactions.entries import Entry, Target, accepted_versions, at_entry, write_target
from domain.interactions.guarding import authorize, base_of
from domain.interactions.linking import targets_of
from domain.interactions.pacing import Pace, side_by_side
from domain.interactions.parts import Answer, Occasion, Parts, kept_receipt, opened, present
from domain.interactions.patch import patch_document, patching
from domain.interactions.update import conditional_target, replacing, require_id, require_match
from domain.interactions.writing import Planned, answer_again, authorize_others, commit, receipt_of, until_settled
from domain.revision import Change, Claim, Stored, Write, touched_patients

ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2}
_RIGHTS: dict[str, access.Right] = {"DELETE": "d", "POST": "c", "PUT": "u", "PATCH": "u"}


class Step(msgspec.Struct):
    """One writing entry on its way: filled in as the transaction proceeds."""

    index: int
    entry: Entry
    target: Target
    content: FhirJson | None = None
    match: Match | None = None
    key: ResourceKey | None = None
    base: Stored | None = None
    twin: Step | None = None
    brought: Brought | None = None

    @property
    def creates_or_replaces(self) -> bool:
        """Whether the content of this entry is stored."""
        return self.twin is None and (self.entry.method == "PUT" or (self.entry.method == "POST" and self.base is None))

    def __repr__(self) -> str:
        return f"Step({self.index}, {self.entry.method})"


async def transaction(parts: Parts, occasion: Occasion, entries: Sequence[Entry], base_url: str) -> list[Answer | None]:
    """Carry out every writing entry, or none. Answers in the order of the entries; `None` for GET and HEAD."""
    targets = [_target(index, entry, base_url) for index, entry in enumerate(entries)]
    for target, entry in zip(targets, entries, strict=True):
        if target is not None:
            access.require(occasion.caller, _RIGHTS[entry.method], target.type)

    async def attempt() -> list[Answer | None]:
        receipt = await kept_receipt(parts, occasion.retryable)
        if receipt is not None:
            again = iter([await answer_again(parts, occasion, outcome) for outcome in receipt.outcomes])
            return [None if target is None else next(again) for target in targets]
        steps = [Step(i, e, t) for i, (e, t) in enumerate(zip(entries, targets, strict=True)) if t is not None]
        planned = await _plan(parts, occasion, steps)
        await _commit(parts, occasion, steps, planned)
        answers = {step.index: msgspec.structs.replace(p.answer, recorded=True) for step, p in planned}
        return [answers.get(index) for index in range(len(entries))]

    return await until_settled(attempt)


def _target(index: int, entry: Entry, base_url: str) -> Target | None:
    with at_entry(index):
        if entry.method in ("GET", "HEAD"):
            return None
        if entry.method not in ORDER:
            raise InvalidRequest(f"A transaction entry cannot {entry.method[:16]!r}", code="value")
        target = write_target(entry, base_url)
        if entry.method != "DELETE" and entry.resource is None:
            raise InvalidRequest(f"A {entry.method} entry needs a resource", code="required")
        return target


async def _plan(parts: Parts, occasion: Occasion, steps: list[Step]) -> list[tuple[Step, Planned]]:
    await _read_contents(parts, steps)
    await _evaluate_conditions(parts, occasion, steps)
    links = _assign_keys(parts, steps)
    _refuse_double_writes(steps)
    await _link(parts, occasion, steps, links)
    await _read_bases(parts, occasion, steps)
    await take_out(parts, occasion, steps)
    planned: list[tuple[Step, Planned]] = []
    fresh = {step.key for step in steps if step.key is not None and step.base is None and step.creates_or_replaces}
    pace = Pace()
    for step in sorted(steps, key=lambda s: (s.twin is not None, ORDER[s.entry.method])):
        with at_entry(step.index):
            one = await _plan_step(parts, occasion, step, planned)
            if one.change is not None:
                await authorize(parts, occasion.caller, one.change, fresh)
                await authorize_others(parts, occasion, one)
            planned.append((step, one))
        await pace.step()
    return planned


async def _read_contents(parts: Parts, steps: list[Step]) -> None:
    pace = Pace()
    for step in steps:
        with at_entry(step.index):
            if step.entry.resource is not None and step.entry.method in ("POST", "PUT"):
                step.content = parts.validate.decode(step.entry.resource, step.target.type)
        await pace.step()


def _condition(step: Step) -> Sequence[tuple[str, str]] | None:
    if step.entry.method == "POST" and step.entry.if_none_exist is not None:
        return pairs_of(step.entry.if_none_exist)
    return step.target.pairs


async def _evaluate_conditions(parts: Parts, occasion: Occasion, steps: list[Step]) -> None:
    first: dict[str, Step] = {}

    async def evaluate(step: Step) -> None:
        with at_entry(step.index):
            pairs = _condition(step)
            if pairs is not None:
                step.match = await match(parts, occasion, step.target.type, pairs)

    await side_by_side(evaluate, steps)
    for step in steps:
        if step.match is not None and step.match.found is None and step.entry.method == "POST":
            earlier = first.setdefault(step.match.claim.name, step)
            step.twin = earlier if earlier is not step else None


def _assign_keys(parts: Parts, steps: list[Step]) -> dict[str, str]:
    """Give every step its resource, and say which fullUrl now means which `Type/id`."""
    for step in steps:
        with at_entry(step.index):
            step.key, step.base = _key(parts, step)
    links: dict[str, str] = {}
    for step in steps:
        key = step.twin.key if step.twin else step.key
        full_url = step.entry.full_url if step.entry.method in ("POST", "PUT") else None
        if full_url and key is not None and links.setdefault(full_url, str(key)) != str(key):
            raise InvalidRequest("Two entries have the same fullUrl", expression=f"Bundle.entry[{step.index}].fullUrl")
    return links


def _key(parts: Parts, step: Step) -> tuple[ResourceKey | None, Stored | None]:
    found = step.match.found if step.match else None
    if step.entry.method == "POST":
        return (found.head.key, found) if found else (ResourceKey(step.target.type, parts.new_id()), None)
    if step.target.id is not None:
        return step.target.key, None
    if step.entry.method == "PUT":
        return conditional_target(step.target.type, step.content or {}, found, parts.new_id)
    return (found.head.key, found) if found else (None, None)


def _refuse_double_writes(steps: list[Step]) -> None:
    seen: dict[ResourceKey, int] = {}
    for step in steps:
        if step.key is None or step.twin is not None or (step.entry.method == "POST" and step.base is not None):
            continue
        if step.key in seen:
            raise InvalidRequest(
                f"Entries {seen[step.key]} and {step.index} both write {step.key}",
                expression=f"Bundle.entry[{step.index}]",
            )
        seen[step.key] = step.index


async def _link(parts: Parts, occasion: Occasion, steps: list[Step], links: dict[str, str]) -> None:
    conditional: dict[str, int] = {}
    for step in steps:
        for reference in parts.links.conditional(step.content) if step.content else ():
            conditional.setdefault(reference, step.index)

    async def resolve(item: tuple[str, int]) -> None:
        reference, index = item
        with at_entry(index):
            links.update(await targets_of(parts, occasion, [reference]))

    await side_by_side(resolve, list(conditional.items()))
    pace = Pace()
    for step in steps:
        if step.content is not None and links:
            parts.links.rewrite(step.content, links)
        await pace.step()


async def _read_bases(parts: Parts, occasion: Occasion, steps: list[Step]) -> None:
    asking = [step for step in steps if step.key and step.base is None and step.entry.method != "POST"]
    bases = await parts.store.newest_of([step.key for step in asking if step.key])
    for step, base in zip(asking, bases, strict=True):
        with at_entry(step.index):
            own_id = step.target.id is not None or "id" in (step.content or {})
            step.base = await base_of(parts, occasion.caller, base, step.key) if step.key and own_id else base


async def _plan_step(parts: Parts, occasion: Occasion, step: Step, done: list[tuple[Step, Planned]]) -> Planned:
    key, content, base = step.key, step.content, step.base
    claims = (step.match.claim,) if step.match and step.match.found is None else ()
    if step.twin is not None:
        first = next(planned for other, planned in done if other is step.twin)
        return Planned(msgspec.structs.replace(first.answer, status=200))
    if step.entry.method == "DELETE":
        require_match(key or ResourceKey(step.target.type, "?"), base, accepted_versions(step.entry))
        return deleting(parts, base)
    if key is None:
        raise InvalidRequest(f"No {step.target.type} matches the condition", code="not-found")
    if step.entry.method == "POST" and content is not None:
        if base is not None:
            return Planned(Answer(200, base.head, await opened(parts, base)))
        brought = step.brought or await brought_by(parts, occasion, key, content, None)
        return await planned_of(parts, occasion, key, brought, method="POST", base=None, claims=claims)
    require_match(key, base, accepted_versions(step.entry), if_none_match=step.entry.if_none_match == "*")
    if step.entry.method == "PATCH":
        return await patching(parts, occasion, present(base, key), patch_document(step.entry.resource or b""))
    if step.target.id is not None:
        require_id(content or {}, key)
    whole = {**(content or {}), "id": key.id}
    return await replacing(parts, occasion, key, whole, base=base, method="PUT", claims=claims, brought=step.brought)


async def _commit(parts: Parts, occasion: Occasion, steps: list[Step], planned: list[tuple[Step, Planned]]) -> None:
    written = [p for _, p in planned if p.change is not None]
    changes: tuple[Change, ...] = tuple(each for p in written for each in (p.change, *p.others) if each is not None)
    blobs = tuple(claim for p in written for claim in p.blobs)
    claims: dict[str, Claim] = {claim.name: claim for _, p in planned for claim in p.claims}
    by_index = {step.index: p.answer for step, p in planned}
    answers = tuple(by_index[step.index] for step in steps)
    named = tuple(dict.fromkeys(target for answer in answers for target in answer.targets))
    audit = occasion.entry(parts, 200, named, touched_patients(changes))
    await commit(parts, Write(changes, audit, tuple(claims.values()), receipt_of(occasion, answers), blobs))
