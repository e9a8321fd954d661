"""C1: every role, type, action, relation, label and scope through HTTP on the real store, against an oracle of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Iterable, Iterator
from typing import Any, cast

import httpx
import msgspec
import pytest
from litestar import Litestar

from domain.access import EVERYTHING, NOTHING, Caller, Letter, conditional_scopes, parse_scopes
from domain.grounds import Grounds
from domain.policy.sight import PolicySight
from domain.search import AllOf, AnyOf, Condition, NoneOf, WrittenBy
from tests.api.fhir.access_oracle import LABORATORY, TABLE, Cell, allowed
from tests.api.fhir.callers import admit, client_of
from tests.api.fhir.ward import PATIENTS, STAFF, build, callers, labelled, of_type

LABELS = ("", "R", "V", "PSY")
SCOPES = ("user/*.cruds", "patient/*.rs", "user/Observation.r", "user/*.s", LABORATORY)
LAUNCHED = ("team", "foreign", "permit", "order", "org")
"""Patients with whom scopes that are bound to one of them are crossed: staff see others by each relation."""
ROLES = (*STAFF, "PATIENT")
EVERY_MUTANT, SOME = bool(os.environ.get("CHARTVAULT_EVERY_MUTANT")), 30
"""How many mutants of the policy a run tries: some by the run's seed, or all there are."""
_numbers = itertools.count(10)
Names = dict[tuple[str, str, str], str]


def scope_of(caller: Caller, scope: str) -> Caller:
    return msgspec.structs.replace(
        caller,
        rights=parse_scopes(scope),
        scopes=conditional_scopes(scope),
        patient="team" if scope.startswith("patient/") else None,
    )


@pytest.fixture
async def clinic(app: Litestar) -> tuple[Litestar, Names]:
    """The ward, with a resource of each type, patient and label."""
    people = callers()
    known = {**people}
    for role in ROLES:
        known |= {f"{role}|{scope}": scope_of(people[role], scope) for scope in SCOPES}
    admit(app, known)
    names: Names = {}
    async with client_of(app, "program") as program:
        await build(program)

        async def add(kind: str, patient: str, label: str) -> None:
            if kind == "Patient":
                names[kind, patient, label] = f"Patient/{patient}"
                return
            body = labelled(of_type(kind, patient), *([label] if label else []))
            answer = await program.post(body["resourceType"], json={**body, "id": "ignored"})
            assert answer.status_code == 201, answer.text
            names[kind, patient, label] = f"{body['resourceType']}/{answer.json()['id']}"

        rows = [(kind, patient, label) for kind in TABLE for patient in PATIENTS for label in LABELS]
        for start in range(0, len(rows), 50):
            await asyncio.gather(*(add(*row) for row in rows[start : start + 50]))
    return app, names


def cells() -> Iterator[Cell]:
    """Scopes are crossed with two relations, labels with all; writes come last, since they add to what is there."""
    for role in ROLES:
        for kind in TABLE:
            for patient in PATIENTS:
                for label in LABELS if kind != "Patient" else ("",):
                    yield from (Cell(role, kind, letter, patient, label, SCOPES[0]) for letter in "rsh")
                for scope in SCOPES[1:]:
                    everybody = LAUNCHED if scope.startswith("patient/") else ("team", "foreign")
                    if patient in everybody and (scope != LABORATORY or kind.startswith("Observation")):
                        yield from (Cell(role, kind, letter, patient, "", scope) for letter in "rs")


def writing_cells() -> Iterator[Cell]:
    for role in ROLES:
        for kind in TABLE:
            for patient in PATIENTS if kind != "Patient" else ():
                yield from (
                    Cell(role, kind, letter, patient, label, SCOPES[0]) for letter in "cu" for label in ("", "V")
                )


async def observed(client: httpx.AsyncClient, cell: Cell, name: str) -> bool:
    """Whether HTTP lets it through. A search must find exactly this one, its total must say so."""
    if cell.letter == "r":
        return (await client.get(name)).status_code == 200
    if cell.letter == "h":
        answer = await client.get(f"{name}/_history")
        return answer.status_code == 200 and len(answer.json()["entry"]) == 1
    kind, _, logical_id = name.partition("/")
    if cell.letter == "c":
        body = labelled(of_type(cell.type, cell.patient), *filter(None, (cell.label,)))
        answer = await client.post(kind, json=body)
        assert answer.status_code in (201, 403), answer.text
        return answer.status_code == 201
    if cell.letter == "u":
        body = {**of_type(cell.type, cell.patient), "id": logical_id, "language": f"de-{next(_numbers)}"}
        answer = await client.put(name, json=body)
        assert answer.status_code in (200, 403, 404), answer.text
        return answer.status_code == 200
    answer = await client.get(f"{kind}?_id={logical_id}&_total=accurate")
    if answer.status_code != 200:
        assert answer.status_code == 403
        return False
    bundle = answer.json()
    assert bundle["total"] == len(bundle.get("entry", []))
    return bool(bundle["total"] == 1)


