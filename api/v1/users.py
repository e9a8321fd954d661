"""People who log in, for administrators and themselves: `/api/v1/users*` of PRODUCT 2.11."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, View, Visit
from api.v1.forms import Email, ExternalIds, Name, PreferencesForm, References, Roles, UserView, user_view
from api.v1.service import Service
from domain.access import Role
from domain.accounts import managing, second_factors
from domain.accounts.account import Account, ExternalId, Preferences, Status
from domain.accounts.linking import require_linkable
from domain.accounts.managing import Changes
from domain.accounts.ports import AccountQuery
from domain.accounts.registering import Applicant
from domain.identity import ResourceKey

_LIST = "/users"


class Wanted(Form, frozen=True, kw_only=True):
    """`q` is beginnings of names, or a whole address."""

    role: Role | None = None
    status: Status | None = None
    q: Annotated[str, Meta(min_length=2, max_length=200)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: str | None = None


class NewUser(Form, frozen=True, kw_only=True):
    email: Email
    first_name: Name
    last_name: Name
    role: Role = "PATIENT"
    profiles: References = ()
    organizations: References = ()


class UserChange(Form, frozen=True, kw_only=True):
    """What is left out stays. Owners change names and preferences; everything else is for administrators."""

    first_name: Name | None = None
    last_name: Name | None = None
    roles: Roles | None = None
    status: Status | None = None
    profiles: References | None = None
    organizations: References | None = None
    external_ids: ExternalIds | None = None
    preferences: PreferencesForm | None = None

    @property
    def changes(self) -> Changes:
        """What is to change, in the domain's words."""
        ids, liked = self.external_ids, self.preferences
        return Changes(
            first_name=self.first_name,
            last_name=self.last_name,
            roles=self.roles,
            status=self.status,
            profiles=self.profiles,
            organizations=self.organizations,
            external_ids=None if ids is None else tuple(ExternalId(each.system, each.value) for each in ids),
            preferences=None if liked is None else Preferences(liked.language, liked.timezone),
        )


class Approval(Form, frozen=True, kw_only=True):
    """The roles to give; those asked for when left out."""

    roles: Roles | None = None


class UsersView(View, frozen=True, kw_only=True):
    items: tuple[UserView, ...]
    next: str | None


class MeView(View, frozen=True, kw_only=True):
    """One's own account, and who one is in the records; `family` are the patients one acts for."""

    user: UserView
    patient_id: str | None
    practitioner_id: str | None
    family: tuple[str, ...]


async def listed(service: Service, visit: Visit, query: Wanted) -> Outcome:
    """The accounts an administrator may see"""
    managing.require_administrator(visit.caller)
    wanted = AccountQuery(role=query.role, status=query.status, text=query.q)
    of = f"{_LIST}?{query.role}|{query.status}|{query.q}"
    after = service.cursors.read(query.cursor, of=of, subject=visit.caller.subject)
    found = await managing.listed(service.people, visit.caller, wanted, after=after, count=query.limit + 1)
    items, more = found[: query.limit], len(found) > query.limit
    visit.concerns(*(f"User/{account.id}" for account in items))
    following = service.cursors.write(items[-1].id, of=of, subject=visit.caller.subject) if more else None
    return Outcome(UsersView(items=tuple(map(user_view, items)), next=following))


async def me(service: Service, visit: Visit) -> Outcome:
    """One's own account"""
    account = await managing.own(service.people, visit.caller)
    visit.concerns(f"User/{account.id}")
    view = MeView(
        user=user_view(account),
        patient_id=_profile(account, "Patient"),
        practitioner_id=_profile(account, "Practitioner"),
        family=await _family(service, account),
    )
    return Outcome(view, version=account.version)


async def shown(service: Service, visit: Visit) -> Outcome:
    """An account: one's own, or as an administrator"""
    return _answer(await _found(service, visit))


