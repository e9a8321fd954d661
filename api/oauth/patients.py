"""Whose record an app may work on: one's own, the family's, or for staff any patient they may see.

Each patient is read as the person would read them, through the same rules, so that a relation that has ended offers nothing,
and an unknown number looks like one that may not be seen.
"""

from __future__ import annotations

from msgspec.json import decode

from api.oauth.pending import Choice, Pending
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.access import Caller, parse_scopes
from domain.accounts.account import STAFF
from domain.errors import Forbidden, InvalidRequest, NotFound
from domain.identity import FhirJson, ResourceKey, parse_id
from domain.interactions.parts import Occasion
from domain.interactions.read import read

_RIGHTS = parse_scopes("user/Patient.r user/RelatedPerson.r")
_MOST = 50


async def patients_of(service: Service, visit: Visit, pending: Pending) -> tuple[Choice, ...]:
    """The patients somebody is or acts for. None for staff, who name one, even when they are patients here themselves."""
    caller = await _caller(service, visit, pending)
    if caller is None or not STAFF.isdisjoint(caller.roles):
        return ()
    ids: dict[str, None] = {}
    for profile in caller.profiles[:_MOST]:
        kind, _, name = profile.partition("/")
        if kind == "Patient":
            ids[name] = None
        elif kind == "RelatedPerson":
            person = await _resource(service, visit, caller, "RelatedPerson", name)
            reference = ((person or {}).get("patient") or {}).get("reference", "")
            if reference.startswith("Patient/"):
                ids[reference.removeprefix("Patient/")] = None
    found = [await _choice(service, visit, caller, patient) for patient in ids]
    return tuple(choice for choice in found if choice is not None)


async def chosen(service: Service, visit: Visit, pending: Pending, patient: str) -> Choice | None:
    """The patient with this number, if this person was offered them or may see them."""
    if pending.choices:
        return next((choice for choice in pending.choices if choice.id == patient), None)
    caller = await _caller(service, visit, pending)
    return None if caller is None else await _choice(service, visit, caller, patient.strip().removeprefix("Patient/"))


async def _caller(service: Service, visit: Visit, pending: Pending) -> Caller | None:
    """The person, as they would come with a token of this login: with what the rules leave them."""
    account = pending.account or ""
    standing = (await service.accounts.standings([account])).get(account)
    if standing is None or not standing.active:
        return None
    person = Caller(
        subject=account,
        client=pending.request.client,
        token_id="",
        rights=_RIGHTS,
        network=visit.network,
        account=account,
        roles=standing.roles,
        profiles=standing.profiles,
        organizations=standing.organizations,
        authenticated_at=pending.authenticated_at,
        second_factor_at=pending.second_factor_at,
    )
    return await service.resolve(person)


async def _choice(service: Service, visit: Visit, caller: Caller, patient: str) -> Choice | None:
    content = await _resource(service, visit, caller, "Patient", patient)
    if content is None:
        return None
    visit.patients = (*visit.patients, patient)
    visit.targets = (*visit.targets, f"Patient/{patient}")
    return Choice(patient, _name(content) or f"Patient {patient}")


async def _resource(service: Service, visit: Visit, caller: Caller, kind: str, name: str) -> FhirJson | None:
    try:
        key = ResourceKey(kind, parse_id(name))
        answer = await read(service.parts, Occasion(caller, visit.request_id, "read"), key)
    except (NotFound, Forbidden, InvalidRequest):
        return None
    content: FhirJson = decode(answer.content or b"{}")
    return content


def _name(content: FhirJson) -> str:
    """The first name of a Patient, as people write it."""
    first = next((name for name in content.get("name") or () if isinstance(name, dict)), {})
    words = [*(first.get("given") or ()), first.get("family") or ""]
    return str(first.get("text") or " ".join(word for word in words if word))[:120]