async def wrong_cells(app: Litestar, names: Names, wanted: list[Cell]) -> list[tuple[Cell, bool]]:
    clients: dict[str, httpx.AsyncClient] = {}
    wrong: list[tuple[Cell, bool]] = []

    async def one(cell: Cell) -> None:
        client = clients.setdefault(f"{cell.role}|{cell.scope}", client_of(app, f"{cell.role}|{cell.scope}"))
        seen = await observed(client, cell, names[cell.type, cell.patient, cell.label])
        if seen is not allowed(cell):
            wrong.append((cell, seen))

    for start in range(0, len(wanted), 64):
        await asyncio.gather(*(one(cell) for cell in wanted[start : start + 64]))
    for client in clients.values():
        await client.aclose()
    return wrong


@pytest.mark.slow
async def test_every_cell_of_the_matrix_is_as_the_oracle_says(clinic: tuple[Litestar, Names]) -> None:
    wanted = [*cells(), *writing_cells()]
    assert len(wanted) >= 4_000
    assert sum(map(allowed, wanted)) >= 200
    wrong = await wrong_cells(*clinic, wanted)
    assert not wrong, (len(wrong), wrong[:12])


Path = tuple[int, ...]
Place = tuple[str, str, Letter, str]
"""A role, a type, a letter and the scope of the token: what is compiled for them is mutated."""


def clauses(condition: Condition, path: Path = ()) -> Iterator[tuple[Path, Condition]]:
    """What can be dropped: every part of a conjunction, every alternative, every exception, at any depth."""
    if isinstance(condition, AllOf | AnyOf | NoneOf):
        for number, part in enumerate(condition.conditions):
            yield (*path, number), part
            yield from clauses(part, (*path, number))


def without(condition: Condition, path: Path) -> Condition:
    assert isinstance(condition, AllOf | AnyOf | NoneOf)
    number, *rest = path
    parts = list(condition.conditions)
    if rest:
        parts[number] = without(parts[number], tuple(rest))
    else:
        del parts[number]
    left = type(condition)(tuple(parts))
    return EVERYTHING if left == NoneOf(()) else left


UNTOLD = {
    "Appointment": "it names whom it is with: who may see it for that may for the team too, or for nothing",
    "Invoice": "the same",
    "ADMIN": "of each resource the place and its patient say the same, that it is of the organisation",
    "RECEPTIONIST": "the same",
    "SUPER_ADMIN": "sees by no relation at all",
}
"""Where two reasons of the rules show the same in this ward, so that one less makes no difference."""


def rule_clauses(sight: PolicySight, kind: str, letter: Letter) -> Iterator[tuple[Path, Condition]]:
    """The clauses of role, relation, consent and labels."""
    plain = sight.plain(letter, kind)
    labels = sight._labels(letter, kind)
    for path, clause in clauses(AllOf(plain)):
        # No patient carries a label here, what is in their records does; and none was written by who looks for them, which
        # `test_who_wrote_a_patient_sees_them_for_that_alone` is about.
        if kind != "Patient" or not (plain[path[0]] in labels or isinstance(clause, WrittenBy)):
            yield path, clause


def scope_clauses(sight: PolicySight, kind: str, letter: Letter) -> Iterator[tuple[Path, Condition]]:
    """The clauses of the token's scopes; one that grants nothing is refused before any filter."""
    for path, clause in clauses(AllOf((sight.scope(letter, kind),))):
        if clause not in (EVERYTHING, NOTHING):
            yield path, clause


async def mutants_of(app: Litestar, wanted: Iterable[Place]) -> list[tuple[Place, Path, str]]:
    """Every clause that is compiled for these places, each with what kind of clause it is."""
    found: list[tuple[Place, Path, str]] = []
    for place in wanted:
        role, kind, letter, scope = place
        sight = (await app.state.fhir._resolve(scope_of(callers()[role], scope), Grounds())).sight
        if not sight.may(letter, kind):
            continue
        if scope != SCOPES[0]:
            # Patients see no record but the one an app is bound to, laboratories nothing but their own results.
            same = role == "PATIENT" or kind in UNTOLD or (role, scope) == ("LAB_TECHNICIAN", LABORATORY)
            dropped = () if same else scope_clauses(sight, kind, letter)
            found += [(place, path, f"scope {type(clause).__name__}") for path, clause in dropped]
        elif role not in UNTOLD and kind not in UNTOLD:
            dropped = rule_clauses(sight, kind, letter)
            found += [(place, path, f"rules {type(clause).__name__}") for path, clause in dropped]
    return found


