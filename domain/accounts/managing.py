"""Accounts as administrators and their owners see and change them: PRODUCT "Users", ACCESS "User account, role grant".

One rule decides each act, from the roles of who asks. Nobody grants a role above their own, nobody changes their own
roles, an administrator only reaches the accounts of their own organisations, changes of rights need a second factor proven
a moment ago (`StepUpRequired`), and somebody always remains SUPER_ADMIN.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from domain.access import Caller, Role
from domain.accounts.account import STAFF, Account, ExternalId, Preferences, Status
from domain.accounts.people import People
from domain.accounts.ports import AccountQuery
from domain.accounts.registering import Applicant, invite
from domain.accounts.second_factors import require_recent
from domain.errors import Conflict, Forbidden, InvalidFields, NotFound

RANK: dict[Role, int] = {
    "SUPER_ADMIN": 3,
    "ADMIN": 2,
    **dict.fromkeys(STAFF - {"SUPER_ADMIN", "ADMIN"}, 1),
    "PATIENT": 0,
}
"""Who may grant what: a role of at most one's own rank. Only ranks from ADMIN on grant anything at all."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of an account says; `None` leaves a field as it is. Owners may change names and preferences."""

    first_name: str | None = None
    last_name: str | None = None
    roles: tuple[Role, ...] | None = None
    status: Status | None = None
    profiles: tuple[str, ...] | None = None
    organizations: tuple[str, ...] | None = None
    external_ids: tuple[ExternalId, ...] | None = None
    preferences: Preferences | None = None

    def __repr__(self) -> str:
        return "Changes(…)"

    @property
    def for_administrators(self) -> bool:
        rights = (self.roles, self.status, self.profiles, self.organizations, self.external_ids)
        return any(each is not None for each in rights)


async def own(people: People, caller: Caller) -> Account:
    """The account of who asks. Raises `Forbidden` for a program, which has none."""
    account = await people.accounts.find(caller.account) if caller.account else None
    if account is None:
        raise Forbidden("This is for people who have logged in")
    return account


async def shown(people: People, caller: Caller, account_id: str) -> Account:
    """An account the caller may see: their own, or as an administrator. Anybody else's is `NotFound`, as an unknown id."""
    account = await people.accounts.find(account_id)
    if account is None or not (account_id == caller.account or _administers(caller, account)):
        raise NotFound("There is no such account")
    return account


async def listed(people: People, caller: Caller, query: AccountQuery, *, after: str, count: int) -> list[Account]:
    """The accounts an administrator sees. Raises `Forbidden` for everybody else."""
    require_administrator(caller)
    if not _is_super(caller):
        query = msgspec.structs.replace(query, organizations=caller.organizations)
    return await people.accounts.page(query, after=after, count=count)


async def added(
    people: People,
    caller: Caller,
    applicant: Applicant,
    *,
    profiles: tuple[str, ...] = (),
    organizations: tuple[str, ...] = (),
) -> Account:
    """Invite somebody. A DIETICIAN may invite patients, an administrator everybody up to their own rank.

    Whom an administrator invites belongs to the administrator's organisations unless others are named.
    """
    if caller.account is None or not (is_administrator(caller) or "DIETICIAN" in caller.roles):
        raise Forbidden("Only an administrator or a dietician invites people")
    if not is_administrator(caller):
        if applicant.role != "PATIENT":
            raise Forbidden("A dietician invites patients only", reason="role_not_allowed")
        if profiles or organizations:
            raise Forbidden("Only an administrator says who somebody is in the records")
    else:
        if applicant.is_staff or profiles:
            require_recent(caller, people.clock())
        _require_grantable(caller, [applicant.role])
        _require_own_organizations(caller, organizations)
    require_profiles(profiles)
    return await invite(people, applicant, profiles=profiles, organizations=organizations or caller.organizations)