async def added(service: Service, visit: Visit, body: NewUser) -> Outcome:
    """Invite somebody; the letter lets them choose a password"""
    _note_profiles(visit, body.profiles)
    await require_linkable(service.parts, visit.caller, body.profiles)
    applicant = Applicant(email=body.email, first_name=body.first_name, last_name=body.last_name, role=body.role)
    account = await managing.added(
        service.people, visit.caller, applicant, profiles=body.profiles, organizations=body.organizations
    )
    visit.concerns(f"User/{account.id}")
    outcome = _answer(account, 201)
    outcome.headers = {"location": f"/api/v1/users/{account.id}"}
    return outcome


async def changed(service: Service, visit: Visit, body: UserChange) -> Outcome:
    """Change an account: one's own names and preferences, or as an administrator anything but one's own roles"""
    account = await _found(service, visit)
    visit.require_match(account.version, required=service.limits.require_if_match)
    _note_profiles(visit, body.profiles or ())
    added = [each for each in body.profiles or () if each not in account.profiles]
    await require_linkable(service.parts, visit.caller, added)
    return _answer(await managing.changed(service.people, visit.caller, account, body.changes))


async def disabled(service: Service, visit: Visit) -> Outcome:
    """Disable an account, at once and everywhere"""
    managing.require_administrator(visit.caller)
    account = await _found(service, visit)
    visit.require_match(account.version, required=service.limits.require_if_match)
    await managing.disabled(service.people, visit.caller, account)
    return NOTHING


async def approved(service: Service, visit: Visit, body: Approval) -> Outcome:
    """Let in somebody who registered for a role"""
    managing.require_administrator(visit.caller)
    account = await _found(service, visit)
    visit.require_match(account.version)
    return _answer(await managing.approved(service.people, visit.caller, account, body.roles))


async def factors_cleared(service: Service, visit: Visit) -> Outcome:
    """Remove the second factors of somebody who lost theirs; every session of theirs ends"""
    managing.require_administrator(visit.caller)
    account = await _found(service, visit)
    managing.require_reachable(visit.caller, account)
    second_factors.require_recent(visit.caller, service.people.clock())
    await second_factors.clear(service.people, account)
    return NOTHING


def _note_profiles(visit: Visit, profiles: tuple[str, ...]) -> None:
    """Who links an account to a record gives access to it: the patient sees that among who saw the record."""
    patients = tuple(each.partition("/")[2] for each in profiles if each.startswith("Patient/"))
    visit.concerns(*profiles, patients=patients)


async def _found(service: Service, visit: Visit) -> Account:
    visit.concerns(f"User/{visit.params['id']}")
    return await managing.shown(service.people, visit.caller, visit.params["id"])


def _answer(account: Account, status: int = 200) -> Outcome:
    return Outcome(user_view(account), status, version=account.version)


def _profile(account: Account, kind: str) -> str | None:
    return next((name for of, _, name in (each.partition("/") for each in account.profiles) if of == kind), None)


async def _family(service: Service, account: Account) -> tuple[str, ...]:
    """The patients of the RelatedPersons this account stands for."""
    keys = [ResourceKey(*each.split("/", 1)) for each in account.profiles if each.startswith("RelatedPerson/")]
    if not keys:
        return ()
    found = await service.parts.store.newest_of(keys)
    return tuple(dict.fromkeys(each.head.patient for each in found if each is not None and each.head.patient))


ENDPOINTS = (
    Endpoint("GET", "/users", "user-list", listed, UsersView),
    Endpoint("POST", "/users", "user-create", added, UserView, 201, replays=True),
    Endpoint("GET", "/users/me", "user-read", me, MeView),
    Endpoint("GET", "/users/{id}", "user-read", shown, UserView),
    Endpoint("PUT", "/users/{id}", "user-update", changed, UserView),
    Endpoint("DELETE", "/users/{id}", "user-disable", disabled, status=204),
    Endpoint("POST", "/users/{id}/approve", "user-approve", approved, UserView),
    Endpoint("POST", "/users/{id}/reset-mfa", "mfa-reset", factors_cleared, status=204),
)
