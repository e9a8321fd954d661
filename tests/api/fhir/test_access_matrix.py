"""C1: every role, type, action, relation, label and scope through HTTP on the real store, against an oracle of its own."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from litestar import Litestar

from domain.access import Caller, Letter, conditional_scopes, parse_scopes
from domain.policy.sight import PolicySight
from domain.search import AllOf, AnyOf, Condition
from tests.api.fhir.access_oracle import TABLE, Cell, allowed
from tests.api.fhir.callers import admit, client_of
from tests.api.fhir.ward import PATIENTS, STAFF, build, callers, labelled, of_type

LABELS = ("", "R", "V", "PSY")
SCOPES = ("user/*.cruds", "patient/*.rs", "user/Observation.r", "user/*.s")
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
                if patient in ("team", "foreign"):
                    yield from (Cell(role, kind, letter, patient, "", scope) for letter in "rs" for scope in SCOPES[1:])


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


def clauses(condition: Condition, path: Path = ()) -> Iterator[Path]:
    """Where something can be dropped: every part of a conjunction, every alternative, at any depth."""
    if isinstance(condition, AllOf | AnyOf):
        for number, part in enumerate(condition.conditions):
            yield (*path, number)
            yield from clauses(part, (*path, number))


def without(condition: Condition, path: Path) -> Condition:
    assert isinstance(condition, AllOf | AnyOf)
    number, *rest = path
    parts = list(condition.conditions)
    if rest:
        parts[number] = without(parts[number], tuple(rest))
    else:
        del parts[number]
    return type(condition)(tuple(parts))


@pytest.mark.slow
async def test_a_policy_without_any_one_of_its_clauses_is_noticed(
    clinic: tuple[Litestar, Names], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, names = clinic
    compiled = PolicySight.plain
    wanted: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells():
        kind = cell.type.partition("-")[0]
        # Where the ward has nobody to tell two reasons apart (a bill that names the doctor), a clause makes no difference.
        if cell.scope == SCOPES[0] and cell.letter in "rs" and kind not in ("Patient", "Appointment", "Invoice"):
            wanted.setdefault((cell.role, kind, cell.letter), []).append(cell)
    mutants: list[tuple[tuple[str, str, str], Path]] = []
    for place in wanted:
        role, kind, letter = place
        caller = await app.state.fhir._resolve(callers()[role])
        if role not in ("ADMIN", "RECEPTIONIST", "SUPER_ADMIN") and caller.sight.may(letter, kind):
            mutants += [(place, path) for path in clauses(AllOf(caller.sight.plain(letter, kind)))]
    assert len(mutants) > 150
    some = random.Random(os.environ["CHARTVAULT_SEED"]).sample(mutants, len(mutants) if EVERY_MUTANT else SOME)
    unnoticed = []
    for place, path in some:
        role, kind, letter = place

        def mutated(self: PolicySight, asked: Letter, resource_type: str, place=place, path=path):  # type: ignore[no-untyped-def]
            found = compiled(self, asked, resource_type)
            if (asked, resource_type) != (place[2], place[1]) or self.standing.subject != callers()[place[0]].subject:
                return found
            return without(AllOf(found), path).conditions

        with monkeypatch.context() as patched:
            patched.setattr(PolicySight, "plain", mutated)
            if not await wrong_cells(app, names, wanted[place]):
                unnoticed.append((place, path))
    assert not unnoticed, f"{len(unnoticed)} of {len(some)}: {unnoticed}"