def mutated(place: Place, path: Path) -> tuple[str, Any]:
    """The method of the policy that compiles this, and what takes its place: the same without one clause."""
    role, kind, letter, scope = place
    plain, scoped = PolicySight.plain, PolicySight.scope

    def here(self: PolicySight, asked: Letter, resource_type: str) -> bool:
        known = self.standing is not None and self.standing.subject == callers()[role].subject
        return known and (asked, resource_type) == (letter, kind)

    def plain_without(self: PolicySight, asked: Letter, resource_type: str) -> tuple[Condition, ...]:
        found = AllOf(plain(self, asked, resource_type))
        left = without(found, path) if here(self, asked, resource_type) else found
        assert isinstance(left, AllOf)
        return left.conditions

    def scope_without(self: PolicySight, asked: Letter, resource_type: str) -> Condition:
        found = AllOf((scoped(self, asked, resource_type),))
        left = without(found, path) if here(self, asked, resource_type) else found
        assert isinstance(left, AllOf)
        return left.conditions[0] if left.conditions else EVERYTHING

    return ("plain", plain_without) if scope == SCOPES[0] else ("scope", scope_without)


def chosen(mutants: list[tuple[Place, Path, str]]) -> list[tuple[Place, Path, str]]:
    """All, or one of each kind and some more, by the run's seed."""
    if EVERY_MUTANT:
        return mutants
    rng = random.Random(os.environ["CHARTVAULT_SEED"])
    one_each = [rng.choice([each for each in mutants if each[2] == kind]) for kind in sorted(KINDS)]
    return [*one_each, *rng.sample(mutants, SOME)]


KINDS = {
    *(f"rules {name}" for name in ("AllOf", "AnyOf", "Faceted", "IdIn", "Labelled", "NoneOf", "PatientIn")),
    *(f"scope {name}" for name in ("AllOf", "AnyTerm", "IdIn", "PatientIn")),
}
"""Every kind of clause that the policy compiles to. A new one has to be told apart in the ward."""


async def test_a_policy_without_any_one_of_its_clauses_is_noticed(
    clinic: tuple[Litestar, Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, names = clinic
    wanted: dict[Place, list[Cell]] = {}
    for cell in cells():
        place: Place = (cell.role, cell.type.partition("-")[0], cast(Letter, cell.letter), cell.scope)
        wanted.setdefault(place, []).append(cell)
    mutants = await mutants_of(app, wanted)
    assert {kind for _, _, kind in mutants} == KINDS
    unnoticed = []
    some = chosen(mutants)
    for place, path, kind in some:
        with monkeypatch.context() as patched:
            patched.setattr(PolicySight, *mutated(place, path))
            if not await wrong_cells(app, names, wanted[place]):
                unnoticed.append((place, path, kind))
    assert not unnoticed, f"{len(unnoticed)} of {len(some)}: {unnoticed}"


async def test_who_wrote_a_patient_sees_them_for_that_alone(
    clinic: tuple[Litestar, Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clause `WrittenBy`: what a dietician has put in is theirs to see, without any other relation."""
    app, _ = clinic
    plain = PolicySight.plain

    def without_the_writer(self: PolicySight, asked: Letter, resource_type: str) -> tuple[Condition, ...]:
        found = AllOf(plain(self, asked, resource_type))
        writers = [path for path, clause in clauses(found) if isinstance(clause, WrittenBy)]
        left = without(found, writers[0]) if writers else found
        assert isinstance(left, AllOf)
        return left.conditions

    async with client_of(app, "DIETICIAN|user/*.cruds") as dietician:
        made = await dietician.post("Patient", json={"resourceType": "Patient"})
        assert made.status_code == 201, made.text
        name = f"Patient/{made.json()['id']}"
        assert (await dietician.get(name)).status_code == 200
        assert (await dietician.get(f"Patient?_id={made.json()['id']}")).json()["total"] == 1
        with monkeypatch.context() as patched:
            patched.setattr(PolicySight, "plain", without_the_writer)
            assert (await dietician.get(name)).status_code == 404
            assert (await dietician.get(f"Patient?_id={made.json()['id']}")).json()["total"] == 0
