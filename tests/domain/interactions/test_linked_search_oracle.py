"""Searches that look at other resources find what brute force on the plain JSON finds.

Chains, `_has`, `:in`, `:not-in`, `:above`, `:below`, `_include`, `_revinclude`, `:iterate`:
https://hl7.org/fhir/R4/search.html. Random small worlds of linked resources; what is expected are loops over their JSON.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import pytest

from domain.identity import FhirJson, ResourceKey
from domain.interactions import links
from domain.interactions.parts import Occasion, Parts
from domain.interactions.search import search
from domain.interactions.update import update

SEED = int(os.environ["CHARTVAULT_SEED"])
SNOMED = "http://snomed.info/sct"
TREE = {"root": None, "heart": "root", "valve": "heart", "lung": "root", "asthma": "lung"}
SETS = {"http://x.org/vs/heart": ["heart", "valve"], "http://x.org/vs/lung": ["lung"]}
GENDERS, FAMILIES = ["male", "female"], ["Ash", "Ashton", "Birch"]
World = dict[str, FhirJson]
"""Resources by name, `Patient/1`."""


def random_world(rng: random.Random) -> World:
    world: World = {}
    for number in "12345":
        world[f"Practitioner/d{number}"] = {"name": [{"family": rng.choice(FAMILIES)}], "gender": rng.choice(GENDERS)}
    for number in "12345678":
        patient: FhirJson = {"name": [{"family": rng.choice(FAMILIES)}], "gender": rng.choice(GENDERS)}
        if rng.random() < 0.7:
            patient["generalPractitioner"] = [{"reference": f"Practitioner/d{rng.choice('12345')}"}]
        world[f"Patient/p{number}"] = patient
    for number in range(20):
        code = {"coding": [{"system": SNOMED, "code": rng.choice(list(TREE))}]}
        condition: FhirJson = {"subject": {"reference": f"Patient/p{rng.choice('12345678')}"}}
        if rng.random() < 0.9:
            condition["code"] = code
        if rng.random() < 0.6:
            condition["asserter"] = {"reference": f"Practitioner/d{rng.choice('12345')}"}
        world[f"Condition/c{number}"] = condition
    return world


def terminology() -> World:
    def row(code: str) -> FhirJson:
        below = [row(each) for each, parent in TREE.items() if parent == code]
        return {"code": code, **({"concept": below} if below else {})}

    found: World = {
        "CodeSystem/s": {"status": "active", "content": "complete", "url": SNOMED, "concept": [row("root")]}
    }
    for number, (url, codes) in enumerate(SETS.items()):
        concepts = [{"code": code} for code in codes]
        include: list[FhirJson] = [{"system": SNOMED, "concept": concepts}]
        found[f"ValueSet/v{number}"] = {"status": "active", "url": url, "compose": {"include": include}}
    every = {"include": [{"valueSet": [url]} for url in SETS]}
    every["exclude"] = [{"system": SNOMED, "concept": [{"code": "valve"}]}]
    found["ValueSet/all"] = {"status": "active", "url": "http://x.org/vs/all", "compose": every}
    return found


async def fill(parts: Parts, occasion: Occasion, world: World) -> None:
    for name, content in world.items():
        resource_type, _, id_ = name.partition("/")
        body = {"resourceType": resource_type, "id": id_, **content}
        await update(parts, occasion, ResourceKey(resource_type, id_), body)


def of_type(world: World, resource_type: str) -> Iterable[tuple[str, FhirJson]]:
    return [(name, content) for name, content in world.items() if name.startswith(f"{resource_type}/")]


def code_of(condition: FhirJson) -> str | None:
    return condition["code"]["coding"][0]["code"] if "code" in condition else None


def doctors_of(patient: FhirJson) -> list[str]:
    return [each["reference"] for each in patient.get("generalPractitioner", ())]


def line(code: str | None) -> list[str]:
    """The code and everything above it."""
    return [] if code is None else [code, *line(TREE[code])]


class Asked(NamedTuple):
    """A search of a type, and what holds of its matches."""

    type: str
    name: str
    value: str
    holds: Callable[[str, FhirJson], bool]


def chains(rng: random.Random, world: World) -> list[Asked]:
    gender, family, code = rng.choice(GENDERS), rng.choice(FAMILIES), rng.choice(list(TREE))

    def named(name: str) -> bool:
        return world[name]["name"][0]["family"].startswith(family)

    def subject(condition: FhirJson) -> FhirJson:
        return world[condition["subject"]["reference"]]

    def has(name: str, wanted: Callable[[FhirJson], bool]) -> bool:
        return any(c["subject"]["reference"] == name and wanted(c) for _, c in of_type(world, "Condition"))

    def asserted(c: FhirJson, wanted: Callable[[str], bool]) -> bool:
        return "asserter" in c and wanted(c["asserter"]["reference"])

    return [
        Asked("Condition", "patient.gender", gender, lambda n, c: subject(c)["gender"] == gender),
        Asked("Condition", "subject:Patient.family", family, lambda n, c: named(c["subject"]["reference"])),
        Asked("Condition", "asserter:Practitioner.gender", gender, lambda n, c: asserted(c, lambda d: world[d]["gender"] == gender)),
        Asked("Condition", "patient.general-practitioner:Practitioner.family", family, lambda n, c: any(map(named, doctors_of(subject(c))))),
        Asked("Patient", "general-practitioner:Practitioner.name", family, lambda n, p: any(map(named, doctors_of(p)))),
        Asked("Patient", "_has:Condition:patient:code", code, lambda n, p: has(n, lambda c: code_of(c) == code)),
        Asked("Patient", "_has:Condition:patient:asserter.family", family, lambda n, p: has(n, lambda c: asserted(c, named))),
        Asked("Practitioner", "_has:Condition:asserter:code", code, lambda n, d: any(asserted(c, n.__eq__) and code_of(c) == code for _, c in of_type(world, "Condition"))),
        Asked("Practitioner", "_has:Patient:general-practitioner:_has:Condition:patient:code", code, lambda n, d: any(n in doctors_of(p) and has(m, lambda c: code_of(c) == code) for m, p in of_type(world, "Patient"))),
        Asked("Condition", "patient._has:Condition:patient:code", code, lambda n, c: has(c["subject"]["reference"], lambda o: code_of(o) == code)),
    ]  # fmt: skip


def code_sets(rng: random.Random) -> list[Asked]:
    code = rng.choice(list(TREE))
    whole = {url: set(codes) for url, codes in SETS.items()}
    whole["http://x.org/vs/all"] = set().union(*SETS.values()) - {"valve"}
    url = rng.choice(list(whole))
    return [
        Asked("Condition", "code:in", url, lambda n, c: code_of(c) in whole[url]),
        Asked("Condition", "code:not-in", url, lambda n, c: code_of(c) not in whole[url]),
        Asked("Condition", "code:below", f"{SNOMED}|{code}", lambda n, c: code in line(code_of(c))),
        Asked("Condition", "code:above", f"{SNOMED}|{code}", lambda n, c: code_of(c) in line(code)),
    ]


async def found_by(parts: Parts, occasion: Occasion, resource_type: str, *pairs: tuple[str, str]) -> tuple[set[str], set[str]]:  # fmt: skip
    """The names of all matches, page by page, and of what came along."""
    asked = parts.search.parse(resource_type, [*pairs, ("_count", "6")], strict=True)
    query, matches, included = asked.query, list[str](), set[str]()
    while True:
        page = await search(parts, occasion, query, asked.inclusions)
        matches += [str(entry.head.key) for entry in page.matches]
        included |= {str(entry.head.key) for entry in page.included.entries}
        if page.next is None:
            assert len(matches) == len(set(matches))
            return set(matches), included
        query = msgspec.structs.replace(query, after=page.next)


@pytest.mark.parametrize("round_", range(6))
async def test_conditions_on_other_resources_find_what_brute_force_finds(
    parts: Parts, asked: Occasion, round_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if round_ % 2:
        monkeypatch.setattr(links, "OPENED_LIMIT", 1)  # the index says what they point at
    rng = random.Random(f"{SEED} {round_}")
    world = random_world(rng)
    await fill(parts, asked, world | terminology())
    for _ in range(6):
        first, *more = rng.sample(chains(rng, world) + code_sets(rng), 14)
        also = [each for each in more if each.type == first.type][:1] if rng.random() < 0.4 else []
        for together in ([first, *also], *([each] for each in more)):
            expected = {n for n, c in of_type(world, together[0].type) if all(each.holds(n, c) for each in together)}
            pairs = [(each.name, each.value) for each in together]
            found, _ = await found_by(parts, asked, together[0].type, *pairs)
            assert found == expected, f"CHARTVAULT_SEED={SEED} {pairs}"


def included(world: World, names: Iterable[str], *steps: Callable[[str], set[str]]) -> set[str]:
    """What steps lead to, one after the other, each from the matches and all that came before."""
    reached = set(names)
    for step in steps:
        reached |= {target for name in reached for target in step(name)}
    return reached - set(names)


@pytest.mark.parametrize("round_", range(3))
async def test_inclusions_bring_what_the_references_lead_to(parts: Parts, asked: Occasion, round_: int) -> None:
    rng = random.Random(f"inclusions {SEED} {round_}")
    world = random_world(rng)
    await fill(parts, asked, world)

    def subject(name: str) -> set[str]:
        return {world[name]["subject"]["reference"]} if name.startswith("Condition/") else set()

    def asserter(name: str) -> set[str]:
        return {world[name]["asserter"]["reference"]} if "asserter" in world[name] else set()

    def doctor(name: str) -> set[str]:
        return set(doctors_of(world[name])) if name.startswith("Patient/") else set()

    def conditions(name: str) -> set[str]:
        return {n for n, c in of_type(world, "Condition") if c["subject"]["reference"] == name}

    codes = ("code", f"{SNOMED}|heart")
    matches = {n for n, c in of_type(world, "Condition") if code_of(c) == "heart"}
    everyone = {n for n, _ in of_type(world, "Patient") if world[n]["gender"] == "male"}
    cases = [
        ("Condition", matches, [codes, ("_include", "Condition:patient")], [subject]),
        ("Condition", matches, [codes, ("_include", "Condition:*")], [lambda n: subject(n) | asserter(n)]),
        ("Condition", matches, [codes, ("_include", "Condition:subject:Group")], [lambda n: set()]),
        ("Condition", matches, [codes, ("_include", "Condition:patient"), ("_include:iterate", "Patient:general-practitioner")], [subject, doctor]),
        ("Patient", everyone, [("gender", "male"), ("_revinclude", "Condition:patient")], [conditions]),
        ("Patient", everyone, [("gender", "male"), ("_revinclude", "Condition:patient"), ("_include:iterate", "Condition:asserter")], [conditions, asserter]),
    ]  # fmt: skip
    for resource_type, expected, pairs, steps in cases:
        found, along = await found_by(parts, asked, resource_type, *pairs)
        assert found == expected, f"CHARTVAULT_SEED={SEED} {pairs}"
        assert along - expected == included(world, expected, *steps), f"CHARTVAULT_SEED={SEED} {pairs}"
