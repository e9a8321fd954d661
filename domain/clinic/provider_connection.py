"""The connection of a patient with their primary healthcare provider: made, shown, tried, ended. PRODUCT 2.11, Sync.

Who treats the patient or keeps their record decides about it: doctors, dieticians, administrators. Patients see their own and
end it, which stops the sharing.

A row holds the truth (`provider_ports.Connections`). Organization, Endpoint and the Patient's generalPractitioner follow from
it in one transaction afterwards, by a rule that may be repeated and leads to the newest row whoever repeats it.
https://hl7.org/fhir/R4/endpoint.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from domain.access import Caller, Right, Role
from domain.cells import Cell
from domain.clinic.acting import acting
from domain.clinic.provider_parcels import person_cell
from domain.clinic.provider_ports import Cause, Connection, Connections, ProviderTrouble, Remotes
from domain.clinic.provider_wishes import Wish, connection_of
from domain.clinic.sync_taking import FOREVER
from domain.errors import Forbidden, NotFound, VersionConflict
from domain.identity import FhirJson, ResourceKey
from domain.interactions.parts import Answer, Occasion, Parts, opened, present
from domain.interactions.read import read
from domain.interactions.writing import Planned, changed, write_one
from domain.policy.sight import PolicySight
from domain.revision import Change, Stored

KIND = "Patient"
DECIDING: frozenset[Role] = frozenset({"DOCTOR", "DIETICIAN", "ADMIN"})
TRIAL_SECONDS = 20.0


class Trial(NamedTuple):
    """What came of trying a connection: the causes of what did not work, and wanted types that the provider does not give."""

    causes: tuple[Cause, ...] = ()
    missing: tuple[str, ...] = ()


class ProviderRecords(Protocol):
    """A connection as FHIR. Implemented by `fhir_mapping.friendly.provider_connection`."""

    def organization_of(self, connection: Connection) -> str:
        """The logical id of the provider's Organization: the same for the same provider, whoever's."""
        ...

    def provider(self, connection: Connection) -> Sequence[FhirJson]:
        """The Organization of the provider and its Endpoint."""
        ...

    def naming(self, patient: FhirJson, connection: Connection | None) -> FhirJson:
        """The Patient with this provider as a general practitioner, and none that a former connection named."""
        ...


class Providing(NamedTuple):
    """What connections are made with."""

    connections: Connections
    remotes: Remotes
    records: ProviderRecords


async def shown(parts: Parts, providing: Providing, occasion: Occasion, patient: ResourceKey) -> Connection:
    """The connection of a patient, for who decides about it and for themselves. Raises `NotFound`, `Forbidden`."""
    await read(parts, occasion, patient)
    _require_decides(occasion.caller, patient, "r")
    return await _connection(providing, patient)


async def connected(
    parts: Parts,
    providing: Providing,
    occasion: Occasion,
    patient: ResourceKey,
    wish: Wish,
    *,
    if_match: frozenset[str] | None = None,
) -> tuple[Connection, Answer]:
    """Connect the patient, or change how; the first run follows by itself. Raises `InvalidFields` for what cannot be called,
    `VersionConflict` when somebody was faster."""
    await read(parts, occasion, patient)
    _require_decides(occasion.caller)
    before = await providing.connections.get(patient.id)
    _require_match(before, if_match)
    made = connection_of(parts.clock(), providing.remotes, patient.id, wish, before)
    for resource in providing.records.provider(made):
        parts.validate.check(resource)
    seen = None if before is None else before.version
    kept = await providing.connections.put(made, seen=seen, due=parts.clock())
    return kept, await follow(parts, providing, occasion, patient)


async def disconnected(
    parts: Parts,
    providing: Providing,
    occasion: Occasion,
    patient: ResourceKey,
    *,
    if_match: frozenset[str] | None = None,
) -> Answer:
    """Forget the connection and its secrets; what came from the provider stays. Raises `NotFound` without one."""
    await read(parts, occasion, patient)
    _require_decides(occasion.caller, patient, "u")
    before = await _connection(providing, patient)
    _require_match(before, if_match)
    if not await providing.connections.remove(patient.id, seen=before.version):
        raise _unconnected()
    return await follow(parts, providing, occasion, patient)


async def tried(parts: Parts, providing: Providing, occasion: Occasion, patient: ResourceKey) -> Trial:
    """Ask the provider who it is and whether it knows the patient. Everything that goes wrong is in the answer."""
    await read(parts, occasion, patient)
    _require_decides(occasion.caller)
    connection = await _connection(providing, patient)
    try:
        async with asyncio.timeout(TRIAL_SECONDS), providing.remotes.open(connection) as remote:
            able = await remote.able()
            if not able.is_r4:
                return Trial(("bad_content",))
            await remote.read(KIND, connection.remote_patient)
            return Trial(missing=tuple(each for each in connection.types if each not in able.types))
    except ProviderTrouble as trouble:
        return Trial((trouble.cause,))
    except TimeoutError:
        return Trial(("timeout",))


async def follow(parts: Parts, providing: Providing, occasion: Occasion, patient: ResourceKey) -> Answer:
    """Make Organization, Endpoint and Patient say what the newest row says; the Patient as it is then. May be repeated."""
    records = providing.records

    async def plan() -> Planned:
        connection = await providing.connections.get(patient.id)
        base = present(await parts.store.newest(patient), patient)
        current = await opened(parts, base)
        before = parts.reading.decoded(current)
        made = () if connection is None else records.provider(connection)
        changes = [each for one in made if (each := await _new(parts, occasion, one)) is not None]
        content, answer = records.naming(before, connection), Answer(200, base.head, current)
        if content != before:
            parts.validate.check(content)
            change, answer = changed(parts, occasion, patient, content, method="PUT", base=base)
            changes.append(change)
        cells = await _known(parts, connection, base) if connection is not None and changes else ()
        return Planned(answer, changes[0] if changes else None, others=tuple(changes[1:]), cells=cells)

    return await write_one(parts, acting(occasion, "u", KIND, "Organization", "Endpoint"), plan)


async def _known(parts: Parts, connection: Connection, base: Stored) -> tuple[Cell, ...]:
    """The version that the provider is taken to know: what is changed from here on is told to it."""
    name = person_cell(connection)
    (held,) = await parts.store.cells([name])
    return () if held.holder is not None else (Cell(name, held.seen, base.head.key.at(base.head.version), FOREVER),)


async def _new(parts: Parts, occasion: Occasion, content: FhirJson) -> Change | None:
    """The change that writes a resource, unless it is there: then it is whatever somebody has made of it."""
    key = ResourceKey(content["resourceType"], content["id"])
    base = await parts.store.newest(key)
    if base is not None and not base.head.deleted:
        return None
    return changed(parts, occasion, key, content, method="PUT", base=base)[0]


def _require_match(connection: Connection | None, if_match: frozenset[str] | None) -> None:
    if if_match is None:
        return
    if connection is None or not if_match & {"*", str(connection.version)}:
        raise VersionConflict("Somebody changed the connection since you have read it")


async def _connection(providing: Providing, patient: ResourceKey) -> Connection:
    connection = await providing.connections.get(patient.id)
    if connection is None:
        raise _unconnected()
    return connection


def _require_decides(caller: Caller, own: ResourceKey | None = None, right: Right = "u") -> None:
    """Raise `Forbidden` unless somebody decides about the connections of the patients they see; a program by its scopes.

    With `own` also for whose record that is, and who acts for them."""
    sight = caller.sight
    standing = sight.standing if isinstance(sight, PolicySight) else None
    theirs = own is not None and standing is not None and own.id in standing.own
    decides = caller.account is None or not caller.roles.isdisjoint(DECIDING)
    if not ((decides or theirs) and caller.scoped(right, KIND)):
        raise Forbidden("Doctors, dieticians and administrators decide about connections", reason="not_deciding")


def _unconnected() -> NotFound:
    return NotFound("This patient is not connected with a provider", reason="not_connected")