async def changed(people: People, caller: Caller, account: Account, changes: Changes) -> Account:
    """Change an account that `shown` has shown. Raises `Forbidden` for what the caller may not change, `Conflict`
    (`last_super_admin`) for what would leave nobody in charge."""
    if changes.for_administrators:
        require_administrator(caller)
        require_recent(caller, people.clock())
        if account.id == caller.account:
            raise Forbidden("Nobody changes their own roles", reason="own_roles")
        _require_grantable(caller, account.roles)
        _require_grantable(caller, changes.roles or ())
        _require_own_organizations(caller, changes.organizations or ())
        require_profiles(changes.profiles or ())
        if changes.status not in (None, "ACTIVE", "DISABLED"):
            raise InvalidFields("An account is set to ACTIVE or DISABLED", expression="status")
    if changes.status == "ACTIVE" and account.status != "DISABLED":
        return await approved(people, caller, account, changes.roles)
    given = {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not None}
    return await _stored(people, account, msgspec.structs.replace(account, **given))


async def approved(people: People, caller: Caller, account: Account, roles: tuple[Role, ...] | None = None) -> Account:
    """Let somebody in who registered for a role: with it, or with the `roles` given instead.

    Who has not confirmed the address yet waits for that alone.
    """
    require_administrator(caller)
    require_recent(caller, people.clock())
    if account.status not in ("PENDING_APPROVAL", "PENDING_EMAIL"):
        raise Conflict("This account does not wait for approval", reason="not_pending")
    granted = roles if roles is not None else (*account.roles, *((account.asked,) if account.asked else ()))
    _require_grantable(caller, granted)
    status: Status = "ACTIVE" if account.email_verified else "PENDING_EMAIL"
    organizations = account.organizations or caller.organizations
    after = msgspec.structs.replace(
        account, roles=tuple(dict.fromkeys(granted)), asked=None, status=status, organizations=organizations
    )
    return await _stored(people, account, after)


async def disabled(people: People, caller: Caller, account: Account) -> Account:
    """Take somebody's access away, at once and on every worker. What they did stays in the audit, so nothing is deleted."""
    return await changed(people, caller, account, Changes(status="DISABLED"))


def require_profiles(profiles: Iterable[str]) -> None:
    """Raise `InvalidFields` unless each names a person in the records."""
    for profile in profiles:
        kind, _, name = profile.partition("/")
        if kind not in ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson") or not name:
            raise InvalidFields("A profile is a Patient, Practitioner or RelatedPerson", expression="profiles")


def require_administrator(caller: Caller) -> None:
    if caller.account is None or not is_administrator(caller):
        raise Forbidden("This is for administrators")


def is_administrator(caller: Caller) -> bool:
    return not caller.roles.isdisjoint(("ADMIN", "SUPER_ADMIN"))


def require_reachable(caller: Caller, account: Account) -> None:
    """Raise `Forbidden` for one's own account and for one that holds a role above the caller's."""
    if account.id == caller.account:
        raise Forbidden("Somebody else has to do this for you")
    _require_grantable(caller, account.roles)


def _is_super(caller: Caller) -> bool:
    return "SUPER_ADMIN" in caller.roles


def _administers(caller: Caller, account: Account) -> bool:
    """A SUPER_ADMIN everybody, an ADMIN their own organisations' people and who has just registered with none."""
    if caller.account is None or not is_administrator(caller):
        return False
    return (
        _is_super(caller)
        or not account.organizations
        or not set(account.organizations).isdisjoint(caller.organizations)
    )


def _require_grantable(caller: Caller, roles: Iterable[Role]) -> None:
    most = max((RANK[role] for role in caller.roles), default=0)
    if any(RANK[role] > most for role in roles):
        raise Forbidden("Nobody grants or changes a role above their own", reason="role_above_own")


def _require_own_organizations(caller: Caller, organizations: Iterable[str]) -> None:
    if not _is_super(caller) and not set(organizations) <= set(caller.organizations):
        raise Forbidden("Only people of one's own organisation can be managed", reason="foreign_organization")


async def _stored(people: People, before: Account, after: Account) -> Account:
    """Store a change; who lost a role or all access loses every session with it."""
    after = msgspec.structs.replace(after, version=before.version + 1, updated=people.clock())
    loses_top = "SUPER_ADMIN" in before.roles and ("SUPER_ADMIN" not in after.roles or after.status != "ACTIVE")
    await people.accounts.replace(after, keep="SUPER_ADMIN" if loses_top and before.status == "ACTIVE" else None)
    if after.status != "ACTIVE" or not set(before.roles) <= set(after.roles):
        await people.sessions.end_all(after.id)
    return after
